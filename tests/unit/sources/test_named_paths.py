"""Inputs that vanish: every path that the config names is there, or its key is told."""

import copy

import pytest
import yaml
from project import ROOT

from triphase.config.places import Sources
from triphase.core.errors import InputError
from triphase.core.folders import placed
from triphase.planning.study import Study
from triphase.sources.named_paths import REMOTE

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())


def changed(path, value):
    config = copy.deepcopy(TINY)
    node = config
    for part in path[:-1]:
        node = node[part] if isinstance(node, list) else node.setdefault(part, {})
        if node is None:
            raise AssertionError(path)
    node[path[-1]] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("local_data",), "gone", "local_data: there is no folder 'gone' in .*; put it there, or name your folder"),
        (("models", 0, "cache_dir"), "gone/hub", "models/neox/cache_dir: there is no folder 'gone/hub'"),
        (("tasks", "include_path"), ["resources/tasks", "gone"], "tasks/include_path: there is no folder 'gone'"),
        (("states", "mechanism"), {"length": 9, "unseen": "gone.txt"}, "mechanism/unseen: there is no file 'gone.txt'"),
        (("states", "reading"), {"folder": "gone"}, "states/reading: there is no file 'gone/all_stories.tok' in"),
        (("encoding", "static"), {"vectors": "gone.vec"}, "encoding/static/vectors: there is no file 'gone.vec'"),
        (
            ("encoding", "static"),
            {"vectors": "LICENSE"},
            "encoding/static/vectors: .*LICENSE, line 1: .* is not a word",
        ),
        (("plugins",), ["gone.py"], "plugins: there is no file 'gone.py'"),
        (("dataset", "registry"), "gone.yaml", "dataset/registry: .*gone.yaml cannot be read"),
        (
            ("models", 0, "train", "corpus"),
            {"path": "gone.txt", "from": "A"},
            "local_data: .*gone.txt",
        ),
        (("tasks", "evaluations", 0, "data"), "gone.jsonl", None),
    ],
)
def test_a_path_that_leads_nowhere_is_told_with_its_key(tmp_path, monkeypatch, path, value, message):
    """Task data are told by `missing_data`, which the rules ask."""
    monkeypatch.setenv("TRIPHASE_TEST_DATA", str(tmp_path))
    config = changed(path, value)
    if message is None:
        from triphase.tasks.plan import missing_data

        assert "needs gone.jsonl, which is not there" in missing_data(Study.load(config, ROOT, Sources()).task_jobs)[0]
        return
    with pytest.raises(InputError, match=message):
        Study.load(config, str(ROOT), Sources())


def test_reading_times_without_a_column_are_told_before_any_job(tmp_path):
    (tmp_path / "all_stories.tok").write_text('\ufeff"word"\tzone\titem\n')
    config = changed(("states", "reading"), {"folder": str(tmp_path)})
    for text, message in (("WorkerId,item,zone,RT\n", "no column WorkerId, .*parted by tabs"), ("", "no column Worker"),
                          ("version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS")):  # fmt: skip
        (tmp_path / "processed_RTs.tsv").write_text(text)
        with pytest.raises(InputError, match=f"processed_RTs.tsv: .*{message}"):
            Study.load(config, str(ROOT), Sources())
    (tmp_path / "processed_RTs.tsv").write_text("RT\tzone\titem\tWorkerId\n")
    Study.load(config, str(ROOT), Sources())


def test_a_folder_that_a_data_set_is_cloned_from_is_there(tmp_path):
    config = yaml.safe_load((ROOT / "config/studies/alice.yaml").read_text())
    config["local_data"] = str(tmp_path)
    config["dataset"].setdefault("overrides", {})["url"] = "/gone/ds"
    with pytest.raises(InputError, match="dataset/overrides/url: there is no repository '/gone/ds'"):
        Study.load(config, str(ROOT), Sources())


@pytest.mark.parametrize(
    "url", ["https://a.org/b", "ria+file:///x", "git@host:a/b", "host:a/b", "ssh://h/x", "///openneuro"]
)
def test_an_address_is_no_folder(url):
    assert REMOTE.match(url)


@pytest.mark.parametrize("url", ["/data/x", "../x", "x/y", "results/tiny/demo/dataset"])
def test_a_folder_is_no_address(url):
    assert not REMOTE.match(url)


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_that_the_config_names_is_there_or_told(tmp_path, there):
    path = tmp_path / "lock.json"
    if there:
        path.write_text('{"study": "tiny", "models": {}}')
    told = Study.load(TINY | {"lock": str(path)}, str(ROOT), Sources()).named_lock_missing
    assert told == "" if there else "lock: there is no file" in told and "snakemake lock_checkpoints" in told
    assert Study.load(TINY, str(ROOT), Sources()).named_lock_missing == ""


def test_a_relative_path_counts_from_the_working_directory_then_from_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert placed("resources/tasks") == ROOT / "resources/tasks" and str(placed("gone")) == "gone"
    (tmp_path / "resources/tasks").mkdir(parents=True)
    assert str(placed("resources/tasks")) == "resources/tasks"


def test_a_config_that_holds_itself_is_told():
    with pytest.raises(InputError, match="a value holds itself"):
        Study.load(yaml.safe_load("a: &x [*x]"), str(ROOT), Sources())
