"""Results of benchmarks are kept with what they were measured on, and every figure is described."""

import json
import re
import sys

import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from reporting import TABLE, table  # noqa: E402

RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))
STAGES = [path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_figure_is_listed(path):
    names = re.findall(r"`([^`]+)`", (ROOT / "benchmarks/README.md").read_text())
    # {rival} and the like stand for one of several.
    listed = [re.sub(r"\\{\w+\\}", ".+", re.escape(name)) for name in names]
    result = json.loads(path.read_text())
    assert {"date", "machine", "versions", "figures"} <= set(result)
    for row in result["figures"]:
        name = row["figure"].split(": ", 1)[1]
        assert any(re.fullmatch(pattern, name) for pattern in listed), row["figure"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_benchmark_is_documented_and_has_results(stage):
    assert f"`make bench-{stage}`" in (ROOT / "benchmarks/README.md").read_text()
    assert (ROOT / f"benchmarks/results/{stage}.json").is_file()


def test_the_table_shows_the_kept_results():
    assert TABLE.read_text(encoding="utf-8") == table()
