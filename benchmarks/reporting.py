"""What every benchmark shares: a line per figure, a JSON file with machine and versions, a table of all, the status."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from scipy.stats import binom

RESULTS = Path(__file__).resolve().parent / "results"
TABLE = RESULTS.with_suffix(".md")
STATES = {True: "ok", False: "short", None: "skipped"}


def figure(name, value, goal, ok, **details):
    """One measured figure; `ok` None means that it was skipped, with the reason as value."""
    return {"figure": name, "value": value, "goal": goal, "ok": None if ok is None else bool(ok), **details}


def borne(count, n, goal, least=True):
    """Whether `count` of `n` bear a rate of at least (else at most) `goal`: its one-sided 95 % binomial bound does not
    exclude it.
    """
    return bool(n) and (binom.cdf(count, n, goal) if least else binom.sf(count - 1, n, goal)) > 0.05


def report(stage, figures, libraries, **details):
    """Print the figures, write `results/<stage>.json`, and return the exit status: 1 when a figure falls short."""
    for row in figures:
        print(f"{row['figure']}: {row['value']} (goal {row['goal']}) {STATES[row['ok']]}", flush=True)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    # Figures that are kept from an earlier run have its date.
    for row in figures:
        row.setdefault("date", date)
    content = {
        "date": date,
        **surroundings(libraries),
        "figures": figures,
        **details,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stage}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    TABLE.write_text(table(), encoding="utf-8")
    return 1 if any(row["ok"] is False for row in figures) else 0


def kept(stage):
    """Figures of a stage as they were measured last, each with its date; none where it was never measured."""
    path = RESULTS / f"{stage}.json"
    return json.loads(path.read_text(encoding="utf-8"))["figures"] if path.is_file() else []


def measured(stage, parts, wanted, libraries):
    """Figures of the parts that are wanted, all where none is named; those of the others as they were measured last, if
    they were.

    Ends the program where a part is not known, or where the others were measured on another machine or with other
    versions. A part's figures begin with its name and a colon.
    """
    if unknown := set(wanted) - set(parts):
        sys.exit(f"{', '.join(unknown)}: not a part; these are {', '.join(parts)}")
    wanted, last = wanted or list(parts), {"figures": []}
    if (left := [name for name in parts if name not in wanted]) and kept(stage):
        last = json.loads((RESULTS / f"{stage}.json").read_text(encoding="utf-8"))
        if any(last[key] != value for key, value in surroundings(libraries).items()):
            sys.exit(f"{', '.join(left)}: measured on another machine or with other versions; measure all parts")
    rows = []
    for name, figures in parts.items():
        rows += figures() if name in wanted else [r for r in last["figures"] if r["figure"].startswith(f"{name}: ")]
    return rows


def surroundings(libraries):
    """What figures depend on: the machine, and versions of the libraries that are named."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "versions": {name: version(name) for name in libraries},
    }


def table():
    """The kept results of all benchmarks, as the text of `results.md`."""
    lines = ["# Results", "", "What the benchmarks printed when they were run last; written anew by each of them.", ""]
    for path in sorted(RESULTS.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        versions = ", ".join(f"{name} {number}" for name, number in kept["versions"].items())
        lines += [f"## `make bench-{path.stem}`", "", f"{kept['date'][:10]}, {kept['machine']}; {versions}.", ""]
        lines += ["| figure | value | goal | |", "|---|---|---|---|"]
        for row in kept["figures"]:
            cells = (row["figure"], row["value"], row["goal"], STATES[row["ok"]])
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)
