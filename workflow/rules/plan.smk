# What the study will cost, before anything starts: `snakemake plan`.
# Reads:  sources/plan.json (of plan_download; no study that simulates its data has one), the study's lock,
#         stimuli/words.parquet where it is there, benchmarks/ of this and of other studies, as far as they have run
# Writes: plan.json   jobs by rule, hours of cores and GPUs, devices of each model, downloads and disk
import time


rule plan_study:
    input:
        download=[] if config["dataset"]["simulate"] else [f"{OUT}/sources/plan.json"],
    output:
        plan=f"{OUT}/plan.json",
    log:
        f"{OUT}/logs/plan_study/plan.log",
    benchmark:
        f"{OUT}/benchmarks/plan_study/plan.tsv"
    localrule: True
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(30),
    params:
        study=lookup("study", within=config),
        jobs=study_jobs("--forceall"),
        left=study_jobs(),
        models=list(MODELS.values()),
        lock=config["lock"],
        words=f"{OUT}/stimuli/words.parquet",
        heard={key: config["dataset"][key] for key in ("runs", "simulate", "tr")},
        tasks=[{"limit": job.get("limit")} for job in TASK_JOBS],
        mechanism=lookup("states/mechanism", within=config),
        activations={key: config["activations"][key] for key in ("context", "dtype", "storage")},
        # What is left, and what was measured, changes from run to run: the time makes it run whenever it is asked for.
        code=digest("plan_study.py") + str(time.time()),
    script:
        "../scripts/plan_study.py"
