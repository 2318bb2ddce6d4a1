# Transitions of the headline curve and the verdict on three phases, per model.
# Reads:  trajectories.parquet, bootstrap.zarr.zip
# Writes: phases.json


rule fit_phases:
    input:
        trajectories=f"{OUT}/trajectories.parquet",
        bootstrap=f"{OUT}/bootstrap.zarr.zip",
    output:
        phases=f"{OUT}/phases.json",
    log:
        f"{OUT}/logs/fit_phases.log",
    benchmark:
        f"{OUT}/benchmarks/fit_phases.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        models=list(MODELS),
        headline=lookup("phases/headline", within=config),
        judgement={key: value for key, value in config["phases"].items() if key != "headline"},
        seed=lookup("seed", within=config),
        code=digest("fit_phases.py"),
    script:
        "../scripts/fit_phases.py"
