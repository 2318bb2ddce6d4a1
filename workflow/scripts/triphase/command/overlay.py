"""A study's YAML written from what a folder holds, with a comment on every choice."""

from pathlib import Path

from triphase.command.look import Brain, Checkpoints, Findings

DEPTHS = (0.25, 0.5, 0.75, 1.0)  # shares of the depth whose layers have encoding models
HEAD = """# yaml-language-server: $schema={schema}
# Written by `triphase init` from what lies in {folder}.
# Lines with CHANGE need you; all else may stay. Every key and its default: docs/reference/config.md.
#   triphase check {file}    is all there, and can this study decide anything?
#   triphase run {file}
study: {study}
local_data: {folder}
"""


def overlay(findings: Findings, study: str, file: Path, schema: str) -> str:
    """The file's text.

    Parameters
    ----------
    findings : what the folder holds
    study : the study's name
    file : where the text will lie
    schema : path of the schema for editors, from there
    """
    text = HEAD.format(schema=schema, folder=findings.folder, file=file, study=study)
    text += _dataset(findings) + _models(findings.models)
    roi = "language" if findings.brain and findings.brain.space == "mni" else "all"
    return f"{text}\nphases:\n  headline:\n    roi: {roi}  # declared before the run; the verdict is on these\n"


def _dataset(findings: Findings) -> str:
    brain, transcript = findings.brain, findings.transcript
    if brain is None:
        return "\ndataset:\n  name: ds003020  # CHANGE: a data set of resources/registry/datasets.yaml\n"
    lines = ["", "dataset:", "  name: local", f"  source: {brain.source}  # {_seen(brain)}"]
    if transcript:
        lines.append(f"  transcript: {transcript.name}")
    if len(brain.runs) > 1:
        lines.append(f"  # Runs: {', '.join(brain.runs)}. Held out, so that nothing is chosen on them:")
        lines.append(f"  test_runs: [{brain.runs[-1]}]")
    if brain.space == "mni":
        lines.append("  atlas: dosenbach160  # regions; or null, with `roi: all` below")
    tr = f"{brain.tr:g}" if brain.tr else "2.0  # CHANGE: seconds from one scan to the next"
    lines += ["  overrides:", f"    tr: {tr}", "    language: en  # CHANGE: what was heard"]
    if transcript and transcript.columns and not {"word", "onset", "offset"} <= set(transcript.columns):
        lines.append(f"    # CHANGE: the columns of your tables, which have {', '.join(transcript.columns)}:")
        lines.append("    transcripts:")
        lines.append('      - {name: words, root: local_data, format: table, path: "stimuli/{stimulus}_words.tsv",')
        lines.append("         columns: {word: word, onset: onset, offset: offset}}")
    if brain.source == "bids" or brain.source == "surface":
        lines += [
            "",
            "responses:",
            "  # fMRIPrep's table has hundreds of columns.",
            '  confounds: ["trans_?", "rot_?", csf]',
        ]
    if len(brain.runs) == 1:
        lines += ["", "encoding:", "  split: {kind: outer_cv}  # a single run: every scan is held out once"]
    return "\n".join(lines) + "\n"


def _seen(brain: Brain) -> str:
    people, runs = len(brain.subjects), len(brain.runs)
    return f"{people} subject{'s' * (people != 1)}, {runs} run{'s' * (runs != 1)}"


def _models(models: list[Checkpoints]) -> str:
    if not models:
        return (
            "\nmodels:\n  # CHANGE: a family of resources/registry/models.yaml; a verdict needs some 13 checkpoints.\n"
            "  - {name: pythia-160m, family: pythia, size: 160m, checkpoints: {log_spaced: 14}}\n"
        )
    text = "\nmodels:\n"
    for series in models:
        name = Path(series.path).parent.name
        text += f"  - name: {name}\n    local_folder: {series.path}  # {len(series.steps)} checkpoints\n"
        depth = series.depth or 4
        layers = sorted({max(1, round(share * depth)) for share in DEPTHS})
        change = "" if series.depth else "  # CHANGE: the depth is not known"
        text += f"    layers: [{', '.join(map(str, layers))}]{change}\n"
        text += "    tokens_per_step: 1000000  # CHANGE: sequences of a step times their length\n    checkpoints: all\n"
    return text
