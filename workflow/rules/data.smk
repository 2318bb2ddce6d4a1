# The data report: what was found of the study's data set, before any model is looked at.
# Reads:  responses/{subject}.zarr.zip, responses/ceiling.parquet, responses/ceiling_rois.parquet,
#         sources/stimuli.json, sources/{subject}.json, stimuli/words.parquet
#         stimuli/sound.parquet where its envelope is a nuisance
# Writes: responses/description.json        the numbers: subjects, runs, ceilings, lag of words against responses
#         responses/gap.json                where blocks of one run are held out: score against the gap beside them
#         figures/data_{name}.{png,svg}     runs, timing, ceilings, brain where voxels lie in MNI space, gap
#         data.html                         the report, one self-contained page


rule describe_data:
    input:
        responses=RESPONSES,
        manifests=expand(f"{OUT}/sources/{{subject}}.json", subject=STUDY.subjects),
        stimuli=f"{OUT}/sources/stimuli.json",
        words=WORDS,
        regions=f"{OUT}/responses/ceiling_rois.parquet",
    output:
        description=f"{OUT}/responses/description.json",
    log:
        f"{OUT}/logs/describe_data/description.log",
    benchmark:
        f"{OUT}/benchmarks/describe_data/description.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=settings("describe_data"),
    script:
        "../scripts/describe_data.py"


rule draw_ceiling_map:
    input:
        responses=RESPONSES,
        ceiling=f"{OUT}/responses/ceiling.parquet",
    output:
        brain=report(
            f"{OUT}/figures/data_brain.png",
            caption="../report/data_brain.rst",
            category="Data",
            labels={"figure": "ceiling on the brain"},
        ),
        brain_svg=f"{OUT}/figures/data_brain.svg",
    log:
        f"{OUT}/logs/draw_ceiling_map/brain.log",
    benchmark:
        f"{OUT}/benchmarks/draw_ceiling_map/brain.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings("draw_ceiling_map"),
    script:
        "../scripts/draw_ceiling_map.py"


rule measure_gap:
    input:
        responses=RESPONSES,
        words=WORDS,
        sound=SOUND,
    output:
        gap=f"{OUT}/responses/gap.json",
    log:
        f"{OUT}/logs/measure_gap/gap.log",
    benchmark:
        f"{OUT}/benchmarks/measure_gap/gap.tsv"
    conda:
        "../../envs/encoding.yaml"
    params:
        settings=settings("measure_gap"),
    script:
        "../scripts/measure_gap.py"


rule draw_gap:
    input:
        gap=f"{OUT}/responses/gap.json",
    output:
        figure=report(
            f"{OUT}/figures/data_gap.png",
            caption="../report/data_gap.rst",
            category="Data",
            labels={"figure": "score against gap"},
        ),
        figure_svg=f"{OUT}/figures/data_gap.svg",
    log:
        f"{OUT}/logs/draw_gap/gap.log",
    benchmark:
        f"{OUT}/benchmarks/draw_gap/gap.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings("draw_gap"),
    script:
        "../scripts/draw_gap.py"


rule draw_data:
    input:
        description=f"{OUT}/responses/description.json",
        brain=[f"{OUT}/figures/data_brain.png"] if ON_TEMPLATE else [],
        gap=[f"{OUT}/responses/gap.json"] if GAPPED else [],
        gap_figure=[f"{OUT}/figures/data_gap.png"] if GAPPED else [],
    output:
        page=report(
            f"{OUT}/data.html",
            caption="../report/data.rst",
            category="Data",
            labels={"figure": "data report"},
        ),
        runs=report(
            f"{OUT}/figures/data_runs.png",
            caption="../report/data_runs.rst",
            category="Data",
            labels={"figure": "subjects and runs"},
        ),
        runs_svg=f"{OUT}/figures/data_runs.svg",
        timing=report(
            f"{OUT}/figures/data_timing.png",
            caption="../report/data_timing.rst",
            category="Data",
            labels={"figure": "lag of the response"},
        ),
        timing_svg=f"{OUT}/figures/data_timing.svg",
        ceilings=report(
            f"{OUT}/figures/data_ceilings.png",
            caption="../report/data_ceilings.rst",
            category="Data",
            labels={"figure": "ceilings"},
        ),
        ceilings_svg=f"{OUT}/figures/data_ceilings.svg",
    log:
        f"{OUT}/logs/draw_data/data.log",
    benchmark:
        f"{OUT}/benchmarks/draw_data/data.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings("draw_data"),
    script:
        "../scripts/draw_data.py"
