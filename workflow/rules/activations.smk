# Activations of every word.
# Reads:  models/{model}/{checkpoint}.json, stimuli/words.parquet
# Writes: activations/{model}/{checkpoint}.zarr.zip   (layer, word, feature), context and surprisal of words


rule extract_activations:
    input:
        checkpoint=CHECKPOINT,
        words=WORDS,
    output:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    resources:
        mem_mb=NEEDS.model_memory,
        runtime=NEEDS.with_download(60),
        gpu=1,
    script:
        "../scripts/extract_activations.py"
