# Transitions of the headline curve and the verdict on three phases, per model; other analyses; models compared.
# Reads:  trajectories.parquet, bootstrap.zarr.zip, encoding/{model}/{checkpoint}/{layer}.zarr.zip,
#         models/{model}/{checkpoint}.json and .fingerprint.zarr.zip of each model's last checkpoint
# Writes: phases/{model}.json             transitions, verdict, breadth, order
#         specifications/{model}.parquet  pattern and verdict under every other choice
#         phases.json, across_models.json all models, and what they have in common
#         power/{model}.parquet           which fall and which lag the study could have found
#         power/table.txt                 the same to read

# The fields of triphase.phases.transitions.Settings.
JUDGEMENT = {key: value for key, value in config["phases"].items() if key not in ("headline", "specification")}
LAST = {name: list(entries)[-1] for name, entries in CHECKPOINTS.items()}
# Runs of one family and size that differ in their seed are one group.
RUNS = {
    name: {
        "group": name if model.get("seed") is None else f"{model['family']}-{model['size']}",
        "seed": model.get("seed"),
        "language_share": model.get("language_share"),
    }
    for name, model in MODELS.items()
}
SEEDED = len({run["group"] for run in RUNS.values()}) < len(RUNS)


rule fit_phases:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
        fingerprint=lambda w: f"{OUT}/models/{w.model}/{LAST[w.model]}.fingerprint.zarr.zip",
    output:
        phases=f"{OUT}/phases/{{model}}.json",
    log:
        f"{OUT}/logs/fit_phases/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/fit_phases/{{model}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        model=lambda wildcards: wildcards.model,
        headline=lookup("phases/headline", within=config),
        judgement=JUDGEMENT,
        rois=lookup("dataset/rois", within=config),
        seed=lookup("seed", within=config),
        code=digest("fit_phases.py"),
    script:
        "../scripts/fit_phases.py"


rule tabulate_specifications:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        checkpoint=lambda w: f"{OUT}/models/{w.model}/{LAST[w.model]}.json",
        encoding=lambda w: [
            f"{OUT}/encoding/{w.model}/{checkpoint}/{layer}.zarr.zip"
            for checkpoint in CHECKPOINTS[w.model]
            for layer in MODELS[w.model]["layers"]
        ],
    output:
        table=f"{OUT}/specifications/{{model}}.parquet",
    log:
        f"{OUT}/logs/tabulate_specifications/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/tabulate_specifications/{{model}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(60),
    params:
        model=lambda wildcards: wildcards.model,
        files=lambda w: [
            [checkpoint, layer] for checkpoint in CHECKPOINTS[w.model] for layer in MODELS[w.model]["layers"]
        ],
        headline=lookup("phases/headline", within=config),
        judgement=JUDGEMENT,
        specification=lookup("phases/specification", within=config),
        scalings=lookup("encoding/scalings", within=config),
        seed=lookup("seed", within=config),
        code=digest("tabulate_specifications.py"),
    script:
        "../scripts/tabulate_specifications.py"


rule compare_models:
    input:
        phases=expand(f"{OUT}/phases/{{model}}.json", model=MODELS),
        trajectories=[f"{OUT}/trajectories.parquet"] if SEEDED else [],
        bootstrap=[f"{OUT}/bootstrap.zarr.zip"] if SEEDED else [],
    output:
        joined=f"{OUT}/phases.json",
        across=f"{OUT}/across_models.json",
    log:
        f"{OUT}/logs/compare_models.log",
    benchmark:
        f"{OUT}/benchmarks/compare_models.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        models=RUNS,
        language=lookup("dataset/words/language", within=config),
        headline=lookup("phases/headline", within=config),
        judgement=JUDGEMENT,
        seed=lookup("seed", within=config),
        code=digest("compare_models.py"),
    script:
        "../scripts/compare_models.py"


rule simulate_power:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
    output:
        power=f"{OUT}/power/{{model}}.parquet",
    log:
        f"{OUT}/logs/simulate_power/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/simulate_power/{{model}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        model=lambda wildcards: wildcards.model,
        headline=lookup("phases/headline", within=config),
        judgement=JUDGEMENT,
        seed=lookup("seed", within=config),
        code=digest("simulate_power.py"),
    script:
        "../scripts/simulate_power.py"


rule print_power:
    input:
        power=expand(f"{OUT}/power/{{model}}.parquet", model=MODELS),
    output:
        table=f"{OUT}/power/table.txt",
    log:
        f"{OUT}/logs/print_power/table.log",
    benchmark:
        f"{OUT}/benchmarks/print_power/table.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(10),
    params:
        models=list(MODELS),
        # Whoever asks for the table wants to read it: the time makes it print whenever it is asked for.
        code=digest("print_power.py") + str(time.time()),
    script:
        "../scripts/print_power.py"
