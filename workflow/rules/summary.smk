# The first page of the study; its findings on one page, and its tables on another.
# Reads:  trajectories.parquet, bootstrap.zarr.zip, phases.json, power/{model}.parquet, specifications/{model}.parquet,
#         across_models.json, integrity.parquet, responses/ceiling_rois.parquet, responses/description.json,
#         figures/triple_{model}.png
# Writes: summary.md, summary.html   verdicts with their reasons, every number with its interval and n
#         tables.html                analyses, power and integrity, row by row
#         methods.md, methods.bib    what was done, as text for a paper, and what it cites
#         index.html                 the answer for each model at a glance, and links to all else

FIRST, FINDINGS, ROWS = "../report/index.rst", "../report/summary.rst", "../report/tables.rst"


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


rule write_methods:
    input:
        description=f"{OUT}/responses/description.json",
        trajectories=f"{OUT}/trajectories.parquet",
        phases=f"{OUT}/phases.json",
    output:
        text=f"{OUT}/methods.md",
        references=f"{OUT}/methods.bib",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings(
            "write_methods",
            models=[
                {key: model.get(key) for key in ("name", "repository", "layers", "chat_template")}
                for model in MODELS.values()
            ],
        ),
    script:
        "../scripts/write_methods.py"


rule write_index:
    input:
        description=f"{OUT}/responses/description.json",
        phases=f"{OUT}/phases.json",
        specifications=expand(f"{OUT}/specifications/{{model}}.parquet", model=MODELS),
        pictures=expand(f"{OUT}/figures/triple_{{model}}.png", model=MODELS),
    output:
        page=report(f"{OUT}/index.html", FIRST, "First page", labels={"figure": "the answer at a glance"}),
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings(
            "write_index",
            models=list(MODELS),
            gaps=STUDY.gaps(),
            figures=files_of(DRAWINGS),
            captions=[DRAWINGS[f"triple_{model}"].caption for model in MODELS],
        ),
    script:
        "../scripts/write_index.py"
