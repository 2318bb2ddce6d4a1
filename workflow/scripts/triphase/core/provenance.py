"""Facts about where a result comes from, to be stored with it."""

from importlib.metadata import version

from triphase.core.types import Section

# Not of the installed distribution: in an environment of its own a job has this library's files alone.
VERSION = "0.2.0"


def library_versions(*names: str) -> dict[str, str]:
    """Versions of the named distributions, as a dict."""
    return {name: version(name) for name in names}


def model_provenance(manifest: Section) -> Section:
    """The part of a checkpoint's manifest that every result made with it carries."""
    keys = ["repository", "revision", "commit", "fingerprint", "tokenizer_hash", "architecture"]
    return {key: manifest[key] for key in keys}
