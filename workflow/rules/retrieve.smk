# What the study reads from outside: files of the data set (DataLad) and of the user's own folder, checkpoints.
# Reads:  the data set at dataset.url, local_data; demo/dataset.json where the data set is made here
# Writes: sources/stimuli.json, sources/{subject}.json   (path, annex key and bytes of every file, data-set commit)
#         sources/atlas.json                             (the same of an atlas that is fetched)
#         sources/plan.json                              (what would be downloaded; only when plan_download is asked for)
#         models/{model}/{checkpoint}.json               (commit, files and fingerprint of a checkpoint, its shape)
#         models/lock.json                               (commits of all checkpoints; only when lock_checkpoints is asked for,
#                                                        which writes the study's lock, config/locks/{study}.json)
import time

from triphase.sources.manifest import check_local, response_roles, stimulus_files, study_files

DATASET = {key: config["dataset"].get(key) for key in ("name", "url", "version", "local_data_hint")}
# A data set that the demo stage makes has to be made first.
DEMO_DATASET = [f"{OUT}/demo/dataset.json"] if config["dataset"]["simulate"] else []
WORD_FILES = {key: config["dataset"]["words"][key] for key in ("root", "path")}
# The sound is fetched only where the envelope is made of it.
AUDIO_FILES = config["dataset"]["audio"] if "envelope" in config["encoding"]["nuisance"] else None
ATLAS = config["dataset"]["atlas"] if (config["dataset"]["atlas"] or {}).get("kind") == "image" else None
ATLAS_FILES = {key: ATLAS[key] for key in ("name", "url", "version", "image", "table")} if ATLAS else None

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
        local=own_files(stimulus_files(WORD_FILES, AUDIO_FILES, config["dataset"]["runs"])),
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
        mem_mb=by_attempt(1000),
        runtime=by_attempt(120),
    params:
        dataset=DATASET,
        words=WORD_FILES,
        audio=AUDIO_FILES,
        runs=lookup("dataset/runs", within=config),
        local_data=local_data_of(WORD_FILES["root"], (AUDIO_FILES or WORD_FILES)["root"]),
        user=f"{config['study']}/stimuli",
        code=digest("fetch_stimuli.py"),
    script:
        "../scripts/fetch_stimuli.py"


rule fetch_responses:
    input:
        demo=DEMO_DATASET,
        local=lambda wildcards: own_files(
            [
                (
                    SOURCE["root"],
                    wanted_files(response_roles(SOURCE), SUBJECTS[wildcards.subject], config["dataset"]["runs"]),
                )
            ]
        ),
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
        mem_mb=by_attempt(1000),
        runtime=by_attempt(600),
    params:
        dataset=DATASET,
        source=SOURCE,
        subject=lambda wildcards: SUBJECTS[wildcards.subject],
        runs=lookup("dataset/runs", within=config),
        local_data=local_data_of(SOURCE["root"]),
        user=lambda wildcards: f"{config['study']}/{wildcards.subject}",
        code=digest("fetch_responses.py"),
    script:
        "../scripts/fetch_responses.py"


rule fetch_atlas:
    output:
        manifest=f"{OUT}/sources/atlas.json",
    log:
        f"{OUT}/logs/fetch_atlas/atlas.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_atlas/atlas.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(60),
    params:
        atlas=ATLAS_FILES,
        user=f"{config['study']}/atlas",
        code=digest("fetch_atlas.py"),
    script:
        "../scripts/fetch_atlas.py"


rule plan_download:
    input:
        demo=DEMO_DATASET,
    output:
        plan=f"{OUT}/sources/plan.json",
    log:
        f"{OUT}/logs/plan_download/plan.log",
    benchmark:
        f"{OUT}/benchmarks/plan_download/plan.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(30),
    params:
        dataset=DATASET,
        words=WORD_FILES,
        audio=AUDIO_FILES,
        source=SOURCE,
        subjects=list(SUBJECTS.values()),
        runs=lookup("dataset/runs", within=config),
        atlas=ATLAS_FILES,
        local_data=config["local_data"],
        # What is already there may have changed: the time makes it run whenever it is asked for.
        code=digest("plan_download.py") + str(time.time()),
    script:
        "../scripts/plan_download.py"


rule lock_checkpoints:
    output:
        lock=f"{OUT}/models/lock.json",
    log:
        f"{OUT}/logs/lock_checkpoints/lock.log",
    benchmark:
        f"{OUT}/benchmarks/lock_checkpoints/lock.tsv"
    localrule: True
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(60),
    params:
        study=lookup("study", within=config),
        # As the study has them, without what an earlier lock says of them.
        models=config["models"],
        lock=config["lock"],
        integrity=lookup("integrity", within=config),
        # Branches may have moved: the time makes it run whenever it is asked for.
        code=digest("lock_checkpoints.py") + str(time.time()),
    script:
        "../scripts/lock_checkpoints.py"


rule fetch_checkpoint:
    input:
        demo=lambda wildcards: f"{OUT}/demo/models/{wildcards.model}.json" if trained_here(wildcards.model) else [],
        local=lambda wildcards: folder_files(CHECKPOINTS[wildcards.model][wildcards.checkpoint].get("folder")),
    output:
        checkpoint=f"{OUT}/models/{{model}}/{{checkpoint}}.json",
    log:
        f"{OUT}/logs/fetch_checkpoint/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_checkpoint/{{model}}/{{checkpoint}}.tsv"
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(600),
    params:
        repository=model_entry("repository"),
        revision=checkpoint_entry("revision"),
        commit=checkpoint_entry("commit"),
        cache_dir=lambda wildcards: (
            f"{OUT}/demo/hub" if trained_here(wildcards.model) else MODELS[wildcards.model].get("cache_dir")
        ),
        folder=checkpoint_entry("folder"),
        trust_remote_code=lambda wildcards: MODELS[wildcards.model].get("trust_remote_code", False),
        code=digest("fetch_checkpoint.py"),
    script:
        "../scripts/fetch_checkpoint.py"
