# From single results to one table.
# Reads:  encoding/…, states/…, tasks/…, responses/ceiling.parquet, integrity.parquet
# Writes: checkpoints/{model}/{checkpoint}.parquet   tidy, one checkpoint alone
#         trajectories.parquet                       tidy, the whole study, with the headline layer
#         bootstrap.zarr.zip                         draws paired over checkpoints
#         maps/{model}.zarr.zip                      gain per voxel over checkpoints, where voxels have coordinates


rule join_checkpoint:
    input:
        checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
        encoding=lambda w: [
            f"{OUT}/encoding/{w.model}/{w.checkpoint}/{layer}.zarr.zip" for layer in MODELS[w.model]["layers"]
        ],
        states=f"{OUT}/states/{{model}}/{{checkpoint}}.parquet",
        mechanism=[f"{OUT}/states/mechanism/{{model}}/{{checkpoint}}.parquet"] if config["states"]["mechanism"] else [],
        tasks=f"{OUT}/tasks/{{model}}/{{checkpoint}}.parquet",
        ceiling=f"{OUT}/responses/ceiling.parquet",
        # Not read here: it needs the weights, which go when the checkpoint is joined.
        fingerprint=f"{OUT}/models/{{model}}/{{checkpoint}}.fingerprint.zarr.zip",
    output:
        table=f"{OUT}/checkpoints/{{model}}/{{checkpoint}}.parquet",
    log:
        f"{OUT}/logs/join_checkpoint/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/join_checkpoint/{{model}}/{{checkpoint}}.tsv"
    priority: in_turn
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(10),
    params:
        study=lookup("study", within=config),
        model=lambda wildcards: wildcards.model,
        checkpoint=lambda wildcards: wildcards.checkpoint,
        step=checkpoint_entry("step"),
        tokens=lambda w: tokens_seen(MODELS[w.model], CHECKPOINTS[w.model][w.checkpoint]),
        rois=lookup("dataset/rois", within=config),
        adherence=lookup("tasks/adherence", within=config),
        code=digest("join_checkpoint.py"),
    script:
        "../scripts/join_checkpoint.py"


rule join_trajectories:
    input:
        checkpoints=of_series(f"{OUT}/checkpoints/{{model}}/{{checkpoint}}.parquet"),
        encoding=[
            f"{OUT}/encoding/{entry['model']}/{entry['checkpoint']}/{layer}.zarr.zip"
            for entry in SERIES
            for layer in entry["layers"]
        ],
        pairs=[
            f"{OUT}/states/pairs/{pair['model']}/{pair['checkpoint']}_to_{pair['reference']}.parquet" for pair in PAIRS
        ],
        tasks=of_series(f"{OUT}/tasks/{{model}}/{{checkpoint}}.parquet"),
        shared=f"{OUT}/encoding/shared.zarr.zip",
        ceiling=f"{OUT}/responses/ceiling.parquet",
        identity=f"{OUT}/states/identity.parquet",
        integrity=f"{OUT}/integrity.parquet",
    output:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
        maps=expand(f"{OUT}/maps/{{model}}.zarr.zip", model=MODELS if ON_SURFACE else []),
    log:
        f"{OUT}/logs/join_trajectories.log",
    benchmark:
        f"{OUT}/benchmarks/join_trajectories.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(30),
    params:
        study=lookup("study", within=config),
        series=SERIES,
        pair_of=[[pair["model"], pair["checkpoint"], pair["reference"]] for pair in PAIRS],
        roi=lookup("phases/headline/roi", within=config),
        rois=lookup("dataset/rois", within=config),
        adherence=lookup("tasks/adherence", within=config),
        integrity=lookup("integrity", within=config),
        seed=lookup("seed", within=config),
        code=digest("join_trajectories.py"),
    script:
        "../scripts/join_trajectories.py"
