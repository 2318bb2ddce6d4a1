"""The registry of readers of brain responses. A reader is one file, here in `responses/readers` or a user's own."""

from dataclasses import dataclass

from triphase.config.formats import Format
from triphase.core.registry import Registry


@dataclass(frozen=True, eq=False)
class Reader(Format):
    """A reader of brain responses; its `function` is called once per subject as function(example, paths, source).

    example : list of path, the responses of one run: a single file, or those of the left and right hemisphere
    paths : dict of role to list of path; roles are response (response_L and response_R), confounds and those of `files`
    source : dict, `dataset.source` with the reader's own keys, and `brain`, which voxels count where there is no mask

    It returns an object with `table`, a DataFrame with roi (text), x, y and z (mm) per voxel, and `open(paths, run)`,
    which looks at one run's headers and returns a `triphase.responses.readers.recording.Recording`.

    Attributes
    ----------
    files : keys of more path templates, whose files are fetched as well; null where a subject has none
    templates : keys of its own in which {run} and {stimulus} stand for a run's, as where a file holds several
    names_regions : whether it names the region of each voxel by itself, without a label image
    hemispheres : whether a path may have {hemi}, and so stand for a file per hemisphere
    megabytes : memory of a job that cleans a subject's responses
    """

    files: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    names_regions: bool = False
    hemispheres: bool = False
    megabytes: int = 6000

    def keys(self) -> dict[str, str]:
        """The type of every key of its own, among them those of `files`."""
        return {**super().keys(), **dict.fromkeys(self.files, "Text | None")}


READERS = Registry("reader", Reader, package="triphase.responses.readers")
