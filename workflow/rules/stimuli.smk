# What was heard.
# Reads:  sources/stimuli.json
# Writes: stimuli/words.parquet   (words, or annotations, of every run with times, place in the running text, labels)
#         stimuli/sound.parquet   (envelope of every stimulus; only where encoding.nuisance asks for it)


rule build_words:
    input:
        manifest=f"{OUT}/sources/stimuli.json",
    output:
        words=f"{OUT}/stimuli/words.parquet",
    log:
        f"{OUT}/logs/build_words/words.log",
    benchmark:
        f"{OUT}/benchmarks/build_words/words.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(15),
    params:
        words=lookup("dataset/words", within=config),
        runs=lookup("dataset/runs", within=config),
        user=f"{config['study']}/stimuli",
        code=digest("build_words.py"),
    script:
        "../scripts/build_words.py"


rule build_sound:
    input:
        manifest=f"{OUT}/sources/stimuli.json",
    output:
        sound=f"{OUT}/stimuli/sound.parquet",
    log:
        f"{OUT}/logs/build_sound/sound.log",
    benchmark:
        f"{OUT}/benchmarks/build_sound/sound.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(30),
    params:
        runs=lookup("dataset/runs", within=config),
        user=f"{config['study']}/stimuli",
        code=digest("build_sound.py"),
    script:
        "../scripts/build_sound.py"
