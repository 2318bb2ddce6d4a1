"""Paths that do not tell apart what a study lists as different are refused before any job."""

import pytest
import xarray as xr
import yaml
from project import ROOT

from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.schema import Study
from triphase.config.schema.overlay import defaults, json_schema
from triphase.core.errors import InputError
from triphase.responses import targets
from triphase.sources.manifest import check_different

NOTHING = defaults(json_schema(Study))["dataset"]
SOURCE = {"name": "s", "root": "local_data", "reader": "npy", "space": "none", "dropped_volumes": 0}
ENTRY = {
    "name": "mine", "title": "x", "url": None, "version": None, "license": None, "citation": None, "language": "en",
    "tr": 2.0, "subjects": [{"name": "s1"}, {"name": "s2"}], "runs": [{"name": "a"}, {"name": "b", "test": True}],
    "transcripts": [{"name": "w", "root": "local_data", "format": "table", "path": "{stimulus}.tsv",
                     "columns": {"word": "word", "onset": "onset", "offset": "offset"}}],
}  # fmt: skip
SAME_ID = [{"name": "s1", "id": "1"}, {"name": "s2", "id": "1"}]
SOUND = {"root": "local_data", "path": "a.wav"}
TWICE = [{"name": "a", "stimulus": "x"}, {"name": "b", "stimulus": "x"}]


def resolve(tmp_path, source, choice=None, **changes):
    entry = {**ENTRY, "sources": [{**SOURCE, **source}], **changes}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"datasets": [entry]}))
    selection = NOTHING | {"name": "mine"} | (choice or {})
    return resolve_dataset(selection, load_registry(tmp_path / "r.yaml"), study="x")


@pytest.mark.parametrize(
    ("source", "changes", "expected"),
    [
        ({"path": "{subject}.npy"}, {}, "'{subject}.npy' gives the runs 'a' and 'b' of 's1' the same responses"),
        ({"path": "{run}.npy"}, {}, "gives the subjects 's1' and 's2' the same file; it must hold {subject}"),
        ({"path": "{subject}_{run}.npy", "confounds": "{subject}.tsv"}, {}, "confounds: .*'s1' the same confounds"),
        ({"path": "{subject}_{run}.npy", "confounds": "{run}.tsv"}, {}, "confounds: .*the subjects 's1' and 's2'"),
        ({"path": "{subject}_{stimulus}.npy"}, {"runs": TWICE}, "'a' and 'b' of 's1' the same responses"),
        ({"path": "{id}_{run}.npy"}, {"subjects": SAME_ID}, "'s1' and 's2'"),
        ({"path": "{subject}.h5", "reader": "hdf5", "key": "data"}, {}, "must hold {run} .*the source's key must"),
        (
            {"path": "{subject}_{stimulus}.h5", "reader": "hdf5", "key": "data", "repeats_key": "each"},
            {"runs": [{**run, "repeat": 1} for run in TWICE]},
            r"or `repeat` .hearings",
        ),
        (
            {"path": "{subject}.npy"},
            {"runs": [{"name": "a", "first": 0, "last": 99}, {"name": "b", "first": 90}]},
            "'a' and 'b' of 's1'",
        ),
        ({"path": "{subject}_{run}.npy"}, {"audio": SOUND}, "audio/path: 'a.wav' is one file"),
    ],
)  # fmt: skip
def test_kind_template_that_tells_nothing_apart_is_refused(tmp_path, source, changes, expected):
    with pytest.raises(InputError, match=expected):
        resolve(tmp_path, source, **changes)


ROWS = [{"name": "a", "last": 89}, {"name": "b", "first": 90}]


@pytest.mark.parametrize(
    ("source", "changes", "choice"),
    [
        ({"path": "{subject}_{run}.npy", "confounds": "{subject}_{run}.tsv"}, {}, {}),
        ({"path": "{subject}.npy"}, {}, {"runs": ["a"]}),
        ({"path": "{run}.npy"}, {}, {"subjects": ["s2"]}),
        ({"path": "{subject}.h5", "reader": "hdf5", "key": "{run}"}, {}, {}),
        ({"path": "{subject}.npy"}, {"runs": ROWS}, {}),
        ({"path": "{subject}.npy", "confounds": "{subject}.tsv"}, {"runs": ROWS}, {}),
        (
            {"path": "{subject}_{stimulus}.h5", "reader": "hdf5", "key": "data", "repeats_key": "each"},
            {"runs": [{**run, "repeat": 1 + i} for i, run in enumerate(TWICE)]},
            {},
        ),
    ],
)
def test_templates_that_tell_all_apart_pass(tmp_path, source, changes, choice):
    assert resolve(tmp_path, source, choice, **changes)["runs"]


def test_kind_template_two_runs_that_are_one_file_by_content_are_refused():
    a, b = {"path": "a.npy", "key": "SHA256-1"}, {"path": "b.npy", "key": "SHA256-2"}
    check_different({"response": {"a": a, "b": b}, "mask": {"a": a, "b": a}})
    with pytest.raises(InputError, match="c.npy: this file of 'b' has the same content as a.npy of 'a'"):
        check_different({"response": {"a": a, "b": {**a, "path": "c.npy"}}})
    with pytest.raises(InputError, match="a.npy: this file of 'b' is the file of 'a'"):
        check_different({"response_L": {"a": a, "b": a}})


def test_kind_template_two_subjects_of_one_content_are_refused():
    def subject(name, *keys):
        return xr.Dataset(attrs={"subject": name, "keys": {"response": list(keys), "mask": ["m"]}})

    targets.check_different([subject("s1", "a", "b"), subject("s2", "c"), xr.Dataset(attrs={"subject": "s3"})])
    with pytest.raises(InputError, match="'s1' and 's2' have the same responses"):
        targets.check_different([subject("s1", "a", "b"), subject("s2", "c", "b")])


def test_the_entries_that_ship_tell_all_apart():
    registry = load_registry(ROOT / "resources/registry/datasets.yaml")
    for name, entry in registry["datasets"].items():
        for source in entry["sources"] if entry["subjects"] and entry["runs"] else ():
            served = source.get("subjects", [subject["name"] for subject in entry["subjects"]])
            selection = NOTHING | {"name": name, "source": source["name"], "subjects": served[:1]}
            assert resolve_dataset(selection, registry, study="x")["source"]["name"] == source["name"]
