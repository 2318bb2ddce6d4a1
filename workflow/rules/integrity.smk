# Whether checkpoints are what their names say.
# Reads:  models/{model}/{checkpoint}.json and the files that it describes
# Writes: models/{model}/{checkpoint}.fingerprint.zarr.zip   one checkpoint alone
#         integrity.parquet                                  verdict of every rule on every checkpoint of the study
#         integrity_distances.parquet                        how far each checkpoint lies from the one before
#         figures/integrity_{model}.{png,svg}
# The verdict sees the whole series: it joins at the trajectories and is upstream of no job of one checkpoint.
from triphase.checkpoints.integrity.recipe import series_entry


rule fingerprint_checkpoint:
    input:
        checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
    output:
        fingerprint=f"{OUT}/models/{{model}}/{{checkpoint}}.fingerprint.zarr.zip",
    log:
        f"{OUT}/logs/fingerprint_checkpoint/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/fingerprint_checkpoint/{{model}}/{{checkpoint}}.tsv"
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(3000),
        runtime=with_download(60),
    params:
        code=digest("fingerprint_checkpoint.py"),
    script:
        "../scripts/fingerprint_checkpoint.py"


rule check_integrity:
    input:
        fingerprints=of_series(f"{OUT}/models/{{model}}/{{checkpoint}}.fingerprint.zarr.zip"),
    output:
        findings=f"{OUT}/integrity.parquet",
        distances=f"{OUT}/integrity_distances.parquet",
    log:
        f"{OUT}/logs/check_integrity.log",
    benchmark:
        f"{OUT}/benchmarks/check_integrity.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(6000),
        runtime=by_attempt(30),
    params:
        models=[series_entry(model) for model in MODELS.values()],
        found=[[entry["model"], entry["checkpoint"]] for entry in SERIES],
        code=digest("check_integrity.py"),
    script:
        "../scripts/check_integrity.py"


rule draw_integrity:
    input:
        findings=f"{OUT}/integrity.parquet",
        distances=f"{OUT}/integrity_distances.parquet",
    output:
        figure=report(
            f"{OUT}/figures/integrity_{{model}}.png",
            caption="../report/integrity.rst",
            category="Checkpoints",
            labels={"figure": "integrity", "model": "{model}"},
        ),
        figure_svg=f"{OUT}/figures/integrity_{{model}}.svg",
    log:
        f"{OUT}/logs/draw_integrity/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_integrity/{{model}}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        model=lambda wildcards: wildcards.model,
        code=digest("draw_integrity.py"),
    script:
        "../scripts/draw_integrity.py"
