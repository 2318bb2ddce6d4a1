# Downstream tasks and instruction adherence.
# Reads:  models/{model}/{checkpoint}.json, harness YAMLs and their data (resources/tasks, local_data, resources/hub_tasks)
# Writes: tasks/{model}/{checkpoint}.parquet   one row per item and prompt
#         sources/tasks.json                   data of the harness's own tasks, now in resources/hub_tasks (only when
#                                              fetch_tasks is asked for)
import time

from triphase.tasks.plan import HUB, hub_tasks, missing_data, plan, task_sources, unfetched

try:
    TASK_JOBS = plan(
        config["tasks"]["evaluations"],
        config["tasks"]["adherence"],
        config["tasks"]["include_path"],
        config["local_data"],
    )
except InputError as error:
    raise WorkflowError(f"config: {error}") from None
if MISSING := missing_data(TASK_JOBS):
    raise WorkflowError("\n".join(MISSING))
# Told before any job starts, but to those that prepare a study. Targets are known to no rule file, so the command is read.
if workflow.is_main_process and not {"fetch_tasks", "plan_download", "lock_checkpoints"} & set(sys.argv):
    if UNFETCHED := unfetched(TASK_JOBS, config["tasks"]["include_path"]):
        raise WorkflowError(UNFETCHED)


rule fetch_tasks:
    output:
        manifest=f"{OUT}/sources/tasks.json",
    log:
        f"{OUT}/logs/fetch_tasks/tasks.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_tasks/tasks.tsv"
    localrule: True
    conda:
        "../../envs/tasks.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(120),
    params:
        tasks=hub_tasks(TASK_JOBS),
        folder=str(HUB),
        # The folder is no output: the time makes it look again whenever it is asked for.
        code=digest("fetch_tasks.py") + str(time.time()),
    script:
        "../scripts/fetch_tasks.py"


rule evaluate_tasks:
    input:
        checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
        sources=task_sources(TASK_JOBS),
    output:
        tasks=f"{OUT}/tasks/{{model}}/{{checkpoint}}.parquet",
    log:
        f"{OUT}/logs/evaluate_tasks/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/evaluate_tasks/{{model}}/{{checkpoint}}.tsv"
    priority: in_turn
    conda:
        "../../envs/tasks.yaml"
    threads: 1
    resources:
        mem_mb=with_weights(4000),
        runtime=with_download(120),
        gpu=1,
    params:
        jobs=TASK_JOBS,
        batch_size=lookup("tasks/batch_size", within=config),
        device=lookup("activations/device", within=config),
        seed=lookup("seed", within=config),
        code=digest("evaluate_tasks.py"),
    script:
        "../scripts/evaluate_tasks.py"
