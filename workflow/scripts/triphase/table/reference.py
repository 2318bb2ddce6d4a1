"""Writes the reference of measures: `python -m triphase.table.reference` (`make reference`).

With plugins as arguments it prints the page instead, their measures among the library's.
"""

import sys
from pathlib import Path

from triphase.core.measures import MEASURES, Measure
from triphase.core.plugins import load_plugins
from triphase.table.measures import BRAIN, INSIDE, MECHANISM, TASKS

PATH = Path(__file__).parents[4] / "docs/reference/measures.md"

HEAD = """\
# Reference of measures

Made from `workflow/scripts/triphase/table/measures.py` by `make reference`: edit that, not this page. A study's own
measures join the library's by a file that the config names under `plugins`; `triphase/core/measures.py` shows one.

`trajectories.parquet` and `checkpoints/{model}/{checkpoint}.parquet` have one row per value of a measure.

| column | what |
|---|---|
| `study`, `model`, `checkpoint`, `step`, `tokens` | Where the value is from; null for what needs no model. |
| `layer` | 0 is the embedding; null for what has no layer. |
| `subject`, `roi` | Listener and region, of the measures of alignment. |
| `measure` | A name of this page. |
| `target` | What the value is of: a concept, a task, an attention head, a right side. |
| `setting` | Where the value lies on a curve over a setting of the measure. |
| `reference` | What it is compared with: the `first`, `previous` or `last` checkpoint, or `step 0`. |
| `scaling` | How the model's columns were scaled: `zscore`, `center`, `no_outliers` or `pca` (`encoding/scalings`). |
| `delays` | `headline` (`encoding/delays`), or first and last of `encoding/delay_alternatives`, as `2-5 s`. |
| `nuisance` | The nuisance set that a gain is over: `N1` (`encoding/nuisance`), `N2` (word identity too), \
`N1+static` (the static embedding too: contextual gain), `N1+surprisal`, `N2+surprisal` (the checkpoint's own too). |
| `trained_on` | The share of the training stimuli that a fit used, `quarter` or `half`; empty for all of them. |
| `normalised` | Whether the value is divided by the ceiling. |
| `main` | False for the sensitivity analyses: what the headline declares, and all else, is true. |
| `value`, `se`, `n` | The value, its standard error, and how many words, items, windows or voxels are behind it. |

`table[table["main"]]` leaves out what varies the analysis. The paired draws in `bootstrap.zarr.zip` have the same keys.
"""

NOTES = {
    BRAIN: "All scores are held out; `se` is that of the block bootstrap.",
    INSIDE: """\
Rows have a layer but neither subject nor region; `n` counts words, each stimulus once. Where there is an `se`, it
allows for the dependence of neighbouring words: clustered by sentence, or a jackknife over 20 blocks. That of probes
is widened for training words that folds share (Nadeau and Bengio 2003), and is rather too wide where there is a
signal. Missing values with `n` 0 mean that a concept could not be probed; the reason stands in the metadata
(`concepts`; in the checkpoint's file `missing`, which has the reasons of tasks and of the mechanism's measures
too).""",
    TASKS: """\
Rows have neither layer, subject nor region; `n` counts items. `se` of a share is Agresti and Coull's, so that 0 of n
has one too. Chance, majority and truncated shares are no estimates: their `se` is 0. Missing values with `n` 0 have
their reason in the metadata `missing` of the checkpoint's file, or no item has a right answer, or none was answered
validly. Every item with its prompt's likelihoods and answer is in `tasks/{model}/{checkpoint}.parquet`, whose metadata
hold versions of harness and task, shots and a hash of all prompts.""",
    MECHANISM: """\
On fixed inputs, the same at every checkpoint; all windows begin with BOS. A layer's attention is that of the heads
whose output enters the hidden states of the same number, so there is none in layer 0. `n` counts sequences or windows,
and `se` is over them. Missing values with `n` 0 have their reason in the metadata of
`states/mechanism/{model}/{checkpoint}.parquet` (`missing`): a model that gives no attention weights, a stimulus
without a stretch of 48 tokens.""",
}


def reference() -> str:
    """The page that explains every registered measure."""
    parts = [HEAD]
    for section in dict.fromkeys(measure.section for measure in MEASURES.values()):
        rows = [_row(measure) for measure in MEASURES.values() if measure.section == section]
        head = ["| measure | unit, range | of | needs | what |", "|---|---|---|---|---|"]
        parts += [f"## {section}", *([NOTES[section]] if section in NOTES else []), "\n".join([*head, *rows])]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _row(measure: Measure) -> str:
    low, high = measure.range
    bounds = f"{low:g} to {high:g}" if None not in measure.range else ""
    bounds = bounds or (f"from {low:g}" if low is not None else f"up to {high:g}" if high is not None else "any")
    each = ["each layer"] if measure.per_layer else []
    each += [f"`target`: {measure.target}"] if measure.target else []
    each += [f"`setting`: {measure.setting}"] if measure.setting else []
    cells = [f"`{measure.name}`", f"{measure.unit}, {bounds}", "; ".join(each), measure.needs, measure.about]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def main(plugins: list[str]) -> None:
    """Write the page, or print it with the measures of plugins."""
    if plugins:
        load_plugins(plugins)
        print(reference())
        return
    PATH.write_text(reference(), encoding="utf-8")
    print(PATH)


if __name__ == "__main__":
    main(sys.argv[1:])
