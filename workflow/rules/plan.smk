# What the study will cost, before anything starts: `snakemake plan`.
# Reads:  sources/plan.json (of plan_download; no study that simulates its data has one), the study's lock,
#         stimuli/words.parquet where it is there, benchmarks/ of this and of other studies, as far as they have run
# Writes: plan.json   jobs by rule, hours of cores and GPUs, devices of each model, downloads and disk


def study_jobs(*more):
    """Jobs of this study by rule, from a dry run of its own with the same config: a function, as it takes its time."""
    files = [str(path) for path in workflow.overwrite_configfiles]
    given = workflow.config_settings.config_args
    arguments = ["--snakefile", workflow.main_snakefile, *more]
    arguments += ["--configfile", *files] if files else []
    arguments += ["--config", *given] if given else []
    return lambda wildcards: count_jobs(*arguments)


rule plan_study:
    input:
        download=[] if DATASET["simulate"] else [f"{OUT}/sources/plan.json"],
    output:
        plan=f"{OUT}/plan.json",
    log:
        f"{OUT}/logs/plan_study/plan.log",
    benchmark:
        f"{OUT}/benchmarks/plan_study/plan.tsv"
    localrule: True
    conda:
        "../../envs/model.yaml"
    params:
        settings=settings(
            "plan_study",
            jobs=study_jobs("--forceall"),
            left=study_jobs(),
            models=list(MODELS.values()),
            words=WORDS,
            tasks=[{"limit": job.get("limit")} for job in TASK_JOBS],
            asked=time.time(),
        ),
    script:
        "../scripts/plan_study.py"
