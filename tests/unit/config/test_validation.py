"""Mistakes in config files: all at once, each with its key, its value, what would be right, its file and line."""

import copy
import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT

from triphase.config.merging import as_values, merged
from triphase.config.moved import MOVED, moved
from triphase.config.places import Sources
from triphase.config.resolve import resolve_config
from triphase.config.schema import Study
from triphase.config.schema.overlay import json_schema, keys
from triphase.core.errors import InputError

EMBEDDED = yaml.safe_load((ROOT / "config/config.yaml").read_text())
STUDY = """study: mine
dataset:
  name: ds003020
models:
  - name: p
    family: pythia
    size: 160m
    checkpoints: {log_spaced: 12}
phases:
  headline: {roi: all}
"""


def said(folder, *texts, arguments=None):
    """Lines of the error about a study and overlays over it, without the folder."""
    files, config = [], {}
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(text, encoding="utf-8")
        config = merged(config, yaml.safe_load(text))
    config = merged(config, arguments or {})
    with pytest.raises(InputError) as caught:
        resolve_config({"local_data": None} | config, ROOT, Sources(files, arguments or {}))
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path):
    more = "seed: -1\nencoding:\n  delay: 2\n  gap_seconds: soon\nexecutoin: {}\n"
    first, *lines = said(tmp_path, STUDY + more)
    assert first == "4 mistakes" and [line.split(": ")[0] for line in lines] == [
        f"0.yaml, line {n}" for n in (11, 13, 14, 15)
    ]
    assert lines[0].endswith("seed: -1 must be an integer >= 0 and <= 4294967295 (what random generators take)")
    assert "encoding/delay: no such key (here 2); did you mean delays? there are alphas, " in lines[1]
    assert lines[2].endswith(
        'encoding/gap_seconds: "soon" must be a number >= 0 and <= 3600 (nothing would be left to train on)'
    )
    assert "executoin: no such key (here {}); did you mean execution?" in lines[3]


def test_rules_between_keys_are_told_together_too(tmp_path):
    more = "activations: {context: {min: 300}}\nencoding:\n  alphas: [5, 1, 10]\n  nuisance: [envelop]\n"
    found = said(tmp_path, STUDY.replace("roi: all", "roi: V1") + more)
    assert found[0] == "4 mistakes"
    places = [line.split(": ")[:2] for line in found[1:]]
    assert places == [
        ["0.yaml, line 10", "phases/headline/roi"], ["0.yaml, line 11", "activations/context/min"],
        ["0.yaml, line 13", "encoding/alphas"], ["0.yaml, line 14", "encoding/nuisance"],
    ]  # fmt: skip
    assert found[-1].endswith("did you mean 'envelope'?")


def test_a_value_is_looked_for_where_it_was_said_last(tmp_path):
    over = "seed: -2\nmodels:\n  - {name: p, family: pythia, size: 160m, checkpoints: {log_spaced: 1}}\n"
    assert said(tmp_path, STUDY + "seed: -1\n", over)[1:] == [
        "1.yaml, line 1: seed: -2 must be an integer >= 0 and <= 4294967295 (what random generators take)",
        "1.yaml, line 3: models/p/checkpoints/log_spaced: 1 must be an integer >= 2 and <= 10000 (no series has so "
        "many) or null",
    ]
    assert said(tmp_path, STUDY, over.splitlines()[0], arguments={"seed": -3}) == [
        "--config: seed: -3 must be an integer >= 0 and <= 4294967295 (what random generators take)"
    ]


def test_what_is_missing_is_looked_for_where_it_should_be(tmp_path):
    text = STUDY.replace("    checkpoints: {log_spaced: 12}\n", "").replace("{roi: all}", "{tasks: []}")
    assert said(tmp_path, text)[1:] == [
        "0.yaml, line 5: models/p/checkpoints: the key is missing; it must be all or a list of mappings (at least 1) "
        "or a mapping (log_spaced, tokens, steps)",
        "0.yaml, line 9: phases/headline/roi: the key is missing; it must be text",
    ]
    assert said(tmp_path, STUDY.replace("study: mine\n", ""))[0].startswith("0.yaml: study: the key is missing")
    assert [line.split(": ")[:3] for line in said(tmp_path, STUDY.replace("phases", "phasis"))[1:]] == [
        ["0.yaml, line 9", "phasis", 'no such key (here {"headline"'],
        ["0.yaml", "phases", "the key is missing; it must be a mapping"],
    ]


