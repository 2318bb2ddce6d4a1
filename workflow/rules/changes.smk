# Where alignment changes: pairs of checkpoints, voxel by voxel and region by region.
# Reads:  encoding/shared.zarr.zip, encoding/{model}/{checkpoint}/{layer}.zarr.zip, integrity.parquet
# Writes: encoding/{model}/changes/{checkpoint}_to_{reference}.zarr.zip  maps, for the references in states/cka/references
#         encoding/{model}/changes/{checkpoint}_to_{reference}.parquet   their regions
#         changes.parquet                                                tidy, the whole study

CHANGES = [f"{OUT}/changes.parquet"] if PAIRS else []


rule compare_alignment:
    input:
        shared=f"{OUT}/encoding/shared.zarr.zip",
        encoding=lambda w: [
            f"{OUT}/encoding/{w.model}/{w.checkpoint}/{layer}.zarr.zip" for layer in MODELS[w.model]["layers"]
        ],
        reference=lambda w: [
            f"{OUT}/encoding/{w.model}/{w.reference}/{layer}.zarr.zip" for layer in MODELS[w.model]["layers"]
        ],
    output:
        changes=f"{OUT}/encoding/{{model}}/changes/{{checkpoint}}_to_{{reference}}.zarr.zip",
        table=f"{OUT}/encoding/{{model}}/changes/{{checkpoint}}_to_{{reference}}.parquet",
    log:
        f"{OUT}/logs/compare_alignment/{{model}}/{{checkpoint}}_to_{{reference}}.log",
    benchmark:
        f"{OUT}/benchmarks/compare_alignment/{{model}}/{{checkpoint}}_to_{{reference}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(60),
    params:
        roles=lambda wildcards: reference_roles(wildcards.model, wildcards.checkpoint)[wildcards.reference],
        rois=lookup("dataset/rois", within=config),
        permutations=lookup("encoding/permutations", within=config),
        boot_draws=lookup("encoding/boot_draws", within=config),
        seed=lookup("seed", within=config),
        code=digest("compare_alignment.py"),
    script:
        "../scripts/compare_alignment.py"


rule join_changes:
    input:
        pairs=[
            f"{OUT}/encoding/{pair['model']}/changes/{pair['checkpoint']}_to_{pair['reference']}.parquet"
            for pair in PAIRS
        ],
        integrity=f"{OUT}/integrity.parquet",
    output:
        changes=f"{OUT}/changes.parquet",
    log:
        f"{OUT}/logs/join_changes.log",
    benchmark:
        f"{OUT}/benchmarks/join_changes.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        study=lookup("study", within=config),
        series=SERIES,
        pair_of=[[pair["model"], pair["checkpoint"], pair["reference"]] for pair in PAIRS],
        integrity=lookup("integrity", within=config),
        code=digest("join_changes.py"),
    script:
        "../scripts/join_changes.py"
