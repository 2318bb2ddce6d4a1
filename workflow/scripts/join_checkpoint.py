"""One checkpoint's tidy file: everything that this checkpoint alone determines, from all three perspectives."""

from triphase.artefacts import read_arrays, read_json, read_table, write_table
from triphase.job import start
from triphase.provenance import model_provenance
from triphase.tasks import summarise
from triphase.trajectories import encoding_rows, tidy


def main(paths, *, study, model, checkpoint, step, tokens, rois, adherence):
    """Join encoding, states and tasks."""
    fits = [read_arrays(path) for path in paths.encoding]
    frames = [encoding_rows(fit, rois) for fit in fits]
    frames += [read_table(paths.states), summarise(read_table(paths.tasks), adherence)]
    keys = {"study": study, "model": model, "checkpoint": checkpoint, "step": step, "tokens": tokens}
    sources = {key: fits[0].attrs[key] for key in ("dataset", "dataset_commit", "stimulus_hashes", "versions")}
    write_table(paths.table, tidy(frames, **keys), **model_provenance(read_json(paths.checkpoint)), **sources)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