def test_a_key_at_the_wrong_place_is_sent_to_the_right_one(tmp_path):
    (line,) = said(tmp_path, STUDY + "delays: [2, 4]\n")
    assert line.startswith(
        "0.yaml, line 11: delays: no such key (here [2, 4]); did you mean encoding/delays? there are"
    )


def test_values_behind_an_anchor_have_the_line_of_the_anchor(tmp_path):
    tasks = """tasks:
  evaluations:
    - &one {name: a, task: t,
            metric: best}
    - {<<: *one, name: b}
"""
    assert [line.split(": ")[:2] for line in said(tmp_path, STUDY + tasks)[1:]] == [
        ["0.yaml, line 14", "tasks/evaluations/a/metric"], ["0.yaml, line 14", "tasks/evaluations/b/metric"],
    ]  # fmt: skip


def test_a_key_that_stands_twice_is_refused(tmp_path):
    text = STUDY + "encoding: {delays: [2]}\nseed: 1\nencoding: {components: 3}\n"
    assert said(tmp_path, text) == [
        "0.yaml, line 11: encoding: the key stands twice, in lines 11 and 13; keep one of them"
    ]
    (line,) = said(tmp_path, STUDY.replace("    size: 160m\n", "    size: 160m\n    size: 410m\n"))
    assert "models/p/size: the key stands twice, in lines 7 and 8" in line


def test_names_that_are_used_twice(tmp_path):
    (line,) = said(tmp_path, STUDY.replace("phases:", "  - {name: p, checkpoints: all}\nphases:"))
    assert line == "0.yaml, line 4: models: name 'p' is used more than once; names must differ"


OLD = """retrieve: {jobs: 4, keep_raw: false}
responses:
  detrend: true
  ceiling: {draws: 99}
states:
  cka: {n: 1000, references: [first]}
  mechanism: {unseen: {path: x.txt, root: local_data}}
tasks:
  evaluations: [{name: a, task: t, metric: acc, root: local_data, data: x}]
"""


def test_a_key_of_before_says_where_it_went(tmp_path):
    text = (
        STUDY.replace("{log_spaced: 12}", "{all: true}").replace("{roi: all}", "{roi: all, measure: alignment}") + OLD
    )
    assert said(tmp_path, text)[1:] == [
        "0.yaml, line 8: models/p/checkpoints/all: no key any more (here true): write `checkpoints: all`",
        '0.yaml, line 10: phases/headline/measure: no key any more (here "alignment"): '
        "the headline is always alignment",
        "0.yaml, line 11: retrieve/jobs: no key any more (here 4): it is execution/transfers",
        "0.yaml, line 11: retrieve/keep_raw: no key any more (here false): it is execution/keep_raw",
        "0.yaml, line 13: responses/detrend: no key any more (here true): it is always true",
        "0.yaml, line 14: responses/ceiling/draws: no key any more (here 99): it is always 1000",
        "0.yaml, line 16: states/cka/n: no key any more (here 1000): it is states/words",
        '0.yaml, line 16: states/cka/references: no key any more (here ["first"]): it is states/references',
        '0.yaml, line 17: states/mechanism/unseen/path: no key any more (here "x.txt"): give the path as '
        "states/mechanism/unseen",
        '0.yaml, line 17: states/mechanism/unseen/root: no key any more (here "local_data"): write the path as '
        '"{local_data}/…" in states/mechanism/unseen',
        '0.yaml, line 19: tasks/evaluations/a/root: no key any more (here "local_data"): write the path as '
        '"{local_data}/…" in data',
    ]


def test_no_old_key_is_a_key_and_those_that_moved_went_to_keys():
    there = {path for path, *_ in keys(json_schema(Study))}
    assert not there & set(MOVED)
    targets = [text.removeprefix("it is ").split(",")[0] for text in MOVED.values() if text.startswith("it is ")]
    targets = [target for target in targets if re.fullmatch(r"[a-z_/]+/[a-z_]+", target)]
    assert len(targets) > 10 and set(targets) <= there
    assert moved(("retrieve",), {"jobs": 4, "other": 1}) == [(("retrieve", "jobs"), 4, "it is execution/transfers")]


