"""GPT-NeoX: weights by depth and width."""

import re
from collections.abc import Mapping
from math import sqrt
from typing import Any

from triphase.config.initialisations import INITIALISATIONS

WRITES = re.compile(r"(attention\.dense|dense_4h_to_h)\.weight$")


@INITIALISATIONS.register(name="gpt-neox")
def gpt_neox(tensor: str, config: Mapping[str, Any]) -> float | None:
    """Standard deviation by `wang_init` for matrices that write into the residual stream, by `small_init` for others.

    With width d and L layers these are 2 / (L sqrt(d)) (Wang and Komatsuzaki 2021) and sqrt(2 / (5 d)) (Nguyen and
    Salazar 2019).
    """
    width, layers = config.get("hidden_size"), config.get("num_hidden_layers")
    if not width or not layers:
        return None
    return 2 / (layers * sqrt(width)) if WRITES.search(tensor) else sqrt(2 / (5 * width))
