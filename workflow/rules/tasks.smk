# Downstream tasks and instruction adherence.
# Reads:  models/{model}/{checkpoint}.json, harness YAMLs and their data (resources/tasks, local_data, resources/hub_tasks)
# Writes: tasks/{model}/{checkpoint}.parquet   one row per item and prompt
#         sources/tasks.json                   data of the harness's own tasks, now in resources/hub_tasks (only when
#                                              fetch_tasks is asked for)
from triphase.tasks.plan import HUB, hub_tasks, missing_data, task_sources, unfetched

TASK_JOBS = STUDY.task_jobs
# None where the study has no task: then no checkpoint is loaded for them.
TASKS = [f"{OUT}/tasks/{{model}}/{{checkpoint}}.parquet"] if TASK_JOBS else []
if MISSING := missing_data(TASK_JOBS):
    raise WorkflowError("\n".join(MISSING))
# Refused before any job starts, but to what prepares or plans a study. Targets are known to no rule file, so the command is
# read.
if workflow.is_main_process and (UNFETCHED := unfetched(TASK_JOBS, config["tasks"]["include_path"])):
    if not (COUNTING in os.environ or {"fetch_tasks", "plan", "plan_download", "lock_checkpoints"} & set(sys.argv)):
        raise WorkflowError(UNFETCHED)
    logger.warning(UNFETCHED)


rule fetch_tasks:
    output:
        manifest=f"{OUT}/sources/tasks.json",
    localrule: True
    conda:
        "../../envs/tasks.yaml"
    params:
        settings=settings("fetch_tasks", tasks=hub_tasks(TASK_JOBS), folder=str(HUB), asked=time.time()),
    script:
        "../scripts/fetch_tasks.py"


rule evaluate_tasks:
    input:
        checkpoint=CHECKPOINT,
        sources=task_sources(TASK_JOBS),
    output:
        tasks=f"{OUT}/tasks/{{model}}/{{checkpoint}}.parquet",
    priority: in_turn
    conda:
        "../../envs/tasks.yaml"
    resources:
        mem_mb=NEEDS.model_memory,
        runtime=NEEDS.with_download(120),
        gpu=1,
    params:
        settings=settings(
            "evaluate_tasks",
            jobs=TASK_JOBS,
            chat_template=lambda w: bool(MODELS[w.model].get("chat_template")),
        ),
    script:
        "../scripts/evaluate_tasks.py"
