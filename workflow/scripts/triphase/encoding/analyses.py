"""What varies an analysis of alignment: columns of the tidy table, so that no choice hides in a measure's name."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields

# Delays of the headline (`encoding/delays`); others are named by their first and last seconds, such as "2-5 s".
OWN_DELAYS = "headline"
STEP0 = "step 0"
# Nuisance sets by the bands that each has. `statistics` is `nuisance` with the checkpoint's own surprisal among its
# features, `lexical` word identity, `static` the static embedding.
NUISANCE_SETS = {
    "N1": ("nuisance",),
    "N2": ("nuisance", "lexical"),
    "N1+static": ("nuisance", "static"),
    "N1+surprisal": ("statistics",),
    "N2+surprisal": ("statistics", "lexical"),
}
# Fits to fewer of the training stimuli, in quarters: is a fall one of what is there, or of what can be learned?
FEWER = {"quarter": 1, "half": 2}


@dataclass(frozen=True)
class Analysis:
    """The choices behind a score; None where a choice does not apply.

    Attributes
    ----------
    scaling : str, of the model's columns, one of `triphase.encoding.guards.SCALINGS`
    delays : str, `OWN_DELAYS` or as "2-5 s"
    nuisance : str, the nuisance set that a gain is over, one of `NUISANCE_SETS`
    reference : str, the checkpoint whose score is subtracted: `STEP0`
    trained_on : str, the share of the training stimuli that was used, one of `FEWER`; None for all of them
    normalised : bool, whether the score is divided by the ceiling
    """

    scaling: str | None = None
    delays: str | None = None
    nuisance: str | None = None
    trained_on: str | None = None
    reference: str | None = None
    normalised: bool = False

    def differs(self, main: "Analysis") -> list[str]:
        """The choices in which this analysis is not the main one."""
        return [name for name in CHOICES if getattr(self, name) != getattr(main, name)]

    def label(self, main: "Analysis") -> str:
        """What sets this analysis apart from the main one, in a few words; empty for the main one itself."""
        words: dict[str, str | None] = {
            "scaling": self.scaling,
            "delays": f"delays {self.delays}",
            "nuisance": self.nuisance and f"over {self.nuisance}",
            "trained_on": f"trained on a {self.trained_on} of the stimuli",
            "reference": f"over {self.reference}",
            "normalised": "normalised",
        }
        return ", ".join(word for name in self.differs(main) if (word := words[name]))


def nuisance_sets(bands: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The nuisance sets that can be made of some bands, by name."""
    return {name: parts for name, parts in NUISANCE_SETS.items() if set(parts) <= set(bands)}


def alone(parts: tuple[str, ...]) -> str:
    """Name of the fit of a nuisance set without the layer: `nuisance_alone`, `lexical_alone` and so on."""
    return "_".join([*(part for part in parts if part != "nuisance" or len(parts) == 1), "alone"])


@dataclass(frozen=True)
class Partition:
    """Which fits tell what the layer, word identity and surprisal each explain that the others do not.

    Attributes
    ----------
    full : str, the nuisance set beside which the layer's part is told, the largest that a study has
    without : dict of part (model, identity, surprisal) to the fit that lacks it: a nuisance set with the layer, or for
        the model the name of the fit of `full` alone
    """

    full: str
    without: dict[str, str]

    @classmethod
    def of(cls, bands: Collection[str]) -> "Partition | None":
        """The partition that some bands allow; None without word identity and surprisal."""
        sets = nuisance_sets(bands)
        without = {"N2": {"identity": "N1"}, "N1+surprisal": {"surprisal": "N1"}}
        without["N2+surprisal"] = {"identity": "N1+surprisal", "surprisal": "N2"}
        there = [name for name in sets if name in without]
        return cls(there[-1], {"model": alone(sets[there[-1]]), **without[there[-1]]}) if there else None


CHOICES = [field.name for field in fields(Analysis)]
# Those in which fits of one layer differ: coordinates of an encoding result, with empty text for None.
OF_FITS = CHOICES[:4]


def fitted_analyses(*coordinates: Iterable[str]) -> list[Analysis]:
    """The analyses of an encoding result, from its coordinates in the order of `OF_FITS`."""
    found = []
    for values in zip(*coordinates, strict=True):
        scaling, delays, nuisance, trained_on = (str(value) or None for value in values)
        found.append(Analysis(scaling, delays, nuisance, trained_on))
    return found
