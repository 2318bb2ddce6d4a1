# Brain responses, cleaned, and how much of them could be predicted.
# Reads:  sources/{subject}.json, stimuli/words.parquet, sources/atlas.json where regions are an atlas'
# Writes: responses/{subject}.zarr.zip     (time, voxel)
#         responses/ceiling.parquet        reliability and ceiling of every subject and voxel, with interval
#         responses/ceiling_rois.parquet   ceiling of every region: each subject, and their mean


rule clean_responses:
    input:
        manifest=f"{OUT}/sources/{{subject}}.json",
        words=f"{OUT}/stimuli/words.parquet",
        atlas=[f"{OUT}/sources/atlas.json"] if ATLAS else [],
    output:
        responses=f"{OUT}/responses/{{subject}}.zarr.zip",
    log:
        f"{OUT}/logs/clean_responses/{{subject}}.log",
    benchmark:
        f"{OUT}/benchmarks/clean_responses/{{subject}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(2000 if SOURCE["reader"] == "text" else 6000),
        runtime=by_attempt(240),
    params:
        subject=lambda wildcards: wildcards.subject,
        source=SOURCE,
        runs=lookup("dataset/runs", within=config),
        tr=lookup("dataset/tr", within=config),
        brain=lookup("dataset/brain", within=config),
        atlas=lookup("dataset/atlas", within=config),
        rois=lookup("dataset/rois", within=config) if config["dataset"]["atlas"] else [],
        cleaning={key: value for key, value in config["responses"].items() if key != "ceiling"},
        user=lambda wildcards: f"{config['study']}/{wildcards.subject}",
        atlas_user=f"{config['study']}/atlas",
        code=digest("clean_responses.py"),
    script:
        "../scripts/clean_responses.py"


rule measure_ceiling:
    input:
        responses=expand(f"{OUT}/responses/{{subject}}.zarr.zip", subject=SUBJECTS),
    output:
        ceiling=f"{OUT}/responses/ceiling.parquet",
        regions=f"{OUT}/responses/ceiling_rois.parquet",
    log:
        f"{OUT}/logs/measure_ceiling/ceiling.log",
    benchmark:
        f"{OUT}/benchmarks/measure_ceiling/ceiling.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(6000),
        runtime=by_attempt(240),
    params:
        subjects=list(SUBJECTS),
        runs=lookup("dataset/runs", within=config),
        rois=lookup("dataset/rois", within=config),
        tr=lookup("dataset/tr", within=config),
        ceiling=lookup("responses/ceiling", within=config),
        seed=lookup("seed", within=config),
        common_space=SOURCE["space"] != "native",
        code=digest("measure_ceiling.py"),
    script:
        "../scripts/measure_ceiling.py"
