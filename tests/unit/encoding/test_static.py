"""Controls of content: what is planted in static embeddings, surprisal or word identity gives no contextual gain."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.config.jobs import FitEncoding
from triphase.core.errors import InputError
from triphase.encoding.analyses import Partition, alone, nuisance_sets
from triphase.encoding.bands import nuisance_band, word_scans
from triphase.encoding.design import Design, design_dataset
from triphase.encoding.features import Timeline, delay
from triphase.encoding.fitting import Engine, fit_layer
from triphase.encoding.folds import TRAIN, make_splits
from triphase.encoding.lexical import lexical_band
from triphase.encoding.preparing import Alone, shared_fits
from triphase.encoding.static import static_band, surprisal_columns, vectors_of_words

pytestmark = pytest.mark.usefixtures("one_thread")

SCANS, TYPES, WIDTH, DELAYS, VOXELS = 250, 60, 6, [1, 2], 12
RUNS = np.repeat(["r1", "r2", "r3", "r4"], SCANS)
TIMES = np.tile(np.arange(SCANS) * 2.0, 4)
TIMELINE = Timeline(RUNS, TIMES, 2.0, DELAYS)
OUTER, INNER = make_splits(RUNS, RUNS, ["r3", "r4"], {"kind": "fixed", "folds": 2, "inner": 2}, gap=4)
SETTINGS = FitEncoding(
    rois=[{"name": "A", "language": True}], alphas=[-3, 4, 8], band_weights=[0, 0.5, 1], scalings=["zscore"],
    components=3, significance="blocks", permutations=199, boot_draws=300, generalise_to="these stimuli", seed=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def spoken():
    """Words of four runs, and what could be known of each: static embedding, context, surprisal."""
    generator = np.random.default_rng(1)
    parts = []
    for run in dict.fromkeys(RUNS):
        onset = np.arange(0, 2 * SCANS, 0.8)
        names = [f"w{number}" for number in generator.integers(TYPES, size=len(onset))]
        parts.append(pd.DataFrame({"run": run, "stimulus": run, "index": range(len(onset)), "word": names,
                                   "onset": onset, "offset": onset + 0.5}))  # fmt: skip
    words = pd.concat(parts, ignore_index=True)
    words.attrs = {"language": "en", "unit": "word"}
    types = generator.standard_normal((TYPES, WIDTH))
    static = types[words["word"].str[1:].astype(int)].astype(np.float32)
    context, bits = generator.standard_normal((len(words), WIDTH)), generator.gamma(2, 3, len(words))
    return words, static, context.astype(np.float32), bits


def driven(words, values, seed=2, noise=1.0):
    """Responses (n_scans, VOXELS) that follow some values of the words, and as much noise."""
    generator = np.random.default_rng(seed)
    features = delay(*word_scans(values, words, words, TIMELINE), DELAYS)
    signal = features @ generator.standard_normal((features.shape[1], VOXELS))
    return (signal / signal.std(0) + noise * generator.standard_normal(signal.shape)).astype(np.float32)


def fitted(spoken, layer, responses, surprisal=True):
    """What `fit_layer` finds of a layer beside all nuisance sets."""
    words, static, _, bits = spoken
    nuisance = nuisance_band(words, TIMELINE, ["word_rate", "word_length", "position"])
    identity = lexical_band(words, TIMELINE, OUTER, {"dimensions": 200, "components": TYPES}, seed=0)
    bands = {"nuisance": nuisance, "lexical": identity}
    design = Design(
        runs=RUNS, times=TIMES, stimuli=RUNS, tr=2.0, delays=DELAYS, outer=OUTER, inner=INNER, bands=bands, gap=4,
        lag=2, block_length=20,
    )  # fmt: skip
    targets = pd.DataFrame({"subject": ["s"] * VOXELS, "roi": ["A"] * VOXELS})
    below = Alone(design, shared_fits(design, np.zeros((1, len(RUNS), 0))), targets, SETTINGS)
    below.add(responses)
    shared = xr.merge([design_dataset(design), below.dataset()]).assign(responses=(("time", "target"), responses))
    bands["static"] = static_band(static, words, words, TIMELINE, OUTER, WIDTH)[0]
    if surprisal:
        bands["statistics"] = np.column_stack([nuisance, surprisal_columns(bits, words, words, TIMELINE)])
    features, rows = word_scans(layer, words, words, TIMELINE)
    return fit_layer(features, rows, shared, replace(design, bands=bands), targets, SETTINGS, Engine(backend="numpy"))


def gain(found, nuisance):
    """Mean gain over a nuisance set, with its standard error."""
    place = found["nuisance"].values.tolist().index(nuisance)
    drawn = found["boot_gain"].sel(listener="s", region="A")[place]
    return float(found["gain"][place].mean()), float(drawn.std("draw", ddof=1))


def unique(found, part):
    """Mean unique variance of a part, with its standard error."""
    place = found["part"].values.tolist().index(part)
    drawn = found["boot_unique"].sel(listener="s", region="A")[place]
    return float(found["unique"][place].mean()), float(drawn.std("draw", ddof=1))


def mixed(*parts):
    """A layer in which parts are mixed into as many columns as they have."""
    values = np.column_stack(parts)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((values.shape[1],) * 2))[0]
    return (values @ turn).astype(np.float32)


def test_what_static_embeddings_drive_gives_no_contextual_gain(spoken):
    words, static, context, _ = spoken
    found = fitted(spoken, mixed(static, context), driven(words, static))
    plain, _ = gain(found, "N1")
    contextual, error = gain(found, "N1+static")
    assert plain > 0.3
    assert abs(contextual) < max(3 * error, 0.01)


def test_what_context_drives_is_contextual_gain_whole(spoken):
    words, static, context, _ = spoken
    found = fitted(spoken, mixed(static, context), driven(words, context))
    plain, _ = gain(found, "N1")
    contextual, error = gain(found, "N1+static")
    assert plain > 0.3
    assert abs(contextual - plain) < 3 * error


def test_half_static_and_half_context_gives_what_context_adds(spoken):
    """r of both is root of a half; r of the static half alone is a half: the rest is context's."""
    words, static, context, _ = spoken
    both = driven(words, static, noise=0) + driven(words, context, seed=4, noise=np.sqrt(2))
    found = fitted(spoken, mixed(static, context), both)
    contextual, error = gain(found, "N1+static")
    assert contextual == pytest.approx(np.sqrt(0.5) - 0.5, abs=3 * error + 0.02)


