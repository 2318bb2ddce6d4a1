"""Bad input: 2,000 seeded mistakes over every key of the config, registries and files of many kinds, and what is said.

Prints one line per figure, writes `benchmarks/results/hostile.json`, and ends with status 1 when a figure falls short.
A mistake is put into a shipped study (or its registry), which is then read as Snakemake reads it at every start,
without running it. An answer is judged on three patterns: it names the key or the file, the value, and what would be
right. Of what is accepted, the value must be one that its key has room for by its own schema. Files beside the config
(locks, tasks, models, transcripts, addresses, names of one's own files) are those of `hostile_files.py`. `python
benchmarks/bench_hostile.py 200` takes so many; a second number is another seed. A sample of 100 answers is kept, to be
read by eye.
"""

import copy
import json
import math
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

import yaml
from snakemake.common import configfile
from snakemake.exceptions import WorkflowError

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts")]
import hostile_files  # noqa: E402
import snakemake_logger_plugin_triphase  # noqa: E402, F401  its messages of config files are put in at its import
from reporting import figure, report  # noqa: E402

from triphase.config import resolve  # noqa: E402
from triphase.config.families import load_families  # noqa: E402
from triphase.config.merging import merged  # noqa: E402
from triphase.config.places import Sources  # noqa: E402
from triphase.config.schema import Study as Schema  # noqa: E402
from triphase.config.schema.overlay import json_schema, keys  # noqa: E402
from triphase.core.errors import InputError  # noqa: E402
from triphase.planning.study import Study  # noqa: E402
from triphase.report.figures.drawings import drawings  # noqa: E402
from triphase.tasks.plan import missing_data, unfetched  # noqa: E402

NUMBER, SEED, SAMPLE = 2000, 18, 100
STUDIES = ("config/studies/tiny.yaml", "config/config.yaml")
# Values that somebody might type, copy or generate; what a key allows of them is found by its schema.
ODD = [
    None, True, False, 0, 1, -1, 2, 3, 10, 1000, 0.5, 1.5, -0.5, 1e-320, 1e308, 10**9, 2**31, 2**32, 2**63, 10**30,
    math.nan, math.inf, -math.inf, "", " ", "1", "0.1", "auto", "none", "None", "null", "true", "yes", "nan", "-", ".",
    "..", "../x", "/", "/dev/null", "~", "a/b", "a b", "a\nb", "a\tb", "a\0b", "é", "雲", "\u2028", "\u202e", "a" * 300,
    "{x}", "{local_data}/gone", "{subject}", "%s", "$HOME", "`id`", "; rm -rf x", "<script>", "*", "[a]", "step1000",
    "neox", "embedded", "mean", "cpu", "http://x", "https://u:p@h/x", [], {}, [[]], [None], [1, 1], ["a", "a"],
    [0, 1, 2], ["a", 1], {"name": "x"}, [{"name": "x"}], [{"name": "x"}, {"name": "x"}], {"a": {"b": {"c": 1}}},
    {1: 2}, {None: 1}, {"": 1}, list(range(50)), "x" * 100_000,
]  # fmt: skip
BROKEN = [
    b"\xff\xfe", b"study: \xe9\n", b"\x00", b"", b"[]\n", b"42\n", b"just text\n", b"- a\n- b\n", b"study: [\n",
    b"study: {a: 1\n", b"study:\n\t- a\n", b"a: &x [*x]\n", b"a: *nothing\n", b"<<: 1\n",
    b"!!python/object/apply:os.system ['true']\n", b"study: !env HOME\n", b'{"study": "a", "study": "b"}',
    b"study: a\n---\nstudy: b\n", b"? [a, b]\n: 1\n", b"seed: 3:20\n", b"seed: 010\n", b"seed: 1_0\n", b"seed: 0b11\n",
    b"study: no\n", b"study: 2024-01-01\n", b"on: 1\n", b"seed: 1\nseed: 2\n",
    b"encoding: {alphas: [1, 2, 3]}\nencoding: {boot_draws: 299}\n", b"study: >\n  a\n  b\n",
]  # fmt: skip
# Of ten mistakes in the config six are values of its keys; and as many again are in files of other kinds.
KINDS = (
    "value", "value", "value", "value", "value", "value", "unknown", "removed", "entry", "registry", "families", "file",
    "lock", "task", "task", "model", "transcript", "transcript", "address", "names",
)  # fmt: skip


