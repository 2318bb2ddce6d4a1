# Whether checkpoints are what their names say.
# Reads:  models/{model}/{checkpoint}.json and the files that it describes
# Writes: models/{model}/{checkpoint}.fingerprint.zarr.zip   one checkpoint alone
#         integrity.parquet                                  verdict of every rule on every checkpoint of the study
#         integrity_distances.parquet                        how far each checkpoint lies from the one before
# The verdict sees the whole series: it joins at the trajectories and is upstream of no job of one checkpoint.
from triphase.checkpoints.integrity.recipe import series_entry


rule fingerprint_checkpoint:
    input:
        checkpoint=CHECKPOINT,
    output:
        fingerprint=f"{OUT}/models/{{model}}/{{checkpoint}}.fingerprint.zarr.zip",
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    resources:
        runtime=NEEDS.with_download(60),
    script:
        "../scripts/fingerprint_checkpoint.py"


rule check_integrity:
    input:
        fingerprints=STUDY.paths(f"{OUT}/models/{{model}}/{{checkpoint}}.fingerprint.zarr.zip"),
    output:
        findings=f"{OUT}/integrity.parquet",
        distances=f"{OUT}/integrity_distances.parquet",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, attempt: 6000 * attempt,
    params:
        settings=settings(
            "check_integrity",
            models=[series_entry(model) for model in MODELS.values()],
            series=[[entry["model"], entry["checkpoint"]] for entry in SERIES],
        ),
    script:
        "../scripts/check_integrity.py"
