# What goes on inside a checkpoint on fixed inputs: induction heads, attention, contamination of the stimulus.
# Reads:  models/{model}/{checkpoint}.json, stimuli/words.parquet, the text of states/mechanism/unseen
# Writes: states/mechanism/{model}/{checkpoint}.parquet   unless states/mechanism is null


if config["states"]["mechanism"]:

    rule measure_mechanism:
        input:
            checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
            words=f"{OUT}/stimuli/words.parquet",
            unseen=unseen_text(),
        output:
            mechanism=f"{OUT}/states/mechanism/{{model}}/{{checkpoint}}.parquet",
        log:
            f"{OUT}/logs/measure_mechanism/{{model}}/{{checkpoint}}.log",
        benchmark:
            f"{OUT}/benchmarks/measure_mechanism/{{model}}/{{checkpoint}}.tsv"
        priority: in_turn
        conda:
            "../../envs/model.yaml"
        threads: 1
        resources:
            mem_mb=with_weights(4000),
            runtime=with_download(30),
            gpu=1,
        params:
            inputs=lookup("states/mechanism", within=config),
            dtype=lookup("activations/dtype", within=config),
            device=lookup("activations/device", within=config),
            seed=lookup("seed", within=config),
            code=digest("measure_mechanism.py"),
        script:
            "../scripts/measure_mechanism.py"
