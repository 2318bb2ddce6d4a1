# Encoding models: banded ridge from a layer's activations and nuisance features to every voxel.
# Reads:  responses/{subject}.zarr.zip, stimuli/words.parquet, stimuli/sound.parquet where its envelope is a nuisance,
#         activations/{model}/{checkpoint}.zarr.zip
# Writes: encoding/shared.zarr.zip                        what does not depend on a model
#         encoding/{model}/{checkpoint}/{layer}.zarr.zip  scores per voxel, draws per region


rule prepare_encoding:
    input:
        responses=expand(f"{OUT}/responses/{{subject}}.zarr.zip", subject=SUBJECTS),
        words=f"{OUT}/stimuli/words.parquet",
        sound=[f"{OUT}/stimuli/sound.parquet"] if "envelope" in config["encoding"]["nuisance"] else [],
    output:
        shared=f"{OUT}/encoding/shared.zarr.zip",
    log:
        f"{OUT}/logs/prepare_encoding.log",
    benchmark:
        f"{OUT}/benchmarks/prepare_encoding.tsv"
    conda:
        "../../envs/encoding.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(3000),
        runtime=by_attempt(60),
    params:
        runs=lookup("dataset/runs", within=config),
        rois=lookup("dataset/rois", within=config),
        tr=lookup("dataset/tr", within=config),
        delays=lookup("encoding/delays", within=config),
        alternatives=lookup("encoding/delay_alternatives", within=config),
        downsampling=lookup("encoding/downsampling", within=config),
        nuisance=lookup("encoding/nuisance", within=config),
        lexical=lookup("encoding/lexical", within=config),
        split=lookup("encoding/split", within=config),
        alphas=lookup("encoding/alphas", within=config),
        band_weights=lookup("encoding/band_weights", within=config),
        gap_seconds=lookup("encoding/gap_seconds", within=config),
        minimum_block=lookup("encoding/minimum_block", within=config),
        boot_draws=lookup("encoding/boot_draws", within=config),
        seed=lookup("seed", within=config),
        code=digest("prepare_encoding.py"),
    script:
        "../scripts/prepare_encoding.py"


rule fit_encoding:
    input:
        shared=f"{OUT}/encoding/shared.zarr.zip",
        words=f"{OUT}/stimuli/words.parquet",
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
    output:
        encoding=f"{OUT}/encoding/{{model}}/{{checkpoint}}/{{layer}}.zarr.zip",
    log:
        f"{OUT}/logs/fit_encoding/{{model}}/{{checkpoint}}/{{layer}}.log",
    benchmark:
        f"{OUT}/benchmarks/fit_encoding/{{model}}/{{checkpoint}}/{{layer}}.tsv"
    priority: in_turn
    conda:
        "../../envs/encoding.yaml"
    threads: 1
    resources:
        mem_mb=fit_memory,
        runtime=by_attempt(120),
        gpu=1,
    params:
        layer=lambda wildcards: int(wildcards.layer),
        rois=lookup("dataset/rois", within=config),
        alphas=lookup("encoding/alphas", within=config),
        band_weights=lookup("encoding/band_weights", within=config),
        scalings=lookup("encoding/scalings", within=config),
        components=lookup("encoding/components", within=config),
        significance=lookup("encoding/significance", within=config),
        permutations=lookup("encoding/permutations", within=config),
        boot_draws=lookup("encoding/boot_draws", within=config),
        solver=lookup("encoding/solver", within=config),
        backend=lookup("encoding/backend", within=config),
        seed=lookup("seed", within=config),
        code=digest("fit_encoding.py"),
    script:
        "../scripts/fit_encoding.py"
