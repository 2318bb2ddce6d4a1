# Downstream tasks and instruction adherence.
# Reads:  models/{model}/{checkpoint}.json, harness YAMLs and their data (resources/tasks, local_data)
# Writes: tasks/{model}/{checkpoint}.parquet   one row per item and prompt
from triphase.tasks import missing_data, plan, task_sources

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