def test_unique_variance_is_that_of_the_part_that_drives(spoken):
    """Half of the variance is a part's, and only a layer that does not hold it leaves it to that part."""
    words, static, context, bits = spoken
    surprising = fitted(spoken, mixed(static, context), driven(words, bits[:, None]))
    assert unique(surprising, "surprisal")[0] == pytest.approx(0.5, abs=0.06)
    assert abs(unique(surprising, "model")[0]) < 0.02 and abs(unique(surprising, "identity")[0]) < 0.02
    held = fitted(spoken, mixed(static, context, (bits - bits.mean()) / bits.std()), driven(words, bits[:, None]))
    assert gain(held, "N1")[0] > 0.3
    # Shared, so that it is no part's own; what is left is that one column is learnt better alone than within a layer.
    assert all(abs(unique(held, part)[0]) < 0.04 for part in ("model", "surprisal", "identity"))
    assert abs(gain(held, "N2+surprisal")[0]) < 0.02
    contextual = fitted(spoken, mixed(static, context), driven(words, context))
    value, error = unique(contextual, "model")
    assert value == pytest.approx(0.5, abs=0.06) and error < 0.05
    assert abs(unique(contextual, "surprisal")[0]) < 0.02 and abs(unique(contextual, "identity")[0]) < 0.02
    assert contextual.attrs["unique_beside"] == "N2+surprisal"
    spelt = fitted(spoken, context, driven(words, static))
    # Less than the half that was planted: 120 weights are learnt from 500 scans.
    assert unique(spelt, "identity")[0] > 0.3 and abs(unique(spelt, "model")[0]) < 0.02


def test_without_surprisal_the_model_is_told_beside_identity(spoken):
    words, static, context, _ = spoken
    found = fitted(spoken, mixed(static, context), driven(words, context), surprisal=False)
    assert found["part"].values.tolist() == ["model", "identity"] and found.attrs["unique_beside"] == "N2"
    joint = {name: found["r_nuisance_alone"] + gain for name, gain in zip(found["nuisance"].values, found["gain"],
                                                                          strict=True) if name == "N1"}  # fmt: skip
    r = joint["N1"].values
    assert found["r"].values == pytest.approx(r, abs=1e-6)
    assert unique(found, "model")[0] == pytest.approx(0.5, abs=0.06)


