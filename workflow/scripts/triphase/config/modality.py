"""What a row of the responses is: a scan, seconds after what was heard, or a word, with its response at lags around it.

The pipeline was made for scans. Whatever follows from that stands here, with the answer for intracranial recordings:

- a row: a scan, every `dataset/tr` seconds; or a word. Of words the TR is 1, a row each, and their times on the clock
  of the encoding are their places in the run (`triphase.encoding.word_rows`);
- delays: of the haemodynamic response; none, since the lags around a word's onset are targets of their own;
- ceilings: between listeners too; none, for no two patients have their electrodes in the same places;
- the clock check of the data report: the rate of words convolved with the haemodynamic response, within one TR; the
  rate itself, which the cortex follows within a second.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triphase.core.errors import InputError
from triphase.core.types import Section


@dataclass(frozen=True)
class Modality:
    """How the rows of the responses stand to what was heard.

    Attributes
    ----------
    name : as the registry says it
    row : what a row is, "scan" or "word"
    """

    name: str
    row: str

    @property
    def by_word(self) -> bool:
        """Whether rows are words, and not scans."""
        return self.row == "word"


MODALITIES = {"fmri": Modality("fmri", "scan"), "ecog": Modality("ecog", "word")}


def modality_of(source: Mapping[str, Any]) -> Modality:
    """The modality of a source of responses; fMRI where it does not say."""
    return MODALITIES[source.get("modality") or "fmri"]


def settle_rows(config: Section, given: Mapping[str, Any]) -> Section:
    """The section `encoding` of a study, made to fit what its rows are.

    Parameters
    ----------
    config : dict, the study's, with its data set put in
    given : mapping, the config as the user wrote it

    Raises
    ------
    InputError : a key is said that has no meaning for rows that are words
    """
    encoding: Section = config["encoding"]
    if not modality_of(config["dataset"]["source"]).by_word:
        return encoding
    why = "the responses are locked to words, at the lags of the source (dataset/source/lags)"
    if (given.get("encoding") or {}).get("delays") not in (None, [0], [0.0]):
        raise InputError(f"encoding/delays: {encoding['delays']} s have no meaning here: {why}; leave the key out")
    if encoding["delay_alternatives"]:
        raise InputError(f"encoding/delay_alternatives: {why}, without delays; leave the key out")
    if encoding["downsampling"] == "lanczos":
        raise InputError(f"encoding/downsampling: 'lanczos' filters words for scans, but {why}; leave the key out")
    return {**encoding, "delays": [0]}
