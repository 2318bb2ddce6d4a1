# What the study reads from outside: files of the data set (DataLad) and of the user's own folder, checkpoints.
# Reads:  the data set at dataset.url, local_data; demo/dataset.json where the data set is made here
# Writes: sources/stimuli.json, sources/{subject}.json   (path, annex key and bytes of every file, data-set commit)
#         models/{model}/{checkpoint}.json               (commit, files and fingerprint of a checkpoint, its shape)
from triphase.datasets import check_local, response_roles, study_files

DATASET = {key: config["dataset"].get(key) for key in ("name", "url", "version", "local_data_hint")}
# A data set that the demo stage makes has to be made first.
DEMO_DATASET = [f"{OUT}/demo/dataset.json"] if config["dataset"]["simulate"] else []

try:
    check_local(
        study_files(config),
        config["local_data"],
        config["dataset"].get("local_data_hint"),
    )
except InputError as error:
    raise WorkflowError(f"config: {error}") from None


rule fetch_stimuli:
    input:
        demo=DEMO_DATASET,
        local=local_inputs(config["dataset"]["words"]["root"], {"words": config["dataset"]["words"]["path"]}),
    output:
        manifest=f"{OUT}/sources/stimuli.json",
    log:
        f"{OUT}/logs/fetch_stimuli/stimuli.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_stimuli/stimuli.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        dataset=DATASET,
        words={key: config["dataset"]["words"][key] for key in ("root", "path")},
        runs=lookup("dataset/runs", within=config),
        local_data=local_data_of(config["dataset"]["words"]["root"]),
        code=digest("fetch_stimuli.py"),
    script:
        "../scripts/fetch_stimuli.py"


rule fetch_responses:
    input:
        demo=DEMO_DATASET,
        local=lambda wildcards: local_inputs(SOURCE["root"], response_roles(SOURCE), SUBJECTS[wildcards.subject]),
    output:
        manifest=f"{OUT}/sources/{{subject}}.json",
    log:
        f"{OUT}/logs/fetch_responses/{{subject}}.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_responses/{{subject}}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        dataset=DATASET,
        source=SOURCE,
        subject=lambda wildcards: SUBJECTS[wildcards.subject],
        runs=lookup("dataset/runs", within=config),
        local_data=local_data_of(SOURCE["root"]),
        code=digest("fetch_responses.py"),
    script:
        "../scripts/fetch_responses.py"


rule fetch_checkpoint:
    input:
        demo=lambda wildcards: f"{OUT}/demo/models/{wildcards.model}.json" if trained_here(wildcards.model) else [],
    output:
        checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
    log:
        f"{OUT}/logs/fetch_checkpoint/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_checkpoint/{{model}}/{{checkpoint}}.tsv"
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        repository=model_entry("repository"),
        revision=checkpoint_entry("revision"),
        commit=checkpoint_entry("commit"),
        cache_dir=lambda wildcards: (
            f"{OUT}/demo/hub" if trained_here(wildcards.model) else MODELS[wildcards.model].get("cache_dir")
        ),
        code=digest("fetch_checkpoint.py"),
    script:
        "../scripts/fetch_checkpoint.py"
