# The embedded study's own data: simulated listeners and small models trained on the spot.
# Reads:  nothing; for a model trained on text, its file below `local_data`, and stimuli/words.parquet, to keep that out
# Writes: demo/dataset/ (DataLad data set), demo/dataset.json, demo/hub/ (Hugging Face cache layout), demo/models/{model}.json


rule simulate_dataset:
    output:
        dataset=f"{OUT}/demo/dataset.json",
    log:
        f"{OUT}/logs/simulate_dataset.log",
    benchmark:
        f"{OUT}/benchmarks/simulate_dataset.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        name=lookup("dataset/name", within=config),
        version=lookup("dataset/version", within=config),
        license=lookup("dataset/license", within=config),
        citation=lookup("dataset/citation", within=config),
        tr=lookup("dataset/tr", within=config),
        subjects=lookup("dataset/subjects", within=config),
        runs=lookup("dataset/runs", within=config),
        simulate=lookup("dataset/simulate", within=config),
        code=digest("simulate_dataset.py"),
    script:
        "../scripts/simulate_dataset.py"


rule train_model:
    input:
        text=lambda wildcards: (
            existing_files([text_corpus(wildcards.model)], config["local_data"])
            if text_corpus(wildcards.model)
            else []
        ),
        words=lambda wildcards: f"{OUT}/stimuli/words.parquet" if text_corpus(wildcards.model) else [],
    output:
        model=f"{OUT}/demo/models/{{model}}.json",
    log:
        f"{OUT}/logs/train_model/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/train_model/{{model}}.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(3000),
        runtime=by_attempt(30),
    params:
        repository=model_entry("repository"),
        train_recipe=model_entry("train"),
        local_data=lambda wildcards: config["local_data"] if text_corpus(wildcards.model) else None,
        code=digest("train_model.py"),
    script:
        "../scripts/train_model.py"
