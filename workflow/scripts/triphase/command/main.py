"""`triphase init|check|run|report|open|export`: init writes a study, export takes it out; others run Snakemake."""

import argparse
import os
import subprocess
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from triphase.core.errors import InputError

SCHEMA = "workflow/schemas/config.schema.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, in the project's folder; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="triphase", description="Studies of language models and brains over training."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("init", help="look at a folder and write a study for it")
    start.add_argument("folder", type=Path, help="brain data, transcripts, checkpoints")
    start.add_argument("--study", help="name of the study; the folder's where not given")
    start.add_argument("--file", type=Path, help="file to write; <study>.yaml where not given")
    for name, text in (
        ("check", "is the config right, are all files there, can the study decide anything? Computes nothing"),
        ("run", "run the study"),
        ("report", "gather the study's pages and figures in one file"),
        ("open", "open the study's first page"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("study", type=Path, nargs="?", help="the study's YAML; the embedded study where not given")
        if name in ("run", "check", "report"):
            command.add_argument("--cores", default=str(os.cpu_count()))
    out = commands.add_parser(
        "export", help="write a finished study as CSV, BIDS maps and RO-Crate, or push its tables"
    )
    out.add_argument("study", type=Path, nargs="?", help="the study's YAML; the embedded study where not given")
    out.add_argument("--to", type=Path, help="folder to make; <study>-export where not given")
    out.add_argument("--push", metavar="OWNER/NAME", help="push the tables to this data set of the Hugging Face hub")
    out.add_argument("--public", action="store_true", help="a data set that is made there is public")
    given, more = parser.parse_known_args(arguments)
    if more and given.command not in ("run", "check"):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    try:
        if not Path("Snakefile").is_file():
            raise InputError(f"{Path.cwd()}: no Snakefile here; run `triphase` in the project's folder")
        return {"init": _init, "open": _open, "export": _export}.get(given.command, _snakemake)(given, more)
    except InputError as error:
        print(f"triphase: {error}", file=sys.stderr)
        return 1


def _init(given, _):
    from triphase.command.look import look_at
    from triphase.command.overlay import overlay

    folder = given.folder.expanduser().resolve()
    study = given.study or folder.name
    file = given.file or Path(f"{study}.yaml")
    if file.exists():
        raise InputError(f"{file}: is there already; name another with --file, or another study with --study")
    findings = look_at(folder, Path("resources/registry/datasets.yaml"))
    file.write_text(overlay(findings, study, file, os.path.relpath(SCHEMA, file.resolve().parent)), encoding="utf-8")
    print(f"{file} is written. What the files do not say:")
    print("\n".join(f"- {text}" for text in findings.unknown))
    print(f"Change the lines marked CHANGE in it, then: triphase check {file}")
    return 0


def _snakemake(given, more):
    command = [sys.executable, "-m", "snakemake", "--cores", given.cores]
    command += ["--configfile", str(given.study)] if given.study else []
    command += {
        "check": ["-n", "--quiet", "rules"],
        "run": ["--logger", "triphase"],
        "report": ["--report", str(_results(given.study) / "report.zip")] if given.command == "report" else [],
    }[given.command]
    return subprocess.run([*command, *more]).returncode


def _open(given, _):
    page = _results(given.study) / "index.html"
    if not page.is_file():
        raise InputError(f"{page}: not there yet; `triphase run` makes it")
    print(page)
    webbrowser.open(page.resolve().as_uri())
    return 0


def _export(given, _):
    from triphase.api.study import open_study

    study = open_study(_results(given.study))
    if given.push:
        print(study.push(given.push, private=not given.public))
        return 0
    folder = given.to or Path(f"{study.folder.name}-export")
    print(f"{len(study.export(folder))} files in {folder}")
    return 0


def _results(file):
    """The results folder of a study, by the name in its file."""
    import yaml

    path = file or Path("config/config.yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Path("results") / content["study"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        raise InputError(f"{path}: no study could be read from it ({type(error).__name__}: {error})") from None
