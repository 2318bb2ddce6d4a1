"""Names for types that are written often. Snakemake imports this at every start, so nothing heavy is imported here."""

from typing import Any

# A part of the config or of a registry: a mapping of keys to whatever they hold; and a list of such, each with a name.
Section = dict[str, Any]
Entries = list[Section]
