from types import SimpleNamespace

import compare_checkpoints
import measure_identity
import measure_states
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from jobs import run
from plugin_files import loaded

from triphase.core.artefacts import open_arrays, read_table, write_arrays, write_table
from triphase.core.errors import InputError
from triphase.core.measures import Value, measure_table
from triphase.states.layer import Layer
from triphase.states.measures import STATE_MEASURES, layer_rows
from triphase.states.rows import drawn_words, surprisal_row

PROBES = {"concepts": [{"name": "pos"}], "classifier": "ridge", "learning_curve": [0.5]}


@pytest.fixture
def study(tmp_path):
    """Words of two stimuli, one heard twice, and activations of two checkpoints of which layer 1 is the same."""
    rng = np.random.default_rng(0)
    runs = {"run-1": ("b", 150), "run-2": ("a", 250), "run-3": ("b", 150)}
    frames = [
        pd.DataFrame({"stimulus": stimulus, "run": run, "index": np.arange(n), "onset": 0.0, "offset": 0.0,
                      "char_start": 0, "char_end": 0, "sentence": np.arange(n) // 10})
        for run, (stimulus, n) in runs.items()
    ]  # fmt: skip
    words = pd.concat(frames, ignore_index=True)
    types = np.concatenate([rng.integers(0, 60, 400), np.zeros(150, dtype=int)])
    types[400:] = types[:150]
    words = words.assign(word=[f"w{number}" for number in types], pos=np.where(types % 2, "N", "V"))
    write_table(tmp_path / "words.parquet", words, texts={}, hashes={"a": "1", "b": "2"})
    shared = rng.normal(size=(400, 12)).astype(np.float32)
    for name in ("early", "late"):
        own = rng.normal(size=(400, 12)).astype(np.float32)
        own[:, 0] += 9 * (types[:400] % 2)
        dataset = xr.Dataset(
            {"activations": (("layer", "word", "feature"), np.stack([own, shared])),
             "surprisal": ("word", np.r_[np.nan, rng.gamma(2, 3, 399)].astype(np.float32))},
            coords={"layer": [0, 1], "stimulus": ("word", ["b"] * 150 + ["a"] * 250)},
            attrs={"revision": name, "stimulus_hashes": {"a": "1", "b": "2"}, "versions": {"torch": "0"}},
        )  # fmt: skip
        write_arrays(tmp_path / f"{name}.zarr.zip", dataset, chunks={"activations": (1, 400, 12)})
    return tmp_path


def measure(study, concepts=PROBES["concepts"]):
    paths = SimpleNamespace(
        words=study / "words.parquet", activations=study / "late.zarr.zip", states=study / "out.parquet"
    )
    probes = PROBES | {"concepts": concepts}
    run(measure_states, paths, probes=probes, words=300, seed=0)
    return read_table(paths.states)


def test_states_of_every_layer_with_provenance(study):
    table = measure(study)
    by_layer = table[table["setting"].isna()].set_index(["layer", "measure"])
    assert set(table.loc[table["layer"].notna(), "measure"]) == set(STATE_MEASURES)
    whole = table[table["layer"] == 1].set_index("measure")
    assert whole.loc["gride", "setting"].tolist() == [1, 2, 4, 8, 16]
    assert whole.loc["probe_learning", ["target", "setting"]].tolist() == ["pos", 0.5]
    assert set(whole.loc[["probe", "selectivity", "probe_types"], "target"]) == {"pos"}
    assert table.loc[table["measure"] == "cka_layer", ["layer", "target", "n"]].to_numpy().tolist() == [[1, "0", 300]]
    assert table["layer"].dropna().unique().tolist() == [0, 1]
    assert table.loc[table["layer"].isna(), "measure"].tolist() == ["surprisal"]
    assert by_layer.loc[(0, "probe"), "value"] > 0.95
    assert abs(by_layer.loc[(1, "probe"), "value"] - 0.5) < 0.1
    assert by_layer.loc[(0, "probe"), "n"] == 400
    assert by_layer.loc[(0, "intrinsic_dimension"), "n"] == 300
    assert table.attrs["revision"] == "late"
    assert table.attrs["concepts"]["pos"]["classes"] == ["N", "V"]


def test_a_users_measure_is_taken_of_every_layer(study, tmp_path):
    described = 'name="top", label="top", unit="value", range=(None, None), about="Largest value."'
    function = "def top(states, layer):\n    return states[layer.drawn].max(), 0.1, 7\n"
    head = "from triphase.core.measures import MEASURES\n\n\n"
    (tmp_path / "own.py").write_text(f"{head}@MEASURES.register({described})\n{function}")
    with loaded(tmp_path / "own.py"):
        own = measure(study).set_index("measure").loc["top"]
    with open_arrays(study / "late.zarr.zip") as late:
        states = late["activations"].to_numpy()[:, drawn_words(400, 300, seed=0)]
    assert own["layer"].tolist() == [0, 1] and own["n"].tolist() == [7, 7]
    np.testing.assert_allclose(own["value"].to_numpy(float), states.max(axis=(1, 2)), rtol=1e-6)


def test_states_are_reproducible(study):
    pd.testing.assert_frame_equal(measure(study), measure(study))


def test_a_concept_that_the_data_set_lacks_is_marked_with_its_reason(study):
    table = measure(study, [{"name": "topic"}, {"name": "pos"}])
    probes = table[table["measure"] == "probe"]
    rows = probes[probes["target"] == "topic"]
    assert rows["value"].isna().all()
    assert rows["n"].tolist() == [0, 0]
    assert "no label 'topic'; there are: pos" in table.attrs["concepts"]["topic"]["reason"]
    assert probes.loc[probes["target"] == "pos", "value"].notna().all()


def test_identity_is_probed_without_any_model(study):
    paths = SimpleNamespace(words=study / "words.parquet", identity=study / "identity.parquet")
    run(measure_identity, paths, probes=PROBES, seed=0)
    table = read_table(paths.identity)
    assert table["measure"].tolist() == ["probe_identity", "selectivity_identity"]
    assert table["target"].tolist() == ["pos", "pos"]
    assert table["layer"].isna().all()
    assert table.loc[0, "value"] == pytest.approx(1, abs=0.01)
    assert table.attrs["concepts"]["pos"]["classes"] == ["N", "V"]


def test_surprisal_leaves_out_words_without_one():
    words = pd.DataFrame({"stimulus": ["s"] * 40, "sentence": np.arange(40)})
    bits = np.r_[np.nan, np.linspace(1, 9, 39)]
    layer, measure_name, found = surprisal_row(bits, words)
    assert (layer, measure_name, found.n) == (None, "surprisal", 39)
    assert found.value == pytest.approx(5)
    assert found.se == pytest.approx(bits[1:].std(ddof=1) / np.sqrt(39))


def layer_of(states, number=0):
    everything = np.arange(len(states))
    return Layer(number, states, None, everything, {}, None, "ridge")


def test_dimension_does_not_change_with_scale_and_place():
    points = np.random.default_rng(0).normal(size=(200, 6))
    names = ("intrinsic_dimension", "intrinsic_dimension_gride", "gride_scale", "gride")
    measures = {name: STATE_MEASURES[name] for name in names}
    table, moved = (measure_table(layer_rows(layer_of(states), measures)) for states in (points, 5 * points + 1))
    pd.testing.assert_frame_equal(table, moved, rtol=1e-6)
    curve = table[table["measure"] == "gride"].set_index("setting")["value"]
    reported = table[table["setting"].isna()].set_index("measure")["value"]
    assert reported["intrinsic_dimension_gride"] == curve[reported["gride_scale"]]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(0.5, Value(0.5, n=40)), ((0.5, 0.1, 7), Value(0.5, 0.1, 7)), ([Value(1, target="x")], Value(1, target="x"))],
)
def test_a_measure_returns_a_number_with_its_error_or_several(returned, expected):
    rows = list(layer_rows(layer_of(np.zeros((40, 2)), 3), {"own": lambda states, layer: returned}))
    assert repr(rows) == repr([(3, "own", expected)])


