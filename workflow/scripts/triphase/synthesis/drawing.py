"""The row of the figure of a synthesis; light, as Snakemake reads it at every start of one."""

from triphase.report.figures.row import Figure, named

SYNTHESIS_FIGURE = Figure(
    name="synthesis",
    function=named("triphase.synthesis.figure", "draw_synthesis"),
    inputs=("joined",),
    category="Synthesis",
    label="courses and sizes",
    caption=(
        "Courses of alignment in all studies. Top: the fitted change since the first checkpoint in shares of the first "
        "rise, a panel for each model, with 95 % bands of the study's draws; a course without a first rise has no such "
        "share and is not drawn. Bottom: sizes of the legs in every study with 95 % intervals, which hold the "
        "differences between people, and (black) their random-effects mean over data sets with the interval of "
        "Hartung and Knapp. [ours]"
    ),
    per_model=False,
)
