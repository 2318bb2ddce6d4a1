"""Keys that a config once had: where they went, for messages to whoever brings an old file along.

Entries of lists are `[]`. A key that is not here and not in the schema is a mistake.
"""

from collections.abc import Mapping
from typing import Any

from triphase.config.places import Place

OVERRIDES = "it is a key of the registry's entry: write it in dataset/overrides/"
LOCAL = 'write the path as "{local_data}/…" in '
ALWAYS = "it is always "
SETTING = "a constant of triphase.phases.transitions.Settings: "

MOVED = {
    "dataset/url": f"{OVERRIDES}url",
    "dataset/version": f"{OVERRIDES}version",
    "retrieve/jobs": "it is execution/transfers",
    "retrieve/retries": "it is execution/retries",
    "retrieve/keep_raw": "it is execution/keep_raw",
    "retrieve/disk_gb": "it is execution/disk_gb",
    "responses/detrend": f"{ALWAYS}true",
    "responses/standardize": f"{ALWAYS}true",
    "responses/confound_columns": "give the columns, or true or false, as responses/confounds",
    "responses/ceiling/draws": f"{ALWAYS}1000",
    "responses/ceiling/block_seconds": f"{ALWAYS}40",
    "models/[]/checkpoints/all": "write `checkpoints: all`",
    "models/[]/train/steps": "training ends with the last of train/saves",
    "models/[]/train/corpus/kind": "a text has path and from, invented language words and mixture",
    "activations/surprisal": "it is always measured",
    "activations/batch_size": "it is execution/activation_batch",
    "activations/device": "it is execution/device",
    "encoding/gap_curve": f"{ALWAYS}[0, 10, 20, 40, 60]",
    "encoding/minimum_block": f"{ALWAYS}20",
    "encoding/solver": "it is execution/solver",
    "encoding/backend": "execution/device says where encoding models are fitted",
    "states/intrinsic_dimension/n": "it is states/words",
    "states/cka/n": "it is states/words",
    "states/cka/references": "it is states/references",
    "states/probes/folds": f"{ALWAYS}5",
    "states/probes/min_count": f"{ALWAYS}20",
    "states/probes/alphas": f"{ALWAYS}[1, 100, 10000]",
    "states/probes/control_draws": f"{ALWAYS}10",
    "states/mechanism/sequences": f"{ALWAYS}16",
    "states/mechanism/prompts": f"{ALWAYS}64",
    "states/mechanism/unseen/path": "give the path as states/mechanism/unseen",
    "states/mechanism/unseen/root": f"{LOCAL}states/mechanism/unseen",
    "tasks/batch_size": "it is execution/task_batch",
    "tasks/evaluations/[]/root": f"{LOCAL}data",
    "tasks/adherence/[]/variants/[]/root": f"{LOCAL}data",
    "phases/headline/measure": "the headline is always alignment",
    "phases/confidence": f"{SETTING}0.99",
    "phases/smallest_leg": f"{SETTING}0.1",
    "phases/significance": f"{SETTING}0.05",
    "phases/needed_power": f"{SETTING}0.8",
    "phases/max_breakpoints": f"{SETTING}4",
    "phases/shrinkage": "it follows from the number of held-out blocks (triphase.phases.covariance)",
    "phases/calibration": "it is phases/simulations, together with phases/power",
    "phases/power": "it is phases/simulations, together with phases/calibration",
    "phases/specification/replicates": f"{ALWAYS}40",
    "phases/specification/max_breakpoints": f"{ALWAYS}3",
}


def moved(path: Place, value: Any) -> list[tuple[Place, Any, str]]:
    """Old keys at and below a place: path and value of each, and where it went; empty where there is none."""
    name = "/".join("[]" if isinstance(part, int) else str(part) for part in path)
    if name in MOVED:
        return [(path, value, MOVED[name])]
    if not isinstance(value, Mapping):
        return []
    return [found for key, below in value.items() for found in moved((*path, key), below)]
