"""Results of benchmarks are kept with what they were measured on, and every figure is described."""

import json
import re
import sys

import pytest
from project import ROOT
from structure import functions, in_circles, skipped_formats

sys.path.insert(0, str(ROOT / "benchmarks"))
from bench_house import leaves  # noqa: E402
from reporting import TABLE, borne, table  # noqa: E402

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


def test_a_rate_is_short_where_its_bound_excludes_the_goal():
    # With 95 %, 17 or fewer of 20 come up in 7.5 % of cases, 16 or fewer in 1.6 %; with 5 %, 3 and 4 or more as often.
    assert [borne(count, 20, 0.95) for count in (16, 17, 20)] == [False, True, True]
    assert [borne(count, 20, 0.05, least=False) for count in (0, 3, 4)] == [True, True, False]
    assert not borne(0, 0, 0.5)


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