def test_what_the_command_line_gives_is_read_as_yaml_would_be():
    given = {
        "seed": 3,
        "study": "mine",
        "lock": "null",
        "execution": {"retries": "0", "disk_gb": "None", "device": "cpu"},
    }
    assert as_values(given) == {
        "seed": 3, "study": "mine", "lock": None, "execution": {"retries": 0, "disk_gb": None, "device": "cpu"},
    }  # fmt: skip
    assert as_values({"encoding": {"delays": ["2", "4.5"]}, "a": "[1", "b": '"1"'}) == {
        "encoding": {"delays": [2, 4.5]}, "a": "[1", "b": '"1"',
    }  # fmt: skip


@settings(max_examples=200)
@given(data=st.data())
def test_whatever_stands_in_a_config_ends_well_or_in_one_clear_error(tmp_path_factory, data):
    content = copy.deepcopy(EMBEDDED)
    at, last = content, None
    for _ in range(data.draw(st.integers(1, 6))):
        if not isinstance(at, dict | list) or not at:
            break
        last = at, data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        at = last[0][last[1]]
    last[0][last[1]] = data.draw(
        st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=8)
        | st.sampled_from(["all", "auto", "{local_data}/x", "0/0", "[key]"])
        | st.lists(st.integers() | st.text(max_size=3), max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["name", "relative", "steps"]), st.integers())
    )  # fmt: skip
    file = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        resolve_config(content, ROOT, Sources([file]))
    except InputError as error:
        assert all(line.strip() for line in str(error).splitlines())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 3:20\n", "seed: 3:20 is read as 200 (YAML takes colons for base 60); write 200, or put it in quotes"),
        ("seed: 010\n", "seed: 010 is read as 8 (YAML takes a leading 0 for base 8); write 8, or put it in quotes"),
        ("encoding: {gap_seconds: 1:30.5}\n", "encoding/gap_seconds: 1:30.5 is read as 90.5 (YAML takes colons for"),
        ("local_data: no\n", "(YAML reads no as true or false; put text in quotes)"),
        ("local_data: 2024-01-01\n", "(YAML reads 2024-01-01 as a date; put text in quotes)"),
        ("seed: 1\nseed: 2\n", "seed: the key stands twice, in lines 11 and 12; keep one of them"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_told(tmp_path, text, message):
    line = said(tmp_path, STUDY + text)[-1]
    assert message in line and line.startswith("0.yaml, line 11: ")


def test_numbers_in_quotes_and_usual_numbers_are_what_they_look_like(tmp_path):
    (tmp_path / "a.yaml").write_text("a: '3:20'\nb: 0\nc: 0.5\nd: 1_000\ne: 0x10\nf: 10:\n")
    (tmp_path / "b.yaml").write_text("a: [0, 00:x, 1:99, -0.0, 1e3, 09]\n")
    assert not Sources([tmp_path / "a.yaml", tmp_path / "b.yaml"]).surprises()


def bounded_keys():
    """Every number of the config with bounds: its path without lists, and the bounds."""
    for path, node, leaf in keys(json_schema(Study)):
        for form in node.get("anyOf", [node]):
            if leaf and "[]" not in path and form.get("type") in ("integer", "number") and "const" not in form:
                yield path, form


@pytest.mark.parametrize(("path", "form"), bounded_keys(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_number_has_an_upper_bound_and_what_is_beyond_is_told(tmp_path, path, form):
    most = form.get("maximum", form.get("exclusiveMaximum"))
    assert most is not None, f"{path}: any number goes"
    if path.startswith("models/"):
        return  # a model's keys stand in a list
    change = value = most * 10 if form["type"] == "number" else int(most) * 10 + 1
    for part in reversed(path.split("/")):
        change = {part: change}
    line = said(tmp_path, STUDY, yaml.safe_dump(change))[-1]
    assert f"{path}: {json.dumps(value)} must be" in line and ("<" in line or "at most" in line)
