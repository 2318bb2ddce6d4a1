# What the study will cost, before anything starts: `snakemake plan`.
# Reads:  sources/plan.json (of plan_download; no study that simulates its data has one), the study's lock,
#         stimuli/words.parquet where it is there, benchmarks/ of this and of other studies, as far as they have run
# Writes: plan.json   jobs by rule, hours of cores and GPUs, devices of each model, downloads and disk


rule plan_study:
    input:
        download=[] if DATASET["simulate"] else [f"{OUT}/sources/plan.json"],
    output:
        plan=f"{OUT}/plan.json",
    localrule: True
    conda:
        "../../envs/model.yaml"
    params:
        settings=settings(
            "plan_study",
            jobs=lambda w: study_jobs(workflow, "--forceall"),
            left=lambda w: study_jobs(workflow),
            models=list(MODELS.values()),
            words=WORDS,
            tasks=[{"limit": job.get("limit")} for job in TASK_JOBS],
            asked=time.time(),
        ),
    script:
        "../scripts/plan_study.py"
