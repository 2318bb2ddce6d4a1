# Transitions of the headline curve and the verdict on three phases, per model; other analyses; models compared.
# Reads:  trajectories.parquet, bootstrap.zarr.zip, encoding/{model}/{checkpoint}/{layer}.zarr.zip,
#         models/{model}/{checkpoint}.json and .fingerprint.zarr.zip of each model's last checkpoint
# Writes: phases/{model}.json             transitions, verdict, breadth, order
#         specifications/{model}.parquet  pattern and verdict under every other choice
#         phases.json, across_models.json all models, and what they have in common
#         power/{model}.parquet           which fall and which lag the study could have found
#         power/table.txt                 the same to read

POWER = expand(f"{OUT}/power/{{model}}.parquet", model=MODELS)
RUNS = STUDY.runs_by_seed()
# Models that differ in their seed alone are judged together, from the tables.
SEEDED = len({run["group"] for run in RUNS.values()}) < len(RUNS)


rule fit_phases:
    input:
        **TABLES,
        fingerprint=lambda w: f"{OUT}/models/{w.model}/{STUDY.last[w.model]}.fingerprint.zarr.zip",
    output:
        phases=f"{OUT}/phases/{{model}}.json",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("fit_phases", floor_tokens=floor_tokens),
    script:
        "../scripts/fit_phases.py"


rule tabulate_specifications:
    input:
        trajectories=TABLES["trajectories"],
        checkpoint=lambda w: f"{OUT}/models/{w.model}/{STUDY.last[w.model]}.json",
        encoding=lambda w: STUDY.layer_paths(ENCODING, w.model),
    output:
        table=f"{OUT}/specifications/{{model}}.parquet",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("tabulate_specifications", floor_tokens=floor_tokens, files=lambda w: STUDY.fitted(w.model)),
    script:
        "../scripts/tabulate_specifications.py"


rule compare_models:
    input:
        phases=expand(f"{OUT}/phases/{{model}}.json", model=MODELS),
        tables=list(TABLES.values()) if SEEDED else [],
    output:
        joined=f"{OUT}/phases.json",
        across=f"{OUT}/across_models.json",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("compare_models", models=RUNS),
    script:
        "../scripts/compare_models.py"


rule simulate_power:
    input:
        **TABLES,
    output:
        power=f"{OUT}/power/{{model}}.parquet",
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("simulate_power", floor_tokens=floor_tokens),
    script:
        "../scripts/simulate_power.py"


rule print_power:
    input:
        power=POWER,
    output:
        table=f"{OUT}/power/table.txt",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("print_power", models=list(MODELS), asked=time.time()),
    script:
        "../scripts/print_power.py"