def mistake(number, chosen):
    """One bad config: kind, the key that it is about (or None), the value, and the overlay as bytes."""
    kind = KINDS[number % len(KINDS)]
    if kind in hostile_files.KINDS:
        return kind, None, None, None
    if kind == "file":
        return kind, None, None, BROKEN[number // len(KINDS) % len(BROKEN)]
    study = chosen.choice(STUDIES)
    config = yaml.safe_load((ROOT / study).read_text())
    if kind in ("registry", "families"):
        name = {"registry": "datasets", "families": "models"}[kind]
        content = yaml.safe_load((ROOT / f"resources/registry/{name}.yaml").read_text())
        path, value = spoil(content, chosen, chosen.choice(ODD))
        return kind, path, value, (study, dump(content))
    if kind == "value":
        path, _, _ = chosen.choice([row for row in keys(json_schema(Schema)) if row[2] and "[]" not in row[0]])
        value = copy.deepcopy(chosen.choice(ODD))
        change = value
        for part in reversed(path.split("/")):
            change = {part: change}
        return kind, path, value, (study, dump(change))
    if kind == "unknown":
        path, _, _ = chosen.choice([row for row in keys(json_schema(Schema)) if "[]" not in row[0]])
        *front, last = path.split("/")
        twisted = chosen.choice(
            [last[::-1], last + "s", last.upper(), last[:-1], f" {last}", last.replace("_", "-") + "x"]
        )
        change = 1
        for part in reversed([*front, twisted]):
            change = {part: change}
        return kind, "/".join([*front, twisted]), 1, (study, dump(change))
    path, value = spoil(config, chosen, None if kind == "removed" else chosen.choice(ODD), kind == "removed")
    return kind, path, value, (None, dump(config))


def spoil(content, chosen, value, remove=False):
    """Put a value (or nothing) in the place of any node of a config; its path and the value."""
    places = list(nodes(content, ()))
    path = chosen.choice(places)
    parent = content
    for part in path[:-1]:
        parent = parent[part]
    if remove:
        value = parent.pop(path[-1])
    else:
        parent[path[-1]] = copy.deepcopy(value)
    return "/".join(map(str, path)), value


def nodes(content, path):
    """Paths of all values."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from nodes(value, (*path, key))


def dump(content):
    """A config as the bytes of a file."""
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


def answer(kind, made, folder):
    """What a start of Snakemake says to it: (outcome, text), outcome one of accepted, told, traceback."""
    overlay, files = folder / "overlay.yaml", []
    if kind == "file":
        overlay.write_bytes(made)
        files = [ROOT / "config/studies/tiny.yaml", overlay]
    elif kind in ("registry", "families"):
        study, content = made
        (folder / "registry.yaml").write_bytes(content)
        if kind == "families":
            return families_answer(folder)
        overlay.write_bytes(dump({"dataset": {"registry": str(folder / "registry.yaml")}}))
        files = [ROOT / study, overlay]
    else:
        study, content = made
        overlay.write_bytes(content)
        files = [*([ROOT / study] if study else []), overlay]
    try:
        config = {}
        for file in files:
            config = merged(config, configfile.load_configfile(str(file)))
        study = Study.load(config, str(ROOT), Sources(files))
        drawings(study.config)
        assert len(study.turns) >= len(study.last) and study.pairs is not None
        told = [*missing_data(study.task_jobs), unfetched(study.task_jobs, study.config["tasks"]["include_path"])]
        told += [study.named_lock_missing]
        return ("told", "\n".join(filter(None, told))) if any(told) else ("accepted", "")
    except (InputError, WorkflowError) as error:
        return "told", str(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"


def file_answer(kind, chosen, folder):
    """The same of a file beside the config: (path in it, value, outcome, text)."""
    try:
        path, value, *text = hostile_files.KINDS[kind](chosen, folder, ODD, spoil)
        return path, value, "told" if text else "accepted", "".join(text)
    except InputError as error:
        return None, None, "told", str(error)
    except AssertionError as error:
        return None, None, "silent", str(error)
    except Exception as error:
        return None, None, "traceback", f"{type(error).__name__}: {error}"


def families_answer(folder):
    """The same of a registry of model families."""

    try:
        load_families(folder / "registry.yaml")
        return "accepted", ""
    except InputError as error:
        return "told", str(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"


def judged(kind, path, value, text):
    """Which of the three patterns an answer shows: the key or file, the value, the remedy."""
    parts = [part for part in (path or "").split("/") if part and not part.isdigit()]
    where = any(part in text for part in parts[-2:]) or re.search(
        r"\.\w*(yaml|json|tsv|TextGrid|npy|safetensors)", text
    )
    where = where or (kind in hostile_files.KINDS and re.match(r"\w+/\w+|\w+:", text))
    shown = {
        json.dumps(value, ensure_ascii=False, default=str)[:60].strip('"'),
        repr(value)[:60].strip("'"),
        str(value)[:40],
    }
    what = (
        not isinstance(value, str | int | float | bool)
        or any(form and form in text for form in shown)
        or kind == "removed"
    )
    what = what or value == "" or "here" in text
    what = what or "***" in text  # what is secret is not said again
    right = re.search(
        r"must|there (?:are|is)|did you mean|put |give|choose|take |keep|leave|set |write |quotes|needs|has to|at most"
        r"|at least|delete|double|get the|name |save |indent |remove|make |mend|bracket",
        text,
    )
    return {
        "key or file": bool(where),
        "value": bool(what) or kind in ("file", "registry", "families", *hostile_files.KINDS),
        "remedy": bool(right),
    }


def allowed(path, value):
    """Whether a value is one that a key's own schema has room for, so that to accept it is right."""
    from pydantic import TypeAdapter, ValidationError

    node, section = None, Schema
    try:
        for part in path.split("/"):
            field = next(f for n, f in section.model_fields.items() if part in (n, f.alias))
            node = field
            inner = [a for a in getattr(field.annotation, "__args__", [field.annotation]) if hasattr(a, "model_fields")]
            section = inner[0] if inner else section
        from typing import Annotated

        kind = Annotated[(node.annotation, *node.metadata)] if node.metadata else node.annotation
        TypeAdapter(kind).validate_python(value)
        return True
    except (ValidationError, StopIteration, TypeError):
        return False


def read_registries_once():
    """The registries that ship are read once: they are most of the time, and the same in all but their own mistakes."""
    own = str(ROOT / "resources/registry")
    for name in ("load_registry", "load_families"):
        inner, shipped = getattr(resolve, name), cache(getattr(resolve, name))
        setattr(
            resolve,
            name,
            lambda path, inner=inner, shipped=shipped: (shipped if str(path).startswith(own) else inner)(path),
        )


def main(wanted):
    """Try all, judge, and report; exit status 1 when a figure falls short."""
    number, seed = (*map(int, wanted), *(NUMBER, SEED)[len(wanted) :])
    chosen, rows, begin = random.Random(seed), [], time.monotonic()
    os.chdir(ROOT)
    read_registries_once()
    with tempfile.TemporaryDirectory() as name:
        for place in range(number):
            kind, path, value, made = mistake(place, chosen)
            if kind in hostile_files.KINDS:
                path, value, outcome, text = file_answer(kind, chosen, Path(name))
            else:
                outcome, text = answer(kind, made, Path(name))
            row = {
                "number": place,
                "kind": kind,
                "path": path,
                "value": repr(value)[:80],
                "outcome": outcome,
                # What is kept says nothing of this machine's folders.
                "text": text.replace(f"{name}/", "").replace(f"{ROOT}/", "").replace(str(ROOT), "."),
            }
            if outcome == "told":
                row["patterns"] = judged(kind, path, value, text)
            if outcome == "accepted" and kind == "value":
                row["allowed"] = allowed(path, value)
            rows.append(row)
    told = [row for row in rows if row["outcome"] == "told"]
    well = [row for row in told if all(row["patterns"].values())]
    crashed = [row for row in rows if row["outcome"] == "traceback"]
    silent = [row for row in rows if row.get("allowed") is False or row["outcome"] == "silent"]
    share = round(100 * len(well) / max(len(told), 1), 1)
    ill = [row for row in told if row not in well]
    figures = [
        figure(
            "bad input: mistakes that end in a traceback", len(crashed), "0", not crashed, of=number, found=crashed[:50]
        ),
        figure(
            "bad input: accepted beyond a key's bounds, or in silence",
            len(silent),
            "0",
            not silent,
            found=silent[:50],
        ),
        figure(
            "bad input: answers with key or file, value and remedy, %",
            share,
            ">= 95",
            share >= 95,
            of=len(told),
            not_so=ill[:50],
        ),
        figure(
            "bad input: accepted, since they are right or make no difference",
            len(rows) - len(told) - len(crashed) - len(silent),
            "none",
            True,
        ),
    ]
    sample = random.Random(seed).sample(told, min(SAMPLE, len(told)))
    return report(
        "hostile", figures, ["snakemake", "pydantic", "PyYAML"], seed=seed, seconds=round(time.monotonic() - begin),
        kinds=Counter(row["kind"] for row in rows), sample=[f"{row['path']}: {row['text'][:300]}" for row in sample],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
