# Figures, each a row of the table in triphase/report/figures/table.py, all in the report.
# Reads:  what the row names
# Writes: figures/{figure}.{png,svg,pdf} or, for a page, figures/{figure}.html, where {figure} is a name of DRAWINGS: that of
#         the row, and of the model where there is one of each model
rule draw_figure:
    input:
        unpack(figure_named("inputs")),
    output:
        files=[figure_file("png"), *expand(f"{OUT}/figures/{{{{figure}}}}.{{suffix}}", suffix=["svg", "pdf"])],
    wildcard_constraints:
        figure=one_of(name for name, drawing in DRAWINGS.items() if not drawing.figure.page),
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings(
            "draw_figure",
            calls=figure_named("figure.file"),
            function=figure_named("figure.reference"),
            inputs=lambda wildcards: list(DRAWINGS[wildcards.figure].inputs),
            arguments=figure_named("arguments"),
        ),
        caption=figure_named("caption"),
    script:
        "../scripts/draw_figure.py"


use rule draw_figure as draw_page with:
    output:
        files=[figure_file("html")],
    wildcard_constraints:
        figure=one_of(name for name, drawing in DRAWINGS.items() if drawing.figure.page),
