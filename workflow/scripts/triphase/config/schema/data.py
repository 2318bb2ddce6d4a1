"""Sections `dataset` and `responses`: whose brain responses, and how they are cleaned."""

from typing import Annotated, Any, Literal

from pydantic import Field

from triphase.config.schema.base import MISSING, Name, Names, Section, SomeNames, Text, Unique, key


class Dataset(Section):
    """The brain data.

    What is known of a data set stands in the registry (`resources/registry/`, explained there); a study chooses.

    Brain maps are drawn of responses in MNI space (glass brain and surface) and on fsaverage5 (surface). Time courses
    of regions or parcels, and voxels in a listener's own space, have no places on a template's brain, so studies of
    them have no brain figures: their regions are in `figures/rois_<model>.png`.
    """

    name: Name = key(
        MISSING,
        "Entry of the registry: `ds002322` (Alice), `ds003020` (LeBel), `ds005531` (Narrative Movie), `local` (a "
        "folder of your own), `embedded` (simulated), or your own entry.",
        example="ds003020",
    )
    registry: Text = key(
        "resources/registry/datasets.yaml",
        "The registry of data sets. A relative path counts from the working directory, then from the project.",
        "the one that ships",
    )
    source: Text | None = key(
        None, "Which responses are read, by name.", "the entry's first, its authors' own form", example="voxels"
    )
    transcript: Text | None = key(None, "Which transcript is read, by name.", "the entry's first", example="speech_en")
    subjects: SomeNames | None = key(
        None,
        "Subjects of the study.",
        "all that the source has, or of those all that have the chosen `runs`",
        example=["UTS01", "UTS02"],
    )
    runs: SomeNames | None = key(
        None,
        "Runs of the study.",
        "all that every chosen subject has; the data report names the others",
        example=["alternateithicatom", "wheretheressmoke"],
    )
    test_runs: Names | None = key(
        None,
        "Runs that are held out when `encoding/split/kind` is fixed. All runs of a stimulus stand on one side.",
        "those that the registry marks",
        example=["wheretheressmoke"],
    )
    brain: Literal["template", "gray_matter", "computed"] = key(
        "template",
        "Voxels of NIfTI images that come without a mask or label image: the brain, or the gray matter (probability "
        "over 0.2: the cortical ribbon and the deep nuclei), of nilearn's MNI template, for responses in MNI space; "
        "or `nilearn.masking.compute_epi_mask` of the first run's mean, for any space.",
        "the same voxels for every subject, and none is lost for a low signal",
    )
    atlas: Text | None = key(
        None,
        "Regions from an atlas of the registry in place of the source's own; for responses in MNI space.",
        "the source's own regions",
        example="dosenbach",
    )
    overrides: dict[str, Any] = key(
        {},
        "Any key of the registry's entry, such as `url` and `version` (another address, or another state, of the same "
        "data set): mappings merge, lists are replaced whole. An address with a password or token in it is refused: "
        "git's credential helper or DataLad's credential store keep those.",
        "the entry as it stands",
        example={"version": "2.0.2"},
    )


class Responses(Section):
    """Cleaning of responses, run by run.

    Every run is also detrended, and each voxel z-scored over it without the seconds that the run shares with the one
    before. `n/a` in the first row of fMRIPrep's columns that compare a volume with the one before (derivatives,
    framewise displacement, DVARS, rmsd) counts as 0; any other missing value in a column that is used is an error.
    Trend, drifts and confounds are what `nilearn.signal.clean` removes. A voxel that is constant or not finite in one
    run is left out of the analysis; the file keeps its other runs (`triphase.responses.subject.load_responses` reads
    it). A subject is read, cleaned and written run by run: memory is that of the longest run within the mask, plus
    about 0.5 GB.

    Ceilings have intervals of 1,000 bootstrap draws over blocks of 40 s, alike for all voxels and subjects and for all
    hearings of one stimulus: far above the 10 to 15 s over which a haemodynamic response is correlated.
    """

    high_pass: Annotated[float, Field(gt=0, le=10)] | None = key(
        0.01,
        "Slower cosines are regressed out, together with the confounds; null: none.",
        "scanners drift over minutes, and a story's slow structure below it cannot be told from that",
        unit="Hz",
    )
    confounds: bool | Annotated[list[Text], Field(min_length=1), Unique()] = key(
        True,
        "Whether the source's confounds are regressed out (they are then no band of the encoding model), or which "
        "columns of them, as globs. Columns without a header are called 1, 2 and so on.",
        "motion that follows the story would pass for alignment. fMRIPrep's tables have hundreds of columns: choose",
        example=["trans_?", "rot_?", "csf"],
    )
    confound_expansion: Annotated[list[Literal["derivatives", "squares"]], Unique()] = key(
        [],
        "Adds each column's difference to the volume before (0 for the first), squares, or both: the squares are then "
        "also those of the differences, which makes 24 of six motion parameters.",
        "in short runs 24 regressors take much of the signal along",
        example=["derivatives", "squares"],
        mark="Friston 1996, in the form of Satterthwaite 2013",
    )
