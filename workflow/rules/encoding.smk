# Encoding models: banded ridge from a layer's activations and nuisance features to every voxel; changes between checkpoints.
# Reads:  responses/{subject}.zarr.zip, stimuli/words.parquet, stimuli/sound.parquet where its envelope is a nuisance,
#         the vectors of encoding/static,
#         activations/{model}/{checkpoint}.zarr.zip, integrity.parquet
# Writes: encoding/shared.zarr.zip                        what does not depend on a model
#         encoding/{model}/{checkpoint}/{layer}.zarr.zip  scores per voxel, draws per region
#         changes/{model}/{checkpoint}/{reference}.zarr.zip  maps, for the references in states/references
#         changes/{model}/{checkpoint}/{reference}.parquet   their regions
#         changes.parquet                                                tidy, the whole study

SHARED = f"{OUT}/encoding/shared.zarr.zip"
CHANGE = f"{OUT}/changes/{{model}}/{{checkpoint}}/{{reference}}"
CHANGES = [f"{OUT}/changes.parquet"] if PAIRS else []


rule prepare_encoding:
    input:
        responses=RESPONSES,
        words=WORDS,
        sound=SOUND,
        vectors=STUDY.static_vectors(),
    output:
        shared=SHARED,
    conda:
        "../../envs/encoding.yaml"
    script:
        "../scripts/prepare_encoding.py"


rule fit_encoding:
    input:
        shared=SHARED,
        words=WORDS,
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
    output:
        encoding=ENCODING,
    priority: in_turn
    conda:
        "../../envs/encoding.yaml"
    resources:
        mem_mb=NEEDS.fit_memory,
        gpu=1,
    script:
        "../scripts/fit_encoding.py"


rule compare_alignment:
    input:
        shared=SHARED,
        encoding=lambda w: STUDY.layer_paths(ENCODING, w.model, w.checkpoint),
        reference=lambda w: STUDY.layer_paths(ENCODING, w.model, w.reference),
    output:
        changes=f"{CHANGE}.zarr.zip",
        table=f"{CHANGE}.parquet",
    conda:
        "../../envs/encoding.yaml"
    params:
        settings=settings("compare_alignment", roles=roles),
    script:
        "../scripts/compare_alignment.py"


rule join_changes:
    input:
        pairs=[f"{CHANGE}.parquet".format(**pair) for pair in PAIRS],
        integrity=f"{OUT}/integrity.parquet",
    output:
        changes=f"{OUT}/changes.parquet",
    conda:
        "../../envs/encoding.yaml"
    params:
        settings=settings("join_changes", series=SERIES, pairs=PAIRS),
    script:
        "../scripts/join_changes.py"
