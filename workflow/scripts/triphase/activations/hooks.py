"""A model's layers: which they are, and what goes into them and comes out of their parts while the model runs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from triphase.checkpoints.behaviour import headless, text_config


def find_layers(model: Any) -> list[nn.Module]:
    """The layers (transformer blocks) of a model of transformers, in order; none where they cannot be told.

    They are the list of modules that has as many members as the config says layers. Where a model has several, the one
    nearest to its root counts, if it is alone there: each layer may hold a list of as many experts.
    """
    base: Any = headless(model)
    depth, modules = text_config(base).num_hidden_layers, [base]
    while modules:
        modules = [child for module in modules for child in module.children()]
        lists = [module for module in modules if isinstance(module, nn.ModuleList) and len(module) == depth]
        if lists:
            return list(lists[0]) if len(lists) == 1 else []
    return []


@contextmanager
def hooked_inputs(layers: Iterable[nn.Module], take: Callable[[int, Any], None]) -> Iterator[None]:
    """Call `take` with a number, from 0, and the hidden states that this layer gets, before it runs."""

    def hook(number):
        def called(_, args, kwargs):
            take(number, args[0] if args else kwargs["hidden_states"])

        return called

    with _removed_after(
        layer.register_forward_pre_hook(hook(number), with_kwargs=True, prepend=True)
        for number, layer in enumerate(layers)
    ):
        yield


@contextmanager
def hooked_parts(layers: Iterable[nn.Module], take: Callable[[int, Any], None]) -> Iterator[None]:
    """Call `take` with a number, from 1, and what a part of this layer (attention, MLP, norms) returns, for each part.

    The numbers are those of the hidden states that the layers end in.
    """

    def hook(number):
        def called(_, inputs, output):
            take(number, output)

        return called

    with _removed_after(
        part.register_forward_hook(hook(number)) for number, layer in enumerate(layers, 1) for part in layer.children()
    ):
        yield


@contextmanager
def _removed_after(handles):
    handles = list(handles)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
