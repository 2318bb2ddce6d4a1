"""What was found of the study's data set: one file of numbers behind the data report."""

from triphase.config.jobs import DescribeData
from triphase.config.modality import modality_of
from triphase.core.artefacts import read_json, read_table, write_json
from triphase.core.job import Job, start
from triphase.core.types import Section
from triphase.responses.description import (
    ceilings_of,
    compare_lengths,
    describe_runs,
    describe_subject,
    describe_timing,
    findings,
    on_one_clock,
    remarks,
    subject_series,
)
from triphase.responses.run_timing import Expected
from triphase.stimuli.nonwords import left_out


def main(job: Job[DescribeData]) -> None:
    """Read the responses one subject at a time and write the description."""
    paths, settings = job.paths, job.settings
    source, unit = settings.source, settings.words["unit"]
    words = read_table(paths.words)
    facts: dict[str, Section] = {}
    series: dict[str, Section] = {}
    clocks: dict[str, Section] = {}
    names: list[str] = []
    stimuli = read_json(paths.stimuli)
    for entry, path, manifest in zip(settings.subjects, paths.responses, paths.manifests, strict=True):
        subject = entry["name"]
        facts[subject] = describe_subject(path, read_json(manifest))
        if facts[subject]["valid"]:
            series[subject], clocks[subject], names = subject_series(path, settings.rois)
    series, times = on_one_clock(series, clocks)
    commit = stimuli["commit"] or read_json(paths.manifests[0])["commit"]
    described = describe_runs(words, settings.runs, facts)
    sounds = [read_table(path).groupby("stimulus")["time_s"].max().to_dict() for path in paths.sound]
    compare_lengths(described, facts, sounds[0] if sounds else {})
    row = modality_of(source).row
    expected = Expected.of_rows(row, settings.tr)
    timing = describe_timing(words, series, times, names, settings.rois, expected, settings.seed)
    content = {
        "study": settings.study,
        "dataset": settings.dataset
        | {"reader": source["reader"], "space": source["space"], "source": source["name"]}
        | {"language": settings.words["language"], "commit": commit, "tr": expected.tr, "row": row},
        "unit": unit,
    }
    ceilings = ceilings_of(read_table(paths.regions))
    content |= {
        "findings": settings.unverified
        + findings(facts, described, timing, ceilings, unit, settings.left_out)
        + remarks(facts, described, settings.unread)
        + [remark for remark in [left_out(words.attrs.get("non_words", {}))] if remark],
        "runs": described,
    }
    content |= {"subjects": [{"subject": name, **fact} for name, fact in facts.items()]}
    write_json(paths.description, content | {"ceilings": ceilings, "timing": timing})


if __name__ == "__main__":
    with start(snakemake, DescribeData) as job:  # noqa: F821
        main(job)
