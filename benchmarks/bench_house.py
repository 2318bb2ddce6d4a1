"""How the house is built: order of imports, lines, keys of the config, arguments; equality with before; test times.

Prints one line per figure, writes `benchmarks/results/house.json`, and ends with status 1 when a figure falls short.
What the oracle found (`house_oracle.py`) and the times of the tests are kept from when they were measured; `python
benchmarks/bench_house.py times` measures the times, on a machine with nothing else to do. How long a dry run and the
start of a job take is measured by `make bench-scale`.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from reporting import figure, kept, report  # noqa: E402
from structure import (  # noqa: E402
    LIBRARY,
    LIBRARY_ROOT,
    MOST_ARGUMENTS,
    RULES,
    SCRIPTS,
    against_order,
    functions,
    imports,
    in_circles,
    lines,
    rules,
    skipped_formats,
)

LIBRARIES = ["snakemake", "torch", "transformers", "himalaya", "lm_eval"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def code_figures():
    """What is counted in the files of the library, the rules and the tests."""
    root = [path.name for path in LIBRARY if path.parent == LIBRARY_ROOT and path.name != "__init__.py"]
    long = [
        f"{path.relative_to(ROOT)}: {name} ({number})"
        for path in LIBRARY + SCRIPTS
        for name, number in functions(path)
        if number > MOST_ARGUMENTS
    ]
    upwards = [f"{path.relative_to(ROOT)}: {name}" for path in LIBRARY for name in against_order(path)]
    n_rules, n_lines = len(list(rules())), lines(RULES)
    return [
        none("code: modules in the library's root", root),
        none("code: functions with more than seven arguments", long),
        none("code: modules in circles of imports", in_circles(imports())),
        none("code: imports against the order", upwards),
        none("code: formatting skipped but for matrices of numbers, library", skipped(LIBRARY + SCRIPTS)),
        total("code: lines, library", lines(LIBRARY + SCRIPTS)),
        total("code: lines, tests", lines(TESTS)),
        total("code: lines, rules", n_lines, snakefile=lines([ROOT / "Snakefile"])),
        total("code: rules", n_rules),
        at_most("code: lines per rule", round(n_lines / n_rules, 1), 21),
    ]


def typing_figure():
    """Errors of mypy, as `make lint` runs it; skipped where it is not installed."""
    name = "code: errors of mypy"
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    if "No module named mypy" in done.stderr:
        return figure(name, "mypy is not installed", "0", None)
    if done.returncode > 1:
        sys.exit(done.stdout + done.stderr)
    return none(name, re.findall(r"^.*: error: .*$", done.stdout, flags=re.M))


def config_figure():
    """Keys of the config that hold a value, those of the entries of its lists too."""
    from triphase.config.schema import Study

    schema = Study.model_json_schema()
    return total("code: leaves of the config", leaves(schema, schema.get("$defs", {})))


def leaves(schema, sections):
    """Keys of a JSON schema that hold values, lists of values or mappings with free keys; 0 for what has no keys."""
    if "$ref" in schema:
        return leaves(sections[schema["$ref"].rsplit("/", 1)[-1]], sections)
    if "properties" in schema:
        return sum(max(1, leaves(part, sections)) for part in schema["properties"].values())
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, [])]
    parts += [schema["items"]] if "items" in schema else []
    return sum(leaves(part, sections) for part in parts)


def kept_figures(part, how):
    """Figures of a part as they were measured last; where there are none, a skipped one that says how to measure."""
    rows = [row for row in kept("house") if row["figure"].startswith(f"{part}: ") and row["ok"] is not None]
    return rows or [figure(f"{part}: figures of this part", f"not measured: `{how}`", "", None)]


def time_figures():
    """Seconds of `make test` and `make check` in units of a fixed piece of work on this machine."""
    unit = float(seen([sys.executable, "benchmarks/machine_unit.py"])[1])
    seen(["make", "lint"])  # so that mypy's cache is warm
    rows = []
    for target, goal in (("test", 27), ("check", 4.5)):
        seconds, _ = seen(["make", target])
        rows.append(
            at_most(
                f"times: make {target}, machine units",
                round(seconds / unit, 1),
                goal,
                seconds=round(seconds),
                unit=unit,
            )
        )
    return rows


def seen(command):
    """Seconds of a command and what it prints; ends the program where it fails."""
    begin = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout[-5000:])
    return time.monotonic() - begin, done.stdout


def none(name, found):
    """A figure that is to be 0, with what was found instead."""
    return figure(name, len(found), "0", not found, found=found)


def at_most(name, value, goal, **details):
    """A figure with an upper limit."""
    return figure(name, value, f"<= {goal}", value <= goal, **details)


def total(name, value, **details):
    """A figure that grows with what the project can do, and so has no limit."""
    return figure(name, value, "none", True, **details)


def skipped(paths):
    """Where formatting is skipped."""
    return [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in skipped_formats(path)]


def main(wanted):
    """Count, and measure the times where they are wanted; exit status 1 when a figure falls short."""
    if wanted not in ([], ["times"]):
        sys.exit(f"{' '.join(wanted)}: the only argument is `times`")
    return report(
        "house",
        [
            *code_figures(),
            typing_figure(),
            config_figure(),
            *kept_figures("oracle", "python benchmarks/house_oracle.py"),
            *(time_figures() if wanted else kept_figures("times", "python benchmarks/bench_house.py times")),
        ],
        LIBRARIES,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
