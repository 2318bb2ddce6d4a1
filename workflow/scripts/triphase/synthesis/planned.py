"""A synthesis as its rules see it: its config, and the finished studies that it joins.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triphase.config.merging import merged
from triphase.config.places import Sources, refuse
from triphase.config.resolve import in_order
from triphase.config.validation import problems_of
from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.planning.study import JobValue, job_settings
from triphase.synthesis.files import FILES


@dataclass(frozen=True)
class Synthesis:
    """A checked config, with defaults."""

    project: str
    config: Section

    @classmethod
    def load(cls, config: Mapping[str, Any], project: str, sources: Sources) -> "Synthesis":
        """The synthesis of a config as Snakemake has merged it from its sources.

        Raises
        ------
        InputError : the config is not what it should be, or a study is not finished
        """
        from triphase.config.schema import Synthesis as Schema

        config = merged(config, sources.arguments)
        refuse([*problems_of(config, Schema), *sources.surprises()], sources)
        config = in_order(Schema.model_validate(config).model_dump(mode="json"))
        refuse_unfinished(config["studies"])
        return cls(project, dict(config))

    @property
    def inputs(self) -> dict[str, list[str]]:
        """The files that are joined, by what they are, one for each study."""
        return {name: [f"{folder}/{file}" for folder in self.config["studies"]] for name, file in FILES.items()}

    def settings(self, rule: str, calls: JobValue | None = None, **given: Any) -> JobValue:
        """Param function: what a rule's jobs are told, as `triphase.planning.study.Study.settings`."""
        return job_settings(self.project, self.config, [], rule, calls, given)


def refuse_unfinished(folders: Sequence[str]) -> None:
    """InputError for a folder that holds no finished study, or is named twice, with what is joined without it."""
    places = [Path(folder).resolve() for folder in folders]
    for number, folder in enumerate(folders):
        rest = f"without it these are joined: {', '.join([*folders[:number], *folders[number + 1 :]])}"
        if places[number] in places[:number]:
            raise InputError(f"studies: {folder} is named twice; {rest}")
        if absent := [name for name in FILES.values() if not (places[number] / name).is_file()]:
            raise InputError(
                f"studies: {folder} is no finished study of this version: it lacks {', '.join(absent)}; run it to its "
                f"end or take it out: {rest}"
            )
