# Figures, all marked for the report.
# Reads:  trajectories.parquet, bootstrap.zarr.zip, phases.json, specifications/{model}.parquet, across_models.json,
#         power/{model}.parquet, maps/{model}.zarr.zip
# Writes: figures/models.{png,svg}            all models on tokens and on compute, and what they have in common
#         figures/triple_{model}.{png,svg}    three perspectives on one token axis, phases shaded
#         figures/layers_{model}.{png,svg}    layer x checkpoint heat maps
#         figures/rois_{model}.{png,svg}      alignment region by region
#         figures/tasks_{model}.{png,svg}     accuracy, adherence and what the answers look like
#         figures/probes_{model}.{png,svg}    probes, concept by concept
#         figures/analyses_{model}.{png,svg}  every analysis of the specification table, with its choices
#         figures/power_{model}.{png,svg}     which fall and which lag the study could have found
#         figures/brain_{model}.{png,svg}     brain maps where phases begin and end: glass brain and surface
#         figures/changes_{model}.{png,svg}   the same of the changes between them
#         figures/surface_{model}.html        these changes on surfaces to turn by hand
# The last three only where targets have places on the template's brain: time courses of regions or voxels in a subject's
# own space have none.

FIGURE_NAMES = ["triple", "layers", "rois", "tasks", "probes", "analyses", "power"]
BRAIN_NAMES = ["brain", "changes"] if ON_SURFACE else []
FIGURES = [f"{OUT}/figures/models.png", f"{OUT}/figures/models.svg"] if len(MODELS) > 1 else []
FIGURES += expand(
    f"{OUT}/figures/{{name}}_{{model}}.{{format}}",
    name=["integrity", *FIGURE_NAMES, *BRAIN_NAMES],
    model=MODELS,
    format=["png", "svg"],
)
FIGURES += expand(f"{OUT}/figures/surface_{{model}}.html", model=MODELS if ON_SURFACE else [])


rule draw_models:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
        phases=f"{OUT}/phases.json",
        across=f"{OUT}/across_models.json",
    output:
        models=report(
            f"{OUT}/figures/models.png",
            caption="../report/models.rst",
            category="Phases",
            labels={"figure": "models on tokens and compute", "model": "all"},
        ),
        models_svg=f"{OUT}/figures/models.svg",
    log:
        f"{OUT}/logs/draw_models.log",
    benchmark:
        f"{OUT}/benchmarks/draw_models.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings("draw_models"),
    script:
        "../scripts/draw_models.py"


rule draw_model:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
        phases=f"{OUT}/phases.json",
        specifications=f"{OUT}/specifications/{{model}}.parquet",
        power=f"{OUT}/power/{{model}}.parquet",
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
        probes=report(
            f"{OUT}/figures/probes_{{model}}.png",
            caption="../report/probes.rst",
            category="States",
            labels={"figure": "probes by concept", "model": "{model}"},
        ),
        probes_svg=f"{OUT}/figures/probes_{{model}}.svg",
        analyses=report(
            f"{OUT}/figures/analyses_{{model}}.png",
            caption="../report/analyses.rst",
            category="Phases",
            labels={"figure": "other analyses", "model": "{model}"},
        ),
        analyses_svg=f"{OUT}/figures/analyses_{{model}}.svg",
        power_figure=report(
            f"{OUT}/figures/power_{{model}}.png",
            caption="../report/power.rst",
            category="Phases",
            labels={"figure": "power", "model": "{model}"},
        ),
        power_svg=f"{OUT}/figures/power_{{model}}.svg",
    log:
        f"{OUT}/logs/draw_model/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_model/{{model}}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings("draw_model"),
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
            labels={"figure": "maps of the phases", "model": "{model}"},
        ),
        brain_svg=f"{OUT}/figures/brain_{{model}}.svg",
        changes=report(
            f"{OUT}/figures/changes_{{model}}.png",
            caption="../report/changes.rst",
            category="Brain",
            labels={"figure": "changes between phases", "model": "{model}"},
        ),
        changes_svg=f"{OUT}/figures/changes_{{model}}.svg",
        surface=report(
            f"{OUT}/figures/surface_{{model}}.html",
            caption="../report/surface.rst",
            category="Brain",
            labels={"figure": "changes on a surface to turn", "model": "{model}"},
        ),
    log:
        f"{OUT}/logs/draw_brain/{{model}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_brain/{{model}}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        settings=settings("draw_brain"),
    script:
        "../scripts/draw_brain.py"
