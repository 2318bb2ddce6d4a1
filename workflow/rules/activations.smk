# Activations of every word.
# Reads:  models/{model}/{checkpoint}.json, stimuli/words.parquet
# Writes: activations/{model}/{checkpoint}.zarr.zip   (layer, word, feature), context and surprisal of words


rule extract_activations:
    input:
        checkpoint=CHECKPOINT,
        words=WORDS,
    output:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
    log:
        f"{OUT}/logs/extract_activations/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/extract_activations/{{model}}/{{checkpoint}}.tsv"
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    resources:
        mem_mb=model_memory,
        runtime=with_download(60),
        gpu=1,
    params:
        settings=settings("extract_activations"),
    script:
        "../scripts/extract_activations.py"
