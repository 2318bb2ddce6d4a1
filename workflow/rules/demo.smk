# The embedded study's own data: simulated listeners and small models trained on the spot.
# Reads:  nothing; for a model trained on text, its file below `local_data`, and stimuli/words.parquet, to keep that out
# Writes: demo/dataset/ (DataLad data set), demo/dataset.json, demo/hub/ (Hugging Face cache layout), demo/models/{model}.json


rule simulate_dataset:
    output:
        dataset=f"{OUT}/demo/dataset.json",
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/simulate_dataset.py"


rule train_model:
    input:
        text=lambda w: STUDY.text_corpus(w.model),
        words=lambda w: WORDS if STUDY.text_corpus(w.model) else [],
    output:
        model=f"{OUT}/demo/models/{{model}}.json",
    conda:
        "../../envs/model.yaml"
    params:
        settings=settings(
            "train_model",
            repository=lambda w: MODELS[w.model]["repository"],
            recipe=lambda w: MODELS[w.model]["train"],
            local_data=lambda w: config["local_data"] if STUDY.text_corpus(w.model) else None,
        ),
    script:
        "../scripts/train_model.py"
