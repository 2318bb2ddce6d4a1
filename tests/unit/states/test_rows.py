from types import SimpleNamespace

import compare_checkpoints
import measure_identity
import measure_states
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from jobs import run

from triphase.core.artefacts import read_table, write_arrays, write_table
from triphase.core.errors import InputError
from triphase.states.rows import dimension_rows, drawn_words, surprisal_row

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
    by_layer = table.set_index(["layer", "measure"])
    geometry = {"participation_ratio", "effective_rank", "spectral_entropy", "spectral_decay", "anisotropy"}
    geometry |= {
        "intrinsic_dimension",
        "intrinsic_dimension_gride",
        "gride_scale",
        *(f"gride/{2**k}" for k in range(5)),
    }
    probes = {"probe/pos", "selectivity/pos", "probe_types/pos", "probe_learning/pos/0.5"}
    assert set(table.loc[table["layer"].notna(), "measure"]) == geometry | probes | {"cka_layer/0"}
    assert table.loc[table["measure"] == "cka_layer/0", "layer"].tolist() == [1]
    assert by_layer.loc[(1, "cka_layer/0"), "n"] == 300
    assert table["layer"].dropna().unique().tolist() == [0, 1]
    assert table.loc[table["layer"].isna(), "measure"].tolist() == ["surprisal"]
    assert by_layer.loc[(0, "probe/pos"), "value"] > 0.95
    assert abs(by_layer.loc[(1, "probe/pos"), "value"] - 0.5) < 0.1
    assert by_layer.loc[(0, "probe/pos"), "n"] == 400
    assert by_layer.loc[(0, "intrinsic_dimension"), "n"] == 300
    assert table.attrs["revision"] == "late"
    assert table.attrs["concepts"]["pos"]["classes"] == ["N", "V"]


def test_states_are_reproducible(study):
    pd.testing.assert_frame_equal(measure(study), measure(study))


def test_a_concept_that_the_data_set_lacks_is_marked_with_its_reason(study):
    table = measure(study, [{"name": "topic"}, {"name": "pos"}])
    rows = table[table["measure"] == "probe/topic"]
    assert rows["value"].isna().all()
    assert rows["n"].tolist() == [0, 0]
    assert "no label 'topic'; there are: pos" in table.attrs["concepts"]["topic"]["reason"]
    assert table.loc[table["measure"] == "probe/pos", "value"].notna().all()


def test_identity_is_probed_without_any_model(study):
    paths = SimpleNamespace(words=study / "words.parquet", identity=study / "identity.parquet")
    run(measure_identity, paths, probes=PROBES, seed=0)
    table = read_table(paths.identity)
    assert table["measure"].tolist() == ["probe_identity/pos", "selectivity_identity/pos"]
    assert table["layer"].isna().all()
    assert table.loc[0, "value"] == pytest.approx(1, abs=0.01)
    assert table.attrs["concepts"]["pos"]["classes"] == ["N", "V"]


def test_surprisal_leaves_out_words_without_one():
    words = pd.DataFrame({"stimulus": ["s"] * 40, "sentence": np.arange(40)})
    bits = np.r_[np.nan, np.linspace(1, 9, 39)]
    layer, measure_name, value, error, n = surprisal_row(bits, words)
    assert (layer, measure_name, n) == (None, "surprisal", 39)
    assert value == pytest.approx(5)
    assert error == pytest.approx(bits[1:].std(ddof=1) / np.sqrt(39))


def test_dimension_does_not_change_with_scale_and_place():
    points = np.random.default_rng(0).normal(size=(200, 6))
    rows, moved = dimension_rows(0, points), dimension_rows(0, 5 * points + 1)
    for (_, measure, *values), (_, _, *others) in zip(rows, moved, strict=True):
        assert values == pytest.approx(others, nan_ok=True), measure
    curve = {int(name.split("/")[1]): value for _, name, value, *_ in rows if "/" in name}
    reported = {name: value for _, name, value, *_ in rows}
    assert reported["intrinsic_dimension_gride"] == curve[reported["gride_scale"]]


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
    assert table["measure"].tolist() == ["cka_first", "cka_previous"] * 2
    values = table.set_index(["layer", "measure"])["value"]
    assert values[1, "cka_first"] == values[1, "cka_previous"] == pytest.approx(1)
    assert values[0, "cka_first"] < 0.9
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
