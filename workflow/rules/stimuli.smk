# What was heard.
# Reads:  sources/stimuli.json
# Writes: stimuli/words.parquet   (words, or annotations, of every run with times, place in the running text, labels)
#         stimuli/sound.parquet   (envelope of every stimulus; only where encoding.nuisance asks for it)


rule build_words:
    input:
        manifest=f"{OUT}/sources/stimuli.json",
    output:
        words=WORDS,
    log:
        f"{OUT}/logs/build_words/words.log",
    benchmark:
        f"{OUT}/benchmarks/build_words/words.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        settings=settings("build_words"),
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
    params:
        settings=settings("build_sound"),
    script:
        "../scripts/build_sound.py"
