"""`triphase.open` gives what the files of a finished study hold, and says what is not there."""

import json
import re
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from project import ROOT

import triphase
from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.errors import InputError

pytestmark = pytest.mark.model
MODEL = "neox"


@pytest.fixture(scope="module")
def results(tiny_as_run):
    return tiny_as_run / "results/tiny"


@pytest.fixture(scope="module")
def study(results):
    return triphase.open(results)


def test_verdicts_are_those_of_phases_json(study, results):
    phases = read_json(results / "phases.json")
    assert study.models == list(phases)
    assert study.verdicts.loc[MODEL, "verdict"] == phases[MODEL]["verdict"]
    assert study.verdicts.loc[MODEL, "reason"] == phases[MODEL]["reason"]


def test_trajectories_are_rows_of_the_table(study, results):
    table = read_table(results / "trajectories.parquet")
    rows = study.trajectories("surprisal", model=MODEL)
    assert len(rows) == ((table["measure"] == "surprisal") & table["main"]).sum() > 0
    assert len(study.trajectories(main=False)) == len(table)


def test_a_curve_of_alignment_is_the_mean_over_subjects(study):
    curve, rows = study.curve(MODEL), study.trajectories("alignment", model=MODEL)
    roi = study.phases[MODEL]["headline"]["roi"]
    means = rows[rows["roi"] == roi].groupby("checkpoint")["value"].mean()
    assert list(curve["checkpoint"]) == list(study.checkpoints(MODEL)["checkpoint"])
    np.testing.assert_allclose(curve["value"], means[curve["checkpoint"]], rtol=1e-6)
    assert (curve["se"] > 0).all()


def test_draws_belong_to_the_curve(study):
    curve, draws = study.curve(MODEL), study.draws(MODEL)
    assert draws.dims == ("checkpoint", "draw")
    np.testing.assert_allclose(draws.std("draw", ddof=1), curve["se"])


def test_a_curve_of_layers_asks_for_its_layer(study):
    with pytest.raises(InputError, match="say which `layer`"):
        study.curve(MODEL, "intrinsic_dimension")
    rows = study.trajectories("intrinsic_dimension", model=MODEL)
    layer = int(rows["layer"].max())
    values = rows[rows["layer"] == layer].sort_values("step")["value"]
    np.testing.assert_array_equal(study.curve(MODEL, "intrinsic_dimension", layer=layer)["value"], values)


def test_encoding_and_maps_are_the_arrays_of_the_files(study, results):
    checkpoint = study.checkpoints(MODEL)["checkpoint"].iloc[-1]
    path = next((results / "encoding" / MODEL / checkpoint).glob("*.zarr.zip"))
    layer = int(path.name.removesuffix(".zarr.zip"))
    scores = study.encoding(MODEL, checkpoint, layer)
    np.testing.assert_array_equal(scores["gain"], read_arrays(path)["gain"])
    images = study.maps(MODEL, checkpoint)
    maps = read_arrays(results / f"maps/{MODEL}.zarr.zip")["gain"].sel(checkpoint=checkpoint)
    assert set(images) == set(maps["subject"].values)
    for subject, image in images.items():
        # Every voxel lies where its coordinates say.
        volume = image["volume"]
        mine = maps.isel(target=maps["subject"].values == subject)
        places = nibabel.affines.apply_affine(
            np.linalg.inv(volume.affine), np.column_stack([mine[axis] for axis in "xyz"])
        )
        np.testing.assert_allclose(volume.get_fdata()[tuple(np.round(places).astype(int).T)], mine.values, rtol=1e-5)


def test_the_triple_is_drawn_where_one_wants_it(study):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert study.plot_triple(MODEL, ax=axes) is axes
    assert "gain" in axes.get_ylabel()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda study: study.curve("gpt"), "model 'gpt' is not in this study, which has neox"),
        (lambda study: study.curve(MODEL, "gan"), "measure 'gan' is not in this study"),
        (lambda study: study.curve(MODEL, roi="V1"), "roi 'V1' is not in this study"),
        (lambda study: study.trajectories("surprisal", subject="x"), "subject 'x' is not in this study"),
        (lambda study: study.encoding(MODEL, "step64", 99), r"99\.zarr\.zip: not there; there are 1"),
        (lambda study: study.maps(MODEL, "step9"), "checkpoint 'step9' is not in this study"),
    ],
)
def test_what_is_not_there_is_named(study, call, message):
    with pytest.raises(InputError, match=message):
        call(study)


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no trajectories\.parquet there"):
        triphase.open(tmp_path)


def test_the_import_brings_nothing_along():
    code = "import sys, triphase; print([name for name in ('numpy', 'pandas', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# What the pages call the embedded study's things, and what they are in `tiny`.
IN_TINY = {'"results/embedded"': "FOLDER", '"steady"': '"neox"', r'"step\d+"': '"step64"'}


def code_of(page):
    """The Python of a page or notebook that opens a study, one block after the other."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if page.endswith(".ipynb"):
        blocks = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    else:
        blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        blocks = [block for block in blocks if "triphase.open" in block]
    for name, here in IN_TINY.items():
        blocks = [re.sub(name, here, block) for block in blocks]
    return blocks


@pytest.mark.parametrize(
    "page", ["explore.ipynb", "reference/api.md", "how_to/take_out.md", "tutorial.md", "../README.md"]
)
def test_code_in_the_docs_runs(page, results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks, names = code_of(page), {"FOLDER": str(results)}
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert names["study"].verdicts.loc[MODEL, "verdict"] == "undetermined"
