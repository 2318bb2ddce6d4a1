"""Brain maps of one model at the turning points of its alignment."""

from triphase.artefacts import read_arrays, read_json
from triphase.figures.brain import draw_brain
from triphase.figures.style import save
from triphase.job import start


def main(paths, *, model):
    """Draw the maps as PNG and SVG."""
    save(draw_brain(read_arrays(paths.maps), read_json(paths.phases)[model], model), paths.brain, paths.brain_svg)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
