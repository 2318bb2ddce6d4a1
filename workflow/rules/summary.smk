# The findings of the study on one page, and its tables on another.
# Reads:  trajectories.parquet, bootstrap.zarr.zip, phases.json, power/{model}.parquet, specifications/{model}.parquet,
#         across_models.json, integrity.parquet, responses/ceiling_rois.parquet, responses/description.json
# Writes: summary.md, summary.html   verdicts with their reasons, every number with its interval and n
#         tables.html                analyses, power and integrity, row by row

FINDINGS, ROWS = "../report/summary.rst", "../report/tables.rst"


rule write_summary:
    input:
        **TABLES,
        phases=f"{OUT}/phases.json",
        power=POWER,
        specifications=expand(f"{OUT}/specifications/{{model}}.parquet", model=MODELS),
        across=f"{OUT}/across_models.json",
        integrity=f"{OUT}/integrity.parquet",
        ceilings=f"{OUT}/responses/ceiling_rois.parquet",
        description=f"{OUT}/responses/description.json",
    output:
        markdown=report(f"{OUT}/summary.md", FINDINGS, "Summary", labels={"figure": "findings, as Markdown"}),
        page=report(f"{OUT}/summary.html", FINDINGS, "Summary", labels={"figure": "findings on one page"}),
        tables=report(f"{OUT}/tables.html", ROWS, "Summary", labels={"figure": "tables: analyses, power, integrity"}),
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("write_summary", models=list(MODELS)),
    script:
        "../scripts/write_summary.py"
