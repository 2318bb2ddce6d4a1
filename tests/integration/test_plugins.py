"""A user's own files, named in `plugins`: a reader, a transcript format and an initialisation scheme."""

import numpy as np
import pytest
import yaml
from plugin_files import loaded
from project import ROOT, Project

from triphase.checkpoints.integrity.initialisation import Start
from triphase.config.datasets import load_registry
from triphase.config.families import load_families
from triphase.core.artefacts import read_arrays, read_table
from triphase.core.errors import InputError

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())

# The README's own: a header with the time step, then a row per volume; a file beside it names the channels.
README = (ROOT / "resources/registry/README.md").read_text(encoding="utf-8")
READER = README.partition("```python\n")[2].partition("```")[0]
# Subtitles: a line per word, as onset --> offset | word.
TRANSCRIPT = """
import re

from triphase.config.transcripts import TRANSCRIPTS


@TRANSCRIPTS.register(name="subtitles", suffixes=(".sub",), accepts={"speaker": "Text"})
def read_subtitles(path, words):
    import pandas as pd

    with open(path) as file:
        lines = [re.split(r" --> | [|] ", line.strip()) for line in file]
    rows = [(word, float(onset), float(offset), words.get("speaker")) for onset, offset, word in lines]
    return pd.DataFrame(rows, columns=["word", "onset", "offset", "speaker"]), None
"""
SCHEME = """
from triphase.config.initialisations import INITIALISATIONS


@INITIALISATIONS.register(name="by-width")
def by_width(tensor, config):
    return config["hidden_size"] ** -0.5 if tensor.endswith("dense.weight") else None
"""
REGISTRY = """
datasets:
  - name: spikes
    title: Spikes
    url: null
    version: null
    license: null
    citation: null
    language: en
    tr: 0.5
    subjects: [{name: a}]
    runs: [{name: one}, {name: two, test: true}]
    transcripts: [{name: subs, root: local_data, format: subtitles, path: "{stimulus}.sub", speaker: Ann}]
    sources:
      - name: counts
        root: local_data
        reader: counts
        space: none
        path: "{subject}_{run}.cnt"
        channels: "{subject}.channels"
        unit: ms
        dropped_volumes: 0
        regions: [{name: V1, sensory: true}]
"""
STUDY = {
    "study": "spikes",
    "plugins": ["own_reader.py", "own_format.py"],
    "local_data": "mine",
    "dataset": {"name": "spikes", "registry": "own.yaml"},
    "encoding": {"nuisance": ["word_rate", "position"]},
    "models": TINY["models"],
    "activations": TINY["activations"],
    "states": {"mechanism": None},
    "phases": {"headline": {"roi": "all"}},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("plugins"))
    mine = project.folder / "mine"
    mine.mkdir()
    rng = np.random.default_rng(0)
    (mine / "a.channels").write_text("V1 V2\n")
    for run in ("one", "two"):
        counts = rng.poisson(9, size=(80, 2))
        (mine / f"a_{run}.cnt").write_text("500\n" + "\n".join(f"{a} {b}" for a, b in counts) + "\n")
        (mine / f"{run}.sub").write_text(f"1.0 --> 1.5 | a\n2.0 --> 2.5 | {run}\n")
    for name, text in (("own_reader.py", READER), ("own_format.py", TRANSCRIPT), ("own.yaml", REGISTRY)):
        (project.folder / name).write_text(text)
    for name, study in (("spikes", STUDY), ("faulty", STUDY | {"plugins": ["own.yaml"]})):
        (project.folder / f"config/studies/{name}.yaml").write_text(yaml.safe_dump(study))
    return project


def test_a_format_from_outside_is_read_by_the_workflow(project):
    target = "results/spikes/responses/a.zarr.zip"
    done = project.snakemake(target, "--printshellcmds", study="spikes")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "mem_mb=3000" in done.stdout
    words = read_table(project.folder / "results/spikes/stimuli/words.parquet")
    assert words["word"].tolist() == ["a", "one", "a", "two"] and set(words["speaker"]) == {"Ann"}
    data = read_arrays(project.folder / target)
    assert data["roi"].values.tolist() == ["V1", "V2"] and data.attrs["runs"][0]["tr_found"] == 0.5
    rows = np.loadtxt(project.folder / "mine/a_one.cnt", skiprows=1)
    assert np.corrcoef(data["responses"].values[:80, 0], rows[:, 0])[0, 1] > 0.9
    # A comment in the reader reruns nothing, and a change of its code what reads with it.
    for changed, jobs in (("\n# Noted.\n" + READER, {}), (READER.replace("0.001", "1e-3 * 1"), {"clean_responses": 1})):
        (project.folder / "own_reader.py").write_text(changed)
        assert project.planned("--nocolor", target, study="spikes") == jobs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (READER.replace("@READERS.register(", "dict("), "own_reader.py: adds nothing to a registry"),
        (READER.replace('"counts"', '"nifti"'), "own_reader.py, line 5: the reader 'nifti' .*readers/nifti.py, line"),
        (
            "from triphase.config.readers import READERS\nREADERS.add(name='x')\n",
            "line 2: the reader 'x' lacks its fun",
        ),
        (READER.replace("Literal['ms', 's']", "Unit"), "a key that 'counts' declares is none: name 'Unit' is not def"),
    ],
    ids=["no row", "name of another", "no function", "unknown type"],
)
def test_a_faulty_plugin_is_named(project, tmp_path, text, message):
    (tmp_path / "own_reader.py").write_text(text)
    with pytest.raises(InputError, match=message):
        with loaded(tmp_path / "own_reader.py", project.folder / "own_format.py"):
            load_registry(project.folder / "own.yaml")


def test_a_faulty_plugin_ends_the_run_before_any_job(project):
    done = project.snakemake("--quiet", study="faulty")
    assert done.returncode == 1 and "rule " not in done.stdout
    assert "config: plugins: " in done.stdout and "own.yaml, line 2: SyntaxError" in done.stdout


def test_a_scheme_from_outside_tells_what_step_0_holds(tmp_path):
    families = yaml.safe_load((ROOT / "resources/registry/models.yaml").read_text())
    families["families"][0]["initialisation"]["weights"] = "by-width"
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(families))
    with pytest.raises(InputError, match="pythia/initialisation/weights: there is no initialisation scheme 'by-width'"):
        load_families(tmp_path / "models.yaml")
    (tmp_path / "scheme.py").write_text(SCHEME)
    with loaded(tmp_path / "scheme.py"):
        load_families(tmp_path / "models.yaml")
        start = Start({"weights": "by-width"}, {"hidden_size": 64}, ["a.dense.weight", "embed"], [(9, 64), (9, 64)])
    assert start.kind.tolist() == ["drawn", ""] and start.std[0] == 0.125
