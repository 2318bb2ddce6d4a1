# The data report: what was found of the study's data set, before any model is looked at.
# Reads:  responses/{subject}.zarr.zip, responses/ceiling.parquet, responses/ceiling_rois.parquet,
#         sources/stimuli.json, sources/subjects/{subject}.json, stimuli/words.parquet
#         stimuli/sound.parquet where its envelope is a nuisance
# Writes: responses/description.json        the numbers: subjects, runs, ceilings, lag of words against responses
#         responses/gap.json                where blocks of one run are held out: score against the gap beside them
#         data.html                         the report, one self-contained page


rule describe_data:
    input:
        responses=RESPONSES,
        manifests=expand(f"{OUT}/sources/subjects/{{subject}}.json", subject=STUDY.subjects),
        stimuli=f"{OUT}/sources/stimuli.json",
        words=WORDS,
        sound=SOUND,
        regions=f"{OUT}/responses/ceiling_rois.parquet",
    output:
        description=f"{OUT}/responses/description.json",
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/describe_data.py"


rule measure_gap:
    input:
        responses=RESPONSES,
        words=WORDS,
        sound=SOUND,
    output:
        gap=f"{OUT}/responses/gap.json",
    conda:
        "../../envs/encoding.yaml"
    script:
        "../scripts/measure_gap.py"


rule write_data_page:
    input:
        description=f"{OUT}/responses/description.json",
        gap=[f"{OUT}/responses/gap.json"] if "data_gap" in DRAWINGS else [],
        pictures=[f"{OUT}/figures/{name}.png" for name in DRAWINGS if name.startswith("data_")],
    output:
        page=report(f"{OUT}/data.html", "../report/data.rst", "Data", labels={"figure": "data report"}),
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/write_data_page.py"
