"""Sections `activations` and `encoding`: hidden states of words, and what they predict of responses."""

from typing import Annotated, Literal

from pydantic import Field

from triphase.config.schema.base import (
    OURS,
    Section,
    Share,
    Text,
    Unique,
    bounded,
    key,
    section,
)

Folds = Annotated[int, bounded(2, 100, "each is a fit of its own")]
Positions = Annotated[int, bounded(0, 2**24, "no model reads so far")]
Draws = Annotated[int, bounded(99, 100_000, "memory and time grow with them, and p below 0.00001 decides nothing here")]
Width = Annotated[int, bounded(1, 100_000, "a matrix of as many columns lies in memory")]
Exponent = Annotated[float, bounded(-10, 20, "float32 holds no square of a smaller, and a larger leaves nothing")]
Gap = Annotated[float, bounded(0, 3600, "nothing would be left to train on")]
Penalties = Annotated[int, bounded(1, 200, "each takes the time of a fit")]
Delay = Annotated[float, bounded(0, 60, "a haemodynamic response is over by 30 s")]


class Context(Section):
    """How much text stands before a token when it is read.

    Not for annotations: each is read alone, after BOS.
    """

    min: Positions | None = key(
        None,
        "Every token sees at least so many tokens before it (fewer at the start of a text), and at most `max`. One "
        "window serves `max` - `min` + 1 tokens, so that a low `min` is fast; equal values: one window per token.",
        "3/4 of `max`",
        unit="tokens",
        example=192,
        mark=OURS,
    )
    max: Positions = key(
        256,
        "Every token sees at most so many before it.",
        "more than a minute of speech, and far below the positions that public models have",
        unit="tokens",
    )
    stride: Literal[1] | None = key(
        None,
        "1: one window per word, the protocol of most published analyses. It ends with the word's last token, which "
        "has `max` tokens before it; `min` is ignored. Exact, and many times slower.",
        "windows are shared",
        example=1,
    )


class Activations(Section):
    """Hidden states of every word, from one forward pass that also gives its surprisal.

    They are written while the next batch runs: `activations/<model>/<checkpoint>.zarr.zip` with `activations` (layer,
    word, feature), in chunks of one layer and some thousands of words, `context` (tokens before each word) and
    `surprisal` (bits). Layer 0 is the embedding. Pooling is in float32.
    """

    dtype: Literal["float32", "bfloat16", "float16"] = key(
        "float32",
        "Of the forward pass.",
        "differences between neighbouring checkpoints are small, and half precision rounds them",
    )
    storage: Literal["float32", "float16"] = key(
        "float16",
        "In the Zarr. Values above 65,504 do not fit float16: an error that names layers and checkpoint.",
        "half the disk; its rounding is far below the noise of any response",
    )
    pool: Literal["mean", "last"] = key(
        "mean", "Over the tokens of a word, or of an annotation.", "no token of a word is thrown away", mark=OURS
    )
    context: Context = section(Context)


class Lexical(Section):
    """The band N2: which words were heard, without meaning, order or context."""

    dimensions: Width = key(
        1000,
        "Of the fixed random projection of word identity.",
        "distances between words are kept to some 3 %",
        mark=OURS,
    )
    components: Width = key(
        50,
        "Principal components of the training rows that are kept of it.",
        "times four delays still a narrow band beside thousands of scans, which the fast solver needs",
        mark=OURS,
    )


class Static(Section):
    """The static band: what the words are by themselves, over which a gain is one of context.

    Its components are a bound: what they leave out of the embedding (`static_share` says what they keep) counts as
    context. Layer 0 among a model's `layers` shows how much that is, since a model's own embedding has no context to
    gain by.
    """

    vectors: Text | None = key(
        None,
        "Null: the model's own layer 0 at the same checkpoint. Or a text file with a word and its numbers a row, as "
        "word2vec and GloVe have them, as a path (`{local_data}/…` lies below that folder), the same for all "
        "checkpoints; the log of `prepare_encoding` says how many of the words it has, and less than half is an error.",
        "an embedding that is trained with the layer tells context from words at every checkpoint",
        example="{local_data}/vectors/glove.6B.300d.txt",
    )
    components: Width = key(
        200,
        "Principal components of the training rows that are kept of it.",
        "most of what some thousands of scans can tell apart; times four delays still a narrow band beside them, which "
        "the fast solver needs",
        mark=OURS,
    )


