# What the study reads from outside: files of the data set (DataLad) and of the user's own folder, checkpoints.
# Reads:  the data set at dataset.url, local_data; demo/dataset.json where the data set is made here
# Writes: sources/stimuli.json, sources/subjects/{subject}.json   (path, annex key and bytes of every file, data-set commit)
#         sources/atlas.json                             (the same of an atlas that is fetched)
#         sources/plan.json                              (what would be downloaded; only when plan_download is asked for)
#         models/{model}/{checkpoint}.json               (commit, files and fingerprint of a checkpoint, its shape)
#         models/lock.json                               (commits of all checkpoints; only when lock_checkpoints is asked for,
#                                                        which writes the study's lock, config/locks/{study}.json)

# A lock that the config names and that is not there pins nothing: a slip of the pen, but before it is made. Targets are
# known to no rule file, so the command is read.
if workflow.is_main_process and "lock_checkpoints" not in sys.argv and STUDY.named_lock_missing:
    raise WorkflowError(f"config: {STUDY.named_lock_missing}")

# A data set that the demo stage makes has to be made first.
DEMO_DATASET = [f"{OUT}/demo/dataset.json"] if DATASET["simulate"] else []


rule fetch_stimuli:
    input:
        demo=DEMO_DATASET,
        local=STUDY.own_stimuli(),
    output:
        manifest=f"{OUT}/sources/stimuli.json",
    conda:
        "../../envs/data.yaml"
    params:
        settings=settings("fetch_stimuli", audio=STUDY.audio, local_data=STUDY.local_data_if(*STUDY.stimulus_roots)),
    script:
        "../scripts/fetch_stimuli.py"


rule fetch_responses:
    input:
        demo=DEMO_DATASET,
        local=lambda w: STUDY.own_responses(w.subject),
    output:
        manifest=f"{OUT}/sources/subjects/{{subject}}.json",
    conda:
        "../../envs/data.yaml"
    resources:
        runtime=lambda w, attempt: 600 * attempt,
    params:
        settings=settings(
            "fetch_responses",
            subject=lambda w: STUDY.subjects[w.subject],
            local_data=STUDY.local_data_if(*STUDY.response_roots),
        ),
    script:
        "../scripts/fetch_responses.py"


rule fetch_atlas:
    output:
        manifest=f"{OUT}/sources/atlas.json",
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/fetch_atlas.py"


rule plan_download:
    input:
        demo=DEMO_DATASET,
    output:
        plan=f"{OUT}/sources/plan.json",
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        settings=settings("plan_download", audio=STUDY.audio, atlas=STUDY.atlas, asked=time.time()),
    script:
        "../scripts/plan_download.py"


rule lock_checkpoints:
    output:
        lock=f"{OUT}/models/lock.json",
    localrule: True
    conda:
        "../../envs/model.yaml"
    params:
        settings=settings("lock_checkpoints", asked=time.time()),
    script:
        "../scripts/lock_checkpoints.py"


rule fetch_checkpoint:
    input:
        demo=lambda w: f"{OUT}/demo/models/{w.model}.json" if MODELS[w.model].get("train") else [],
        local=lambda w: STUDY.folder_files(w.model, w.checkpoint),
    output:
        checkpoint=CHECKPOINT,
    priority: in_turn
    conda:
        "../../envs/model.yaml"
    resources:
        runtime=lambda w, attempt: 600 * attempt,
    params:
        settings=settings("fetch_checkpoint", source=lambda w: STUDY.checkpoint_source(w.model, w.checkpoint)),
    script:
        "../scripts/fetch_checkpoint.py"
