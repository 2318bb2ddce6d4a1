# Figures, all marked for the report.
# Reads:  trajectories.parquet, bootstrap.zarr.zip, phases.json, maps/{model}.zarr.zip
# Writes: figures/triple_{model}.{png,svg}   three perspectives on one token axis, phases shaded
#         figures/layers_{model}.{png,svg}   layer x checkpoint heat maps
#         figures/rois_{model}.{png,svg}     alignment region by region
#         figures/tasks_{model}.{png,svg}    accuracy, adherence and what the answers look like
#         figures/brain_{model}.{png,svg}    glass brains at the turning points, where voxels have coordinates

FIGURE_NAMES = ["triple", "layers", "rois", "tasks"] + (["brain"] if ON_TEMPLATE else [])
FIGURES = expand(f"{OUT}/figures/{{name}}_{{model}}.{{format}}", name=FIGURE_NAMES, model=MODELS, format=["png", "svg"])


rule draw_model:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
        phases=f"{OUT}/phases.json",
    output:
        triple=report(
            f"{OUT}/figures/triple_{{model}}.png",
            caption="../report/triple.rst",
            category="Phases",
            labels={"figure": "three perspectives", "model": "{model}"},
        ),
        triple_svg=f"{OUT}/figures/triple_{{model}}.svg",
        layers=report(
            f"{OUT}/figures/layers_{{model}}.png",
            caption="../report/layers.rst",
            category="States",
            labels={"figure": "layers over training", "model": "{model}"},
        ),
        layers_svg=f"{OUT}/figures/layers_{{model}}.svg",
        rois=report(
            f"{OUT}/figures/rois_{{model}}.png",
            caption="../report/rois.rst",
            category="Brain",
            labels={"figure": "regions", "model": "{model}"},
        ),
        rois_svg=f"{OUT}/figures/rois_{{model}}.svg",
        tasks=report(
            f"{OUT}/figures/tasks_{{model}}.png",
            caption="../report/tasks.rst",
            category="Tasks",
            labels={"figure": "tasks", "model": "{model}"},
        ),
        tasks_svg=f"{OUT}/figures/tasks_{{model}}.svg",
    log:
        f"{OUT}/logs/draw_model/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_model/{{model}}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        model=lambda wildcards: wildcards.model,
        rois=lookup("dataset/rois", within=config),
        code=digest("draw_model.py"),
    script:
        "../scripts/draw_model.py"


rule draw_brain:
    input:
        maps=f"{OUT}/maps/{{model}}.zarr.zip",
        phases=f"{OUT}/phases.json",
    output:
        brain=report(
            f"{OUT}/figures/brain_{{model}}.png",
            caption="../report/brain.rst",
            category="Brain",
            labels={"figure": "turning points", "model": "{model}"},
        ),
        brain_svg=f"{OUT}/figures/brain_{{model}}.svg",
    log:
        f"{OUT}/logs/draw_brain/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_brain/{{model}}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        model=lambda wildcards: wildcards.model,
        code=digest("draw_brain.py"),
    script:
        "../scripts/draw_brain.py"
