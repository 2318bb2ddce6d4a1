"""Results of benchmarks are kept with what they were measured on, and every figure is described."""

import json
import re
import sys

import pytest
from project import ROOT
from structure import functions, in_circles, skipped_formats

sys.path.insert(0, str(ROOT / "benchmarks"))
from bench_house import leaves  # noqa: E402
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


def test_the_house_is_counted(tmp_path):
    circles = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert (in_circles(circles), in_circles({"a": {"b"}, "b": set()})) == (["b", "c"], [])
    path = tmp_path / "module.py"
    path.write_text(
        "class A:\n    def f(self, a, /, b, *, c=1): ...\n"
        "M = [\n    [1, -2.5],\n    [3,  4],\n]  # fmt: skip\nN = [1,  2]  # fmt: skip\n"
    )
    assert (list(functions(path)), skipped_formats(path)) == ([("f", 3)], [7])
    entry = {"type": "object", "properties": {"name": {"type": "string"}, "sizes": {"items": {"type": "integer"}}}}
    schema = {"properties": {"seed": {"type": "integer"}, "models": {"items": {"$ref": "#/$defs/M"}}, "free": {}}}
    assert leaves(schema, {"M": {"anyOf": [entry, {"type": "null"}]}}) == 4
