"""The study's tidy table, the headline layer, and bootstrap draws paired over checkpoints."""

import pandas as pd

from triphase.checkpoints.integrity.verdict import enforce, faulty
from triphase.config.jobs import JoinTrajectories
from triphase.core.artefacts import open_arrays, read_table, write_arrays, write_table
from triphase.core.job import Job, start
from triphase.table.draws import alignment_series, draws_dataset, gain_maps, leave_out, step0_rows, task_series
from triphase.table.lateralisation import lateralisation_rows, lateralisation_series
from triphase.table.readings import reading_series
from triphase.table.relation import surprisal_relation
from triphase.table.tidy import alignment_rows, ceiling_rows, choose_layers, floor_rows, identities, tidy, typed
from triphase.table.unique import unique_series


def main(job: Job[JoinTrajectories]) -> None:
    """Join what belongs to checkpoints that the integrity gate lets through; then draws and maps."""
    paths, settings = job.paths, job.settings
    findings, encodings = read_table(paths.integrity), iter(paths.encoding)
    excluded = enforce(findings, settings.integrity)
    files = {(s["model"], s["checkpoint"], layer): next(encodings) for s in settings.series for layer in s["layers"]}
    given = {name: own for name, own in (("tasks", paths.tasks), ("reading", paths.reading)) if own}
    series, checkpoints, *lists = leave_out(excluded, settings.series, paths.checkpoints, *given.values())
    entries = identities(series)
    tables = [read_table(path) for path in checkpoints]
    lost = []
    for path, (model, name, reference) in zip(paths.pairs, map(dict.values, settings.pairs), strict=True):
        if {(model, name), (model, reference)} <= set(entries):
            tables.append(tidy([read_table(path)], study=settings.study, **entries[model, name]))
        else:
            lost.append([model, name, reference])
    table = pd.concat(tables, ignore_index=True)
    layers = choose_layers(table, settings.roi)
    ceilings = ceiling_rows(read_table(paths.ceiling), settings.rois).assign(study=settings.study)
    with open_arrays(paths.shared) as shared:
        floors = floor_rows(shared, settings.rois).assign(study=settings.study)
    of_study = [ceilings, floors, read_table(paths.identity).assign(study=settings.study)]
    table = typed(pd.concat([table, alignment_rows(table, layers), *of_study], ignore_index=True))
    drawn = alignment_series(table, files)
    lateral, unpaired = lateralisation_series(table, files, settings.rois, settings.space)
    more = [step0_rows(drawn), surprisal_relation(table), *([lateralisation_rows(lateral)] if lateral else [])]
    table = typed(pd.concat([table, *(rows.assign(study=settings.study) for rows in more)], ignore_index=True))
    drawn += lateral + unique_series(table, files)
    made_from = {f"{model}/{name}": t.attrs for (model, name), t in zip(entries, tables, strict=False)}
    chosen = [[*key, layer] for key, layer in layers.items()]
    left_out = [entry for entry in faulty(findings) if tuple(entry[:2]) in excluded]
    about = {"excluded": left_out, "lost_pairs": lost, "without_other_side": unpaired}
    write_table(paths.trajectories, table, layers=chosen, checkpoints=made_from, **about)

    n_draws = drawn[0]["boot"].size
    for name, own in zip(given, lists, strict=True):
        rows = [read_table(path) for path in own]
        if name == "tasks":
            drawn += task_series(series, rows, settings.adherence, n_draws, settings.seed)
        else:
            drawn += reading_series(series, rows, n_draws, settings.seed)
    write_arrays(paths.bootstrap, draws_dataset(drawn, settings.study, settings.seed))

    for path in paths.maps:
        with open_arrays(paths.encoding[0]) as example:
            coordinates = example[["subject", "roi", "x", "y", "z"]].load()
        model = path.split("/")[-1].removesuffix(".zarr.zip")
        write_arrays(path, gain_maps([s for s in settings.series if s["model"] == model], files, layers, coordinates))


if __name__ == "__main__":
    with start(snakemake, JoinTrajectories) as job:  # noqa: F821
        main(job)
