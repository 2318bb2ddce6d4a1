# Internal states: surprisal, geometry, probes, similarity between checkpoints; what goes on inside on fixed inputs.
# Reads:  activations/{model}/{checkpoint}.zarr.zip, stimuli/words.parquet, models/{model}/{checkpoint}.json,
#         the text of states/mechanism/unseen, the files of states/reading
# Writes: states/{model}/{checkpoint}.parquet
#         states/identity.parquet                                    probes on word identity, which know no model
#         states/mechanism/{model}/{checkpoint}.parquet              only where the config has states/mechanism
#         states/reading/{model}/{checkpoint}.parquet                only where the config has states/reading
#         states/pairs/{model}/{checkpoint}/{reference}.parquet   for the references in states/references

MECHANISM = [f"{OUT}/states/mechanism/{{model}}/{{checkpoint}}.parquet"] if config["states"]["mechanism"] else []
READING = [f"{OUT}/states/reading/{{model}}/{{checkpoint}}.parquet"] if config["states"]["reading"] else []
SIMILARITY = f"{OUT}/states/pairs/{{model}}/{{checkpoint}}/{{reference}}.parquet"


rule measure_states:
    input:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
        words=WORDS,
    output:
        states=f"{OUT}/states/{{model}}/{{checkpoint}}.parquet",
    priority: in_turn
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/measure_states.py"


rule measure_identity:
    input:
        words=WORDS,
    output:
        identity=f"{OUT}/states/identity.parquet",
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/measure_identity.py"


if MECHANISM:

    rule measure_mechanism:
        input:
            checkpoint=CHECKPOINT,
            words=WORDS,
            unseen=STUDY.unseen_text(),
        output:
            mechanism=MECHANISM[0],
        priority: in_turn
        conda:
            "../../envs/model.yaml"
        resources:
            mem_mb=NEEDS.model_memory,
            runtime=NEEDS.with_download(30),
            gpu=1,
        script:
            "../scripts/measure_mechanism.py"


if READING:

    rule measure_reading:
        input:
            checkpoint=CHECKPOINT,
            readings=STUDY.reading_files(),
        output:
            reading=READING[0],
        priority: in_turn
        conda:
            "../../envs/model.yaml"
        resources:
            mem_mb=NEEDS.model_memory,
            runtime=NEEDS.with_download(30),
            gpu=1,
        script:
            "../scripts/measure_reading.py"


rule compare_checkpoints:
    input:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
        reference=f"{OUT}/activations/{{model}}/{{reference}}.zarr.zip",
    output:
        similarity=SIMILARITY,
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("compare_checkpoints", roles=roles),
    script:
        "../scripts/compare_checkpoints.py"
