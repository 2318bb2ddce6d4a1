"""Whether the rebuilt house gives the numbers of before: each study by the commit before it and by the working tree.

`python benchmarks/house_oracle.py [study …]` runs both on this machine, with the same cores, threads and batch sizes,
the working tree on an overlay that restates every value of the old config under its new key. Decoded values are
compared (see `house_compare`): |a - b| <= 1e-6 x max(|b|, scale), where the scale is the largest absolute value of the
same measure (array, column, or key of a JSON file, whatever its place in lists) in the same file; counts and texts are
the same. What differs is either an exception with its cause (`house_translation`), or is printed and makes the exit
status 1. The figures are kept in `results/house.json`. `--before FOLDER` and `--after FOLDER` name folders with results
of the studies, which are then not run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/helpers"))
from house_compare import TOLERANCE, compare_folders  # noqa: E402
from house_translation import TRANSLATION, new_config  # noqa: E402
from project import TEST_DATA, Project  # noqa: E402
from reporting import figure, kept, report  # noqa: E402

COMMIT = "3921e20"
STUDIES = ["tiny", "embedded", "alice"]
LIBRARIES = ["snakemake", "torch", "transformers", "himalaya", "lm_eval"]
# So many differences are printed of each study.
SHOWN = 40


def old_config(study):
    """The config of a study as the commit before merged it: its own over that of the embedded study."""
    config = yaml.safe_load(_git("show", f"{COMMIT}:config/config.yaml"))
    if study != "embedded":
        _merge(config, yaml.safe_load(_git("show", f"{COMMIT}:config/studies/{study}.yaml")))
    if study == "alice":
        # The data set's bundle, which needs no network.
        config["dataset"]["url"] = str(TEST_DATA.resolve() / "openneuro/ds002322.bundle")
    return config


def results_before(study, folder):
    """Results of a study by the commit before, run in a clone."""
    clone = folder.with_name("clone")
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    subprocess.run(["git", "-C", clone, "checkout", "--quiet", COMMIT], check=True)
    return _run(Project.copy_of(clone, folder), old_config(study))


def results_after(study, folder):
    """Results of a study by the working tree, run in a copy, with the old values."""
    return _run(Project(folder), new_config(old_config(study)))


def figures(study, found):
    """Print what was found of a study; its figures."""
    for difference in found.unexplained[:SHOWN]:
        print(f"{study}: {difference}")
    if len(found.unexplained) > SHOWN:
        print(f"{study}: … and {len(found.unexplained) - SHOWN} more")
    for cause, number in found.exceptions.items():
        print(f"{study}: {number} values differ: {cause}")
    for place in found.new[:SHOWN]:
        print(f"{study}: new: {place}")
    swapped = [place for place, before, after in found.verdicts if before != after]
    n_excepted, n_verdicts = sum(found.exceptions.values()), len(found.verdicts)
    equal, largest = found.identical / max(found.values, 1), f"{found.largest:.2g}"
    rows = [
        figure("values compared", found.values, f"none; {equal:.4%} equal bit for bit", found.values > 0),
        figure("differences without a cause", len(found.unexplained), "0", not found.unexplained),
        figure(
            "largest relative difference", largest, f"<= {TOLERANCE}", found.largest <= TOLERANCE, where=found.where
        ),
        figure("exceptions", n_excepted, "each with its cause", True, causes=found.exceptions),
        figure("verdicts that differ", len(swapped), f"0 of {n_verdicts}", n_verdicts and not swapped, where=swapped),
    ]
    return [row | {"figure": f"oracle: {study}, {row['figure']}"} for row in rows]


def main(arguments):
    """Run and compare the studies; exit status 1 when something differs that no exception explains."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("studies", nargs="*", default=STUDIES, help="all three where none is named")
    parser.add_argument("--before", type=Path, help="results folder of the commit before")
    parser.add_argument("--after", type=Path, help="results folder of the working tree")
    given = parser.parse_args(arguments)
    os.environ.pop("HF_HUB_CACHE", None)
    rows = []
    for study in given.studies:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            before = given.before or results_before(study, Path(folder) / "before")
            after = given.after or results_after(study, Path(folder) / "after")
            rows += figures(study, compare_folders(before / study, after / study, TRANSLATION))
            subprocess.run(["chmod", "-R", "u+w", folder], check=True)  # annexed files are write-protected
    names = {row["figure"] for row in rows}
    report("house", [*(row for row in kept("house") if row["figure"] not in names), *rows], LIBRARIES)
    return 1 if any(row["ok"] is False for row in rows) else 0


def _run(project, config):
    done = project.snakemake(overlay=config)
    if done.returncode:
        sys.exit(done.stdout[-5000:])
    return project.folder / "results"


def _git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _merge(config, over):
    """Merge as Snakemake does: mappings deeply, anything else is replaced."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _merge(config[key], value)
        else:
            config[key] = value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
