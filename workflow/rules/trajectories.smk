# From single results to one table.
# Reads:  encoding/…, states/…, tasks/…, responses/ceiling.parquet, integrity.parquet
# Writes: checkpoints/{model}/{checkpoint}.parquet   tidy, one checkpoint alone
#         trajectories.parquet                       tidy, the whole study, with the headline layer
#         bootstrap.zarr.zip                         draws paired over checkpoints
#         definition.json                            what the study's alignment is, for a synthesis over studies
#         maps/{model}.zarr.zip                      gain per voxel over checkpoints, where voxels have coordinates

TABLES = {"trajectories": f"{OUT}/trajectories.parquet", "bootstrap": f"{OUT}/bootstrap.zarr.zip"}


rule join_checkpoint:
    input:
        checkpoint=CHECKPOINT,
        encoding=lambda w: STUDY.layer_paths(ENCODING, w.model, w.checkpoint),
        states=f"{OUT}/states/{{model}}/{{checkpoint}}.parquet",
        mechanism=MECHANISM,
        reading=READING,
        tasks=TASKS,
        ceiling=f"{OUT}/responses/ceiling.parquet",
        # Not read here: it needs the weights, which go when the checkpoint is joined.
        fingerprint=f"{OUT}/models/{{model}}/{{checkpoint}}.fingerprint.zarr.zip",
    output:
        table=f"{OUT}/checkpoints/{{model}}/{{checkpoint}}.parquet",
    priority: in_turn
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("join_checkpoint", entry=lambda w: STUDY.entry(w.model, w.checkpoint)),
    script:
        "../scripts/join_checkpoint.py"


rule join_trajectories:
    input:
        checkpoints=STUDY.paths(f"{OUT}/checkpoints/{{model}}/{{checkpoint}}.parquet"),
        encoding=STUDY.layer_paths(ENCODING),
        pairs=[SIMILARITY.format(**pair) for pair in PAIRS],
        tasks=[path for pattern in TASKS for path in STUDY.paths(pattern)],
        reading=[path for pattern in READING for path in STUDY.paths(pattern)],
        shared=SHARED,
        ceiling=f"{OUT}/responses/ceiling.parquet",
        identity=f"{OUT}/states/identity.parquet",
        integrity=f"{OUT}/integrity.parquet",
    output:
        **TABLES,
        maps=expand(f"{OUT}/maps/{{model}}.zarr.zip", model=MODELS if on_surface(config) else []),
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("join_trajectories", series=SERIES, pairs=PAIRS),
    script:
        "../scripts/join_trajectories.py"


rule write_definition:
    output:
        definition=f"{OUT}/definition.json",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=settings("write_definition", models=STUDY.runs_by_seed()),
    script:
        "../scripts/write_definition.py"