@pytest.mark.parametrize("returned", ["0.5", None, (1, 2), [1.0], np.zeros(3)])
def test_a_measure_that_returns_something_else_is_named(returned):
    with pytest.raises(InputError, match="measure 'own' returned .*; return a number, "):
        list(layer_rows(layer_of(np.zeros((40, 2))), {"own": lambda states, layer: returned}))


def test_words_are_drawn_by_their_number_and_the_seed_alone():
    drawn = drawn_words(500, 200, seed=3)
    assert len(set(drawn)) == 200
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, drawn_words(500, 200, seed=3))
    assert drawn_words(50, 200, seed=3).tolist() == list(range(50))


def compare(study, reference, roles):
    paths = SimpleNamespace(
        activations=study / "late.zarr.zip", reference=study / reference, similarity=study / "pair.parquet"
    )
    run(compare_checkpoints, paths, roles=roles, words=300, seed=0)
    return read_table(paths.similarity)


def test_similarity_of_each_layer_for_each_role(study):
    table = compare(study, "early.zarr.zip", ["first", "previous"])
    assert table["reference"].tolist() == ["first", "previous"] * 2 and set(table["measure"]) == {"cka"}
    values = table.set_index(["layer", "reference"])["value"]
    assert values[1, "first"] == values[1, "previous"] == pytest.approx(1)
    assert values[0, "first"] < 0.9
    assert table["n"].unique().tolist() == [300]
    assert table.attrs["reference"]["revision"] == "early"


def test_checkpoints_run_on_other_stimuli_are_not_compared(study):
    other = xr.Dataset(
        {"activations": (("layer", "word", "feature"), np.zeros((2, 400, 12), np.float32))},
        coords={"layer": [0, 1]},
        attrs={"revision": "other", "stimulus_hashes": {"a": "1", "b": "3"}},
    )
    write_arrays(study / "other.zarr.zip", other)
    with pytest.raises(InputError, match="'late' and 'other' were run on different stimuli"):
        compare(study, "other.zarr.zip", ["first"])
