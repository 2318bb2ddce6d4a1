# Internal states: surprisal, geometry, probes, similarity between checkpoints.
# Reads:  activations/{model}/{checkpoint}.zarr.zip, stimuli/words.parquet
# Writes: states/{model}/{checkpoint}.parquet
#         states/pairs/{model}/{checkpoint}_to_{reference}.parquet   for the references in states/cka/references


def reference_roles(model, checkpoint):
    """Reference checkpoints of one checkpoint, each with what it is to it: first, previous, last in the config's order."""
    names = list(CHECKPOINTS[model])
    at = names.index(checkpoint)
    chosen = {"first": 0, "previous": at - 1, "last": len(names) - 1}
    roles = {}
    for role in config["states"]["cka"]["references"]:
        if chosen[role] >= 0 and chosen[role] != at:
            roles.setdefault(names[chosen[role]], []).append(role)
    return roles


def checkpoint_pairs(wildcards):
    """Input function: comparisons of the wildcards' checkpoint with its references."""
    return [
        f"{OUT}/states/pairs/{wildcards.model}/{wildcards.checkpoint}_to_{reference}.parquet"
        for reference in reference_roles(wildcards.model, wildcards.checkpoint)
    ]


rule measure_states:
    input:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
        words=f"{OUT}/stimuli/words.parquet",
    output:
        states=f"{OUT}/states/{{model}}/{{checkpoint}}.parquet",
    log:
        f"{OUT}/logs/measure_states/{{model}}/{{checkpoint}}.log",
    benchmark:
        f"{OUT}/benchmarks/measure_states/{{model}}/{{checkpoint}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        probes=lookup("states/probes", within=config),
        intrinsic_dimension=lookup("states/intrinsic_dimension", within=config),
        seed=lookup("seed", within=config),
        code=digest("measure_states.py"),
    script:
        "../scripts/measure_states.py"


rule compare_checkpoints:
    input:
        activations=f"{OUT}/activations/{{model}}/{{checkpoint}}.zarr.zip",
        reference=f"{OUT}/activations/{{model}}/{{reference}}.zarr.zip",
    output:
        similarity=f"{OUT}/states/pairs/{{model}}/{{checkpoint}}_to_{{reference}}.parquet",
    log:
        f"{OUT}/logs/compare_checkpoints/{{model}}/{{checkpoint}}_to_{{reference}}.log",
    benchmark:
        f"{OUT}/benchmarks/compare_checkpoints/{{model}}/{{checkpoint}}_to_{{reference}}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        roles=lambda wildcards: reference_roles(wildcards.model, wildcards.checkpoint)[wildcards.reference],
        code=digest("compare_checkpoints.py"),
    script:
        "../scripts/compare_checkpoints.py"