class Split(Section):
    """What is held out."""

    kind: Literal["fixed", "outer_cv"] = key(
        "fixed",
        "Test runs of the data set, or every scan held out once.",
        "runs that nothing is chosen on are the stricter test; a single run has none: outer_cv",
    )
    folds: Folds = key(5, "Outer folds of outer_cv.", "each fit keeps four fifths of the data")
    inner: Folds = key(
        4,
        "Inner folds that choose penalties. Whole stimuli where there are two or more, else contiguous blocks with "
        "gaps.",
        "enough to choose one of ten penalties",
    )


class Encoding(Section):
    """Encoding models: banded ridge from a layer's activations and nuisance features to every voxel.

    Memory. `fit_encoding` asks for `mem_mb` by the size of its design, read from its inputs when it starts: 0.6 GB, and
    above all some ten to fifteen float32 matrices of training TRs by training TRs (in all about 6 GB at 8,000, 33 GB at
    22,000), or of training TRs by delayed columns where those are fewer than half as many, and up to 1 GB of voxels. A
    job that is tried again (`--retries`, which `profiles/slurm` sets) asks for as much again each time. Before its
    inputs are there, as in a dry run, it says 4 GB.

    Sampling. The midpoint of a word is where it stands. `lanczos` reads its filter in the middle of the scan; as in the
    encoding models of Huth et al. (2016) its weights are not normalised, so that like `sum` it carries the rate of
    words. It looks three scans to either side, so that the gap grows by five. Lengths and labels of words in
    `nuisance`, and `lexical`, are sampled as the language model's vectors are; `word_rate` counts words per scan (with
    `lanczos`, filtered alike), and the envelope is always a mean.

    Gaps are a matter of single runs. Where whole runs are held out, no scan that trains lies beside one that is held
    out, and the autocorrelation floor N3 (smoothed identities of stretches of time, blind to the text; Feghhi et al.
    2024) predicts nothing by construction. Where blocks of a single run are held out, the data report measures what N1
    and N3 predict at gaps of 0, 10, 20, 40 and 60 s. One thing remains in the fixed split of the Narrative Movie: each
    run but the first of a title repeats the last 20 s of the one before. Those rows are dropped, but what was heard in
    them still drives the rows that follow, so the delayed features of the first 8 to 10 s of such a test run (as long
    as the longest delay) are of text that is in the training run too. No response is shared, and it is at most 10 s per
    test run.

    Blocks of permutations and of the bootstrap have 20 scans or more; autocorrelation may widen them.
    """

    delays: Annotated[list[Delay], Field(min_length=1), Unique()] = key(
        [2, 4, 6, 8],
        "Finite-impulse-response delays, rounded to scans, inside runs, each on a scan of its own. What was heard "
        "during volumes or rows that were cut at the start of a run, or before it, reaches the rows after them.",
        "the response to speech rises and falls within them",
        unit="s",
        mark="Huth et al. 2016",
    )
    delays_as: Literal["columns", "mean"] = key(
        "columns",
        "Whether every delay has columns of its own, with weights of their own, or features are the mean over the "
        "delays. `mean` has fewer weights and no shape of the response to fit; delays 8, 9 and 10 s so are the "
        "practice of the group behind the paper. No `delay_alternatives` then.",
        "a response that differs between voxels is fitted",
    )
    delay_alternatives: list[Annotated[list[Delay], Field(min_length=2, max_length=2)]] = key(
        [],
        "Other delays that an analysis could have taken, as [first, last], each with every scan from the first to the "
        "last: sensitivity analyses with the first scaling, whose nuisance band has the same delays. `[2, 5]` gives "
        "rows of `gain` and `alignment` with `delays` 2-5 s. Not beyond the longest of `delays`, for which gaps are "
        "made.",
        "each costs about a fit of its own",
        unit="s",
        example=[[2, 5]],
    )
    downsampling: Literal["mean", "sum", "last", "lanczos"] = key(
        "mean",
        "How words become scans: mean or sum of the words whose midpoint lies in the scan, the last of them, or a "
        "Lanczos filter (window 3).",
        "does not carry the rate of words, which is a nuisance",
        mark=OURS,
    )
    scalings: Annotated[list[Literal["zscore", "center", "no_outliers", "pca"]], Field(min_length=1), Unique()] = key(
        ["zscore", "center", "no_outliers", "pca"],
        "Of the language model's columns; the first is the headline. Every further one is a sensitivity analysis with"
        " a gain of its own (column `scaling`): centred only, without outlier dimensions (deviation above 6 times the"
        " median), or in `components` principal components.",
        "a verdict that hangs on a few outlier dimensions or on the width of the model should be seen to; each further "
        "scaling costs about a fit",
        mark=OURS,
    )
    components: Width = key(
        100,
        "Principal components of the scaling `pca`, the same for all models.",
        "below the width of every model of the registry (128 of Pythia 14M), so that all have as many",
        mark=OURS,
    )
    nuisance: Annotated[list[Text], Field(min_length=1), Unique()] = key(
        ["word_rate", "word_length", "position"],
        "The band N1: `word_rate`, `word_length`, `envelope` (of the sound, where the data set has `audio`: root mean"
        " square of 10 ms, averaged over each scan), `zipf_frequency` (of words in wordfreq's list of the transcript's "
        "language, for data sets without frequencies of their own; needs the extra `frequency`), `position` (low "
        "cosines over the run, not delayed) or numeric labels of the words. For annotations a word is one annotation.",
        "what every transcript has; add `envelope` and `log_frequency` where the data set has them, else "
        "`zipf_frequency`",
        example=["word_rate", "word_length", "envelope", "log_frequency", "position"],
    )
    lexical: Lexical | None = key(
        Lexical(),
        "The band N2: a fixed random projection of word identity, reduced to principal components of the training "
        "rows. It joins N1 in a fit of its own, whose `gain` has `nuisance` N2; null: no such fit.",
        "alignment that word identity explains needs no model of language",
        mark=OURS,
    )
    static: Static | None = key(
        None,
        "A band of static word embeddings, which joins N1 in a fit of its own, whose `gain` has `nuisance` N1+static: "
        "the contextual gain; null: no such fit.",
        "costs about a fit",
        example={"components": 200},
        mark=OURS,
    )
    surprisal: bool = key(
        False,
        "Whether the checkpoint's own surprisal joins the nuisance features in fits of their own, beside N1 and, where "
        "there is `lexical`, N2: `gain` with `nuisance` N1+surprisal and N2+surprisal, and `unique_variance` of the "
        "layer, of surprisal and of word identity, each beside the others. Frequency among `nuisance` makes this what "
        "excludes statistics of tokens.",
        "each of the two costs about a fit",
        mark=OURS,
    )
    alphas: tuple[Exponent, Exponent, Penalties] = key(
        (-1, 5, 10),
        "Penalties on the language model's band, [low, high, number]: log10 of the ends (-1 is 0.1), the lower first, "
        "and how many. Kernels have mean training diagonal 1.",
        "from almost no shrinkage to almost nothing left; a job warns where many voxels choose an end",
        unit="log10",
        strict=False,
    )
    band_weights: Annotated[list[Share], Field(min_length=1)] = key(
        [0, 0.2, 0.5, 0.8, 1],
        "Kernel weight of the language model's band; the other bands share the rest, on a grid of the same shares.",
        "both ends, so that a voxel can do without either band",
    )
    split: Split = section(Split)
    gap_seconds: Gap = key(
        20,
        "Least gap beside a held-out block of a single run; the longest delay plus the response's autocorrelation may "
        "widen it.",
        "a haemodynamic response is over by then",
        unit="s",
    )
    significance: Literal["blocks", "shifts"] = key(
        "blocks",
        "How r > 0 is tested: permutation of contiguous blocks of the held-out response, or its circular shifts (at "
        "least 500 must exist).",
        "blocks exist in runs of any length",
    )
    permutations: Draws = key(
        1000,
        "Draws of the tests (of r > 0, and of differences between checkpoints). Where fewer distinct ones exist all "
        "are taken; each result says its smallest possible p.",
        "p down to 0.001",
    )
    generalise_to: Literal["new stimuli", "these stimuli"] = key(
        "new stimuli",
        "What errors, intervals and tests of alignment are about. These stimuli: held-out blocks are drawn, weights "
        "stay as they were trained. New stimuli: other stimuli would have trained other weights too, and each draw has "
        "a share of what the groups of training scans contribute (refits without each).",
        "at frozen weights draws give 0.7 of the spread of a difference under outer_cv, 0.9 under a fixed split",
        mark=OURS,
    )
    training_sizes: bool = key(
        True,
        "Whether every layer is also fitted to a quarter and to half of the training stimuli. A fall of alignment that "
        "shrinks the more stimuli train, and of which nothing may be left with ever more of them, is said to depend on "
        "the size of the training set: what is there may be as decodable as before, and only harder to learn from few "
        "scans. Needs four training stimuli; with fewer this is not assessed.",
        "a fall is a loss only where more data would not undo it",
        mark=OURS,
    )
    boot_draws: Draws = key(1000, "Draws of the block bootstrap.", "bounds of a 99 % interval rest on five draws each")
