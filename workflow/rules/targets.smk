# What is asked for by name: the study, its plan, its power.
# Reads:  all results
# Writes: nothing; says at the end what was found

onsuccess:
    from triphase.report.closing import closing_lines

    if lines := closing_lines(OUT):
        logger.info(lines, extra={"shown": True})


rule all:
    default_target: True
    input:
        STUDY.paths(f"{OUT}/checkpoints/{{model}}/{{checkpoint}}.parquet"),
        f"{OUT}/trajectories.parquet",
        CHANGES,
        f"{OUT}/definition.json",
        f"{OUT}/phases.json",
        f"{OUT}/across_models.json",
        expand(f"{OUT}/specifications/{{model}}.parquet", model=MODELS),
        [f"{OUT}/figures/{name}.{suffix}" for name, drawing in DRAWINGS.items() for suffix in drawing.figure.suffixes],
        f"{OUT}/data.html",
        f"{OUT}/summary.md",
        f"{OUT}/methods.md",
        f"{OUT}/index.html",


# What the study will cost, printed before it starts; beside what it took, afterwards: `snakemake plan`.
rule plan:
    input:
        f"{OUT}/plan.json",


# Which fall and which lag the study could have found, printed: `snakemake power`.
rule power:
    input:
        f"{OUT}/power/table.txt",
