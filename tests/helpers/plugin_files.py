"""Plugins in the test's own process: loaded for a while, and gone afterwards."""

from contextlib import contextmanager

from triphase.core.plugins import load_plugins
from triphase.core.registry import Registry


@contextmanager
def loaded(*files):
    """Load plugins, and take what they added out of the registries at the end."""
    try:
        yield load_plugins([str(file) for file in files])
    finally:
        for registry in Registry.every:
            for file in files:
                registry.withdraw(str(file))