def test_sets_and_partitions_follow_the_bands():
    assert list(nuisance_sets(["nuisance"])) == ["N1"] and Partition.of(["nuisance", "static"]) is None
    assert list(nuisance_sets(["nuisance", "static", "lexical"])) == ["N1", "N2", "N1+static"]
    assert [alone(parts) for parts in nuisance_sets(["nuisance", "static", "lexical", "statistics"]).values()] == [
        "nuisance_alone", "lexical_alone", "static_alone", "statistics_alone", "statistics_lexical_alone",
    ]  # fmt: skip
    assert Partition.of(["nuisance", "statistics"]) == Partition(
        "N1+surprisal", {"model": "statistics_alone", "surprisal": "N1"}
    )


def test_a_band_keeps_what_its_share_says(spoken):
    words, static, _, _ = spoken
    whole, all_of_it = static_band(static, words, words, TIMELINE, OUTER, WIDTH)
    part, share = static_band(static, words, words, TIMELINE, OUTER, 2)
    assert whole.shape[2] == WIDTH * len(DELAYS) and part.shape[2] == 2 * len(DELAYS)
    assert all_of_it == pytest.approx(1) and 2 / WIDTH < share < 0.9
    features, rows = word_scans(static, words, words, TIMELINE)
    training = features[rows[OUTER[0] == TRAIN]]
    values = np.linalg.svd(training - training.mean(0), compute_uv=False) ** 2
    assert share == pytest.approx(values[:2].sum() / values.sum(), rel=1e-5)


def test_surprisal_lies_on_scans_as_other_features_of_words(spoken):
    words, *_, bits = spoken
    labelled = nuisance_band(words.assign(bits=bits), TIMELINE, ["bits"])
    np.testing.assert_allclose(surprisal_columns(bits, words, words, TIMELINE), labelled, rtol=1e-5)
    gone = bits.copy()
    gone[5] = np.nan
    filled = np.where(np.isnan(gone), np.nanmean(gone), gone)
    ours, theirs = (surprisal_columns(values, words, words, TIMELINE) for values in (gone, filled))
    np.testing.assert_array_equal(ours, theirs)


HEARD = ["The", "cat", "sat,", "quietly", "the", "New York"]


def heard(texts=HEARD, unit="word"):
    words = pd.DataFrame({"word": texts})
    words.attrs = {"language": "en", "unit": unit}
    return words


@pytest.mark.parametrize("head", ["", "6 2\n"])
def test_vectors_are_read_from_the_text_formats(tmp_path, head):
    path = tmp_path / "vectors.txt"
    path.write_text(head + "The 9 9\nthe 1 0\ncat 0 1\nsat 2 -2e0\ndog 5 5\nNew York 3 4\n", encoding="utf-8")
    values, coverage = vectors_of_words(path, heard())
    mean = np.mean([[1, 0], [0, 1], [2, -2], [1, 0], [3, 4]], axis=0)
    np.testing.assert_allclose(values, [[1, 0], [0, 1], [2, -2], mean, [1, 0], [3, 4]], rtol=1e-6)
    assert coverage == pytest.approx(5 / 6)
    values, _ = vectors_of_words(path, heard(["The cat!", "A dog"], "annotation"))
    np.testing.assert_allclose(values, [[0.5, 0.5], [5, 5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 0\ncat 0 x\n", r"vectors.txt, line 2: 'cat 0 x' is not a word and 2 finite numbers"),
        (
            "dog 1 0\n",
            r"vector for 0% of the 6 words, and at least 50% are needed; .*'The' \(1\).*rows are of 'dog'.*\(en\)",
        ),
        ("the 1 0\n", r"vector for 33% of the 6 words"),
        ("the 0 0\ncat 0 0\nsat 0 0\n", r"the same vector for all words of the transcript"),
    ],
)
def test_a_file_that_says_too_little_of_the_words_is_refused(tmp_path, text, message):
    path = tmp_path / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"encoding/static/vectors: .*{message}"):
        vectors_of_words(path, heard())
