"""What every benchmark shares: one line per figure, a JSON file with machine and versions, the exit status."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def figure(name, value, goal, ok, **details):
    """One measured figure; `ok` None means that it was skipped, with the reason as value."""
    return {"figure": name, "value": value, "goal": goal, "ok": None if ok is None else bool(ok), **details}


def report(stage, figures, libraries, **details):
    """Print the figures, write `results/<stage>.json`, and return the exit status: 1 when a figure falls short."""
    for row in figures:
        state = {True: "ok", False: "short", None: "skipped"}[row["ok"]]
        print(f"{row['figure']}: {row['value']} (goal {row['goal']}) {state}", flush=True)
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "versions": {name: version(name) for name in libraries},
        "figures": figures,
        **details,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stage}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row["ok"] is False for row in figures) else 0
