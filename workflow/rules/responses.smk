# Brain responses, cleaned, and how much of them could be predicted.
# Reads:  sources/subjects/{subject}.json, stimuli/words.parquet, sources/atlas.json where regions are an atlas'
# Writes: responses/{subject}.zarr.zip     (time, voxel)
#         responses/ceiling.parquet        reliability and ceiling of every subject and voxel, with interval
#         responses/ceiling_rois.parquet   ceiling of every region: each subject, and their mean


rule clean_responses:
    input:
        manifest=f"{OUT}/sources/subjects/{{subject}}.json",
        words=WORDS,
        atlas=[f"{OUT}/sources/atlas.json"] if STUDY.atlas else [],
    output:
        responses=f"{OUT}/responses/{{subject}}.zarr.zip",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=lambda w, attempt: attempt * READERS[SOURCE["reader"]].megabytes,
        runtime=lambda w, attempt: 240 * attempt,
    params:
        settings=settings(
            "clean_responses",
            subject=lambda w: STUDY.subjects[w.subject],
            rois=DATASET["rois"] if DATASET["atlas"] else [],
        ),
    script:
        "../scripts/clean_responses.py"


rule measure_ceiling:
    input:
        responses=RESPONSES,
    output:
        ceiling=f"{OUT}/responses/ceiling.parquet",
        regions=f"{OUT}/responses/ceiling_rois.parquet",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=lambda w, attempt: 6000 * attempt,
        runtime=lambda w, attempt: 240 * attempt,
    params:
        settings=settings("measure_ceiling", subjects=list(STUDY.subjects), common_space=STUDY.common_space),
    script:
        "../scripts/measure_ceiling.py"
