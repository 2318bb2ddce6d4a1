# Internal states: surprisal, geometry, probes, similarity between checkpoints.
# Reads:  activations/{model}/{checkpoint}.zarr.zip, stimuli/words.parquet
# Writes: states/{model}/{checkpoint}.parquet
#         states/identity.parquet                                    probes on word identity, which know no model
#         states/pairs/{model}/{checkpoint}_to_{reference}.parquet   for the references in states/cka/references


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
    priority: in_turn
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(60),
    params:
        probes=lookup("states/probes", within=config),
        intrinsic_dimension=lookup("states/intrinsic_dimension", within=config),
        cka_words=lookup("states/cka/n", within=config),
        seed=lookup("seed", within=config),
        code=digest("measure_states.py"),
    script:
        "../scripts/measure_states.py"


rule measure_identity:
    input:
        words=f"{OUT}/stimuli/words.parquet",
    output:
        identity=f"{OUT}/states/identity.parquet",
    log:
        f"{OUT}/logs/measure_identity.log",
    benchmark:
        f"{OUT}/benchmarks/measure_identity.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(4000),
        runtime=by_attempt(60),
    params:
        probes=lookup("states/probes", within=config),
        seed=lookup("seed", within=config),
        code=digest("measure_identity.py"),
    script:
        "../scripts/measure_identity.py"


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
        mem_mb=by_attempt(4000),
        runtime=by_attempt(60),
    params:
        roles=lambda wildcards: reference_roles(wildcards.model, wildcards.checkpoint)[wildcards.reference],
        words=lookup("states/cka/n", within=config),
        seed=lookup("seed", within=config),
        code=digest("compare_checkpoints.py"),
    script:
        "../scripts/compare_checkpoints.py"
