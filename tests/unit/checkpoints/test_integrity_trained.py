"""What the integrity gate rests on, against a trainer: rates, the optimiser's largest step, models trained here."""

import io
from types import SimpleNamespace

import check_integrity
import draw_figure
import fingerprint_checkpoint
import numpy as np
import pytest
import torch
from jobs import run

from triphase.checkpoints.find import find_checkpoint
from triphase.checkpoints.integrity.recipe import series_entry
from triphase.checkpoints.integrity.schedule import SLACK, reach_of, schedule_of_recipe, update_bound
from triphase.checkpoints.integrity.storage import read_fingerprint
from triphase.checkpoints.integrity.verdict import faulty
from triphase.core.artefacts import read_table, write_json
from triphase.demo.training import learning_rate, train

pytestmark = pytest.mark.model

RECIPE = {
    "seed": 3, "architecture": "gpt_neox", "layers": 2, "width": 32, "heads": 2, "context": 24, "batch": 4,
    "learning_rate": 0.004, "warmup": 8, "saves": [0, 1, 2, 4, 8, 16, 32, 48],
    "tokenizer": {"kind": "bpe", "vocabulary": 400},
    "corpus": {"words": 3000, "mixture": {"stories": 0.7, "facts": 0.3}},
}  # fmt: skip


@pytest.mark.parametrize("betas", [(0.9, 0.95), (0.9, 0.98), (0.9, 0.999), (0.8, 0.9)])
def test_no_gradients_make_adam_step_further_than_its_bound(betas):
    """Random, sparse, exploding and worst-case gradients through torch's own optimiser."""
    bound, rng, n = update_bound(betas), np.random.default_rng(0), 120
    growing = (betas[1] / betas[0]) ** np.arange(n)  # where the inequality of Cauchy and Schwarz is an equality
    sparse = np.where(rng.random(n) < 0.05, 1.0, 0.0)
    late = np.r_[np.zeros(n - 1), 1.0]
    random = rng.standard_cauchy((4, n))
    gradients = np.stack([growing, np.ones(n), sparse, late, *random]) + 0.0
    weights = torch.zeros(len(gradients), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=1.0, betas=betas, eps=1e-300)
    largest = np.zeros(len(gradients))
    for step in range(n):
        before = weights.detach().clone()
        weights.grad = torch.from_numpy(gradients[:, step].copy())
        optimiser.step()
        largest = np.maximum(largest, np.nan_to_num((weights - before).detach().abs().numpy()))
    assert largest.max() <= bound * (1 + 1e-9)
    if betas[1] < 0.99:  # the worst case of a slow second moment takes thousands of steps
        assert largest[0] > 0.95 * bound


def test_rates_are_those_of_the_trainer():
    schedule = schedule_of_recipe(RECIPE)
    steps = RECIPE["saves"][-1]
    used = [learning_rate(k, peak=0.004, warmup=8, steps=steps) for k in range(steps)]
    reach = reach_of(schedule, range(steps + 1)).reach
    own = update_bound((0.9, 0.98)) * np.concatenate([[0], np.cumsum(used)])
    assert (reach >= own).all() and reach[-1] < 1.2 * SLACK * own[-1]


@pytest.mark.parametrize("architecture", ["gpt_neox", "olmo2", "llama"])
def test_models_trained_here_come_out_clean(tmp_path, architecture):
    """From the files of the demo stage through both scripts, with the schedule that they were trained by."""
    recipe = {**RECIPE, "architecture": architecture}
    hub = tmp_path / "hub"
    train(recipe, "triphase/small", hub, None, {})
    checkpoints = [{"name": f"step{s}", "revision": f"step{s}", "step": s} for s in recipe["saves"]]
    marks = []
    for entry in checkpoints:
        write_json(tmp_path / "m.json", find_checkpoint("triphase/small", entry["revision"], cache_dir=hub))
        marks.append(str(tmp_path / f"{entry['name']}.fingerprint.zarr.zip"))
        run(fingerprint_checkpoint, {"checkpoint": str(tmp_path / "m.json"), "fingerprint": marks[-1]})
    assert read_fingerprint(marks[0])[1]["revision"] == "step0"
    paths = SimpleNamespace(
        fingerprints=marks, findings=str(tmp_path / "i.parquet"), distances=str(tmp_path / "d.parquet"),
        integrity=str(tmp_path / "i.parquet"), files=[str(tmp_path / "f.png")],
    )  # fmt: skip
    model = {"name": "small", "checkpoints": checkpoints, "train": recipe}
    series = [["small", entry["name"]] for entry in checkpoints]
    terminal = io.StringIO()
    run(check_integrity, paths, models=[series_entry(model)], series=series, terminal=terminal)
    lines = terminal.getvalue().splitlines()
    table = read_table(paths.findings)
    assert lines == ["integrity: small: 0 of 8 checkpoints marked"] and not faulty(table), lines
    ok = table[table["verdict"] == "ok"].groupby("rule")["checkpoint"].nunique()
    assert ok["initialisation"] == 1 and ok["optimiser's bound"] == 8 and ok["weights differ"] == ok["tokenizer"] == 8
    function = "triphase.report.figures.integrity:draw_integrity"
    run(draw_figure, paths, function=function, inputs=["integrity", "distances"], arguments={"model": "small"})
    assert (tmp_path / "f.png").is_file() and len(read_table(paths.distances)) == 7
