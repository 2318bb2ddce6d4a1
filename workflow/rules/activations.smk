# Activations of every word.
# Reads:  models/{model}/{checkpoint}.json, stimuli/words.parquet
# Writes: activations/{model}/{checkpoint}.zarr.zip   (layer, word, feature), context and surprisal of words


rule extract_activations:
    input:
        checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
        words=f"{OUT}/stimuli/words.parquet",
    output:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
    log:
        f"{OUT}/logs/extract_activations/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/extract_activations/{{model}}/{{checkpoint}}.tsv"
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=with_weights(4000),
        runtime=with_download(60),
        gpu=1,
    params:
        context=lookup("activations/context", within=config),
        batch_size=lookup("activations/batch_size", within=config),
        dtype=lookup("activations/dtype", within=config),
        storage=lookup("activations/storage", within=config),
        pool=lookup("activations/pool", within=config),
        surprisal=lookup("activations/surprisal", within=config),
        device=lookup("activations/device", within=config),
        code=digest("extract_activations.py"),
    script:
        "../scripts/extract_activations.py"
