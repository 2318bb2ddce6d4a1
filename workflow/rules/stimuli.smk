# What was heard.
# Reads:  sources/stimuli.json
# Writes: stimuli/words.parquet   (words, or annotations, of every run with times, place in the running text, labels)
#         stimuli/sound.parquet   (envelope of every stimulus; only where encoding.nuisance asks for it)


rule build_words:
    input:
        manifest=f"{OUT}/sources/stimuli.json",
    output:
        words=WORDS,
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/build_words.py"


rule build_sound:
    input:
        manifest=f"{OUT}/sources/stimuli.json",
        words=WORDS,
    output:
        sound=f"{OUT}/stimuli/sound.parquet",
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/build_sound.py"
