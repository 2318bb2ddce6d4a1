# Finished studies joined into one answer: `snakemake synthesis --configfile config/syntheses/triple.yaml`.
# Reads:  of every study its definition.json, phases.json, trajectories.parquet, bootstrap.zarr.zip
# Writes: synthesis.json          courses side by side, agreement, summaries over data sets, language, verdict over all
#         figures/synthesis.png, .svg
#         index.html, summary.md  the same to read
from triphase.synthesis.drawing import SYNTHESIS_FIGURE as DRAWING
from triphase.synthesis.planned import Synthesis

try:
    SYNTHESIS = Synthesis.load(config, workflow.basedir, SOURCES)
except InputError as error:
    raise WorkflowError(f"config: {error}") from None
config.update(SYNTHESIS.config)

OUT = f"results/syntheses/{config['synthesis']}"
settings = SYNTHESIS.settings


rule join_studies:
    input:
        **SYNTHESIS.inputs,
    output:
        joined=f"{OUT}/synthesis.json",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/join_studies.py"


rule draw_figure:
    input:
        joined=rules.join_studies.output.joined,
    output:
        files=[
            report(f"{OUT}/figures/synthesis.png", "../report/figure.rst", "Synthesis", labels={"figure": "courses"}),
            f"{OUT}/figures/synthesis.svg",
        ],
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings(
            "draw_figure",
            calls=lambda wildcards: DRAWING.file,
            function=DRAWING.reference,
            inputs=["joined"],
            arguments={},
        ),
        caption=DRAWING.caption,
    script:
        "../scripts/draw_figure.py"


rule write_synthesis:
    input:
        joined=rules.join_studies.output.joined,
        picture=f"{OUT}/figures/synthesis.png",
    output:
        page=report(
            f"{OUT}/index.html", "../report/summary.rst", "Synthesis", labels={"figure": "findings on one page"}
        ),
        markdown=f"{OUT}/summary.md",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("write_synthesis", caption=DRAWING.caption),
    script:
        "../scripts/write_synthesis.py"
