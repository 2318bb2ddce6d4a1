"""Reading times of people who do not exist, in the files of Natural Stories, with a known surprisal behind them."""

import numpy as np
import pandas as pd

SYLLABLES = ("ka", "to", "mi", "lu", "ser", "an", "do", "ve", "ri", "nas")
SLOPES = (0.02, 0.01, 0.005)  # of log time on bits of the word and of the two before it


def stories(seed=0, items=4, words=150):
    """Words of some stories: DataFrame with word, zone, item, as in `all_stories.tok`."""
    rng = np.random.default_rng(seed)
    lexicon = ["".join(rng.choice(SYLLABLES, size)) for size in rng.integers(1, 4, 120)]
    chance = 1 / np.arange(1, len(lexicon) + 1)
    rows = [
        (str(rng.choice(lexicon, p=chance / chance.sum())), zone, item)
        for item in range(1, items + 1)
        for zone in range(1, words + 1)
    ]
    return pd.DataFrame(rows, columns=["word", "zone", "item"])


def write_readings(folder, bits, seed=0, readers=30, noise=0.25):
    """Write a folder of reading times whose log rises with `bits` of every word of `stories()`."""
    rng, table = np.random.default_rng([seed, 1]), stories()
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "all_stories.tok", sep="\t", index=False)
    length = table["word"].str.len().to_numpy(float)
    effect = 0.01 * length + sum(slope * np.roll(bits, back) for back, slope in enumerate(SLOPES))
    parts = []
    for reader in range(readers):
        log_time = 5.7 + 0.15 * rng.standard_normal() + effect + noise * rng.standard_normal(len(table))
        parts.append(table[["item", "zone"]].assign(WorkerId=f"r{reader}", RT=np.exp(log_time).round(2), correct=6))
    pd.concat(parts).to_csv(folder / "processed_RTs.tsv", sep="\t", index=False)
    return folder
