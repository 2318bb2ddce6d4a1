"""The three OpenNeuro data sets, from bundles of their whole git and git-annex metadata: plans, and content offline.

What a plan must say is counted here from a plain git clone of the bundle: paths written out, sizes read from the annex
keys in `git cat-file`.
"""

import io
import json
import os
import random
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import fetch_responses
import fetch_stimuli
import plan_download
import pytest
from jobs import run as run_script
from project import ROOT

from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.schema import Study
from triphase.config.schema.overlay import defaults, json_schema
from triphase.core.errors import InputError

REGISTRY = load_registry(ROOT / "resources/registry/datasets.yaml")
SELECTION = defaults(json_schema(Study))["dataset"]
COMMITS = {
    "ds002322": "5642f45d9c1997f9fe825f698b6f20fa94e6df29",
    "ds003020": "f74eb2bc95b827d359de338f9086743824d2d906",
    "ds005531": "7c0afca353d6c7a89dec45e83583080d6a1cf62c",
}
# Where the annexed content lies is not reachable here, and no connection is tried.
OFFLINE = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "remote.s3-PUBLIC.annex-ignore",
    "GIT_CONFIG_VALUE_0": "true",
}


def alice_paths(subject, run):
    number = subject["id"]
    return {
        "response": f"derivatives/sub-{number}/sub-{number}_task-alice_bold_preprocessed.nii.gz",
        "events": f"sub-{number}/sub-{number}_task-alice_events.tsv",
    }


def lebel_paths(subject, run):
    story = re.sub(r"-\d+$", "", run["name"])
    return {
        "response": f"derivative/preprocessed_data/{subject['name']}/{story}.hf5",
        "mask": f"derivative/pycortex-db/{subject['name']}/transforms/{subject['name']}_auto/mask_thick.nii.gz",
    }


def movie_paths(subject, run):
    name = subject["name"]
    return {
        "response": f"derivatives/preprocessed_data/sub-{name}/sub-{name}_task-{run['name']}.mat",
        "mask": f"derivatives/preprocessed_data/sub-{name}/vset_100.mat",
        "reference": f"derivatives/pycortex_db/sub-{name}/transforms/fs_fullhead/reference.nii.gz",
    }


STUDIES = {
    "ds002322": ("voxels", alice_paths, lambda run: {"words": "code/annotations.tsv"}),
    "ds003020": (
        "voxels",
        lebel_paths,
        lambda run: {
            "words": f"derivative/TextGrids/{re.sub(r'-[0-9]+$', '', run['name'])}.TextGrid",
            "audio": f"stimuli/{re.sub(r'-[0-9]+$', '', run['name'])}.wav",
        },
    ),
    "ds005531": (
        "voxels",
        movie_paths,
        lambda run: {"words": f"derivatives/annotation/{run['name']}_story_each1sec.txt"},
    ),
}


@pytest.fixture(scope="module", params=list(STUDIES))
def dataset(request, real_data, tmp_path_factory):
    """Name, bundle, a folder to work in, and the (key, bytes) of every file of the pinned version by path."""
    name = request.param
    bundle, folder = real_data / f"openneuro/{name}.bundle", tmp_path_factory.mktemp(name)
    plain = folder / "plain"
    subprocess.run(["git", "clone", "-q", "--no-checkout", str(bundle), str(plain)], check=True)
    listing = subprocess.check_output(["git", "-C", str(plain), "ls-tree", "-r", "-l", COMMITS[name]], text=True)
    rows = [re.fullmatch(r"(\d+) blob (\w+) +(\d+)\t(.*)", line).groups() for line in listing.splitlines()]
    links = [blob for mode, blob, _, _ in rows if mode == "120000"]
    batch = subprocess.run(
        ["git", "-C", str(plain), "cat-file", "--batch"],
        input="\n".join(links),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    targets = {header.split()[0]: target for header, target in zip(batch[::2], batch[1::2], strict=True)}
    sizes = {}
    for _, blob, size, path in rows:
        key = targets[blob].rpartition("/")[2] if blob in targets else None
        sizes[path] = (
            key or blob,
            int(re.match(r"[A-Z0-9]+-s(\d+)--", key).group(1)) if key else int(size),
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for variable, value in OFFLINE.items():
            patch.setenv(variable, value)
        yield SimpleNamespace(name=name, bundle=str(bundle), folder=folder, sizes=sizes)


def study(dataset, **chosen):
    source, of_subject, of_run = STUDIES[dataset.name]
    own = {"overrides": {"url": dataset.bundle}}
    selection = SELECTION | {"name": dataset.name, "source": source, **own, **chosen}
    return resolve_dataset(selection, REGISTRY, study="test"), of_subject, of_run


def expected_rows(dataset, resolved, of_subject, of_run):
    """{(subject, role): set of path} as written out above."""
    rows = {}
    for run in resolved["runs"]:
        for role, path in of_run(run).items():
            rows.setdefault(("", role), set()).add(path)
        for subject in resolved["subjects"]:
            for role, path in of_subject(subject, run).items():
                rows.setdefault((subject["name"], role), set()).add(path)
    return rows


def make_plan(dataset, resolved, folder="."):
    terminal = io.StringIO()
    path = Path(folder) / "plan.json"
    config = {"dataset": resolved, "local_data": None}
    options = {"audio": resolved["audio"], "atlas": None, "asked": 0}
    run_script(plan_download, {"plan": str(path)}, config=config, terminal=terminal, **options)
    return json.loads(path.read_text()), terminal.getvalue()


def subsets(dataset):
    """Everything, one subject with one run, and random choices."""
    draw = random.Random(dataset.name)
    everything, *_ = study(dataset)
    names = [subject["name"] for subject in everything["subjects"]]
    yield {}
    yield {"subjects": names[-1:]}
    for _ in range(6):
        subjects = draw.sample(names, draw.randint(1, len(names)))
        common = [run["name"] for run in study(dataset, subjects=subjects)[0]["runs"]]
        yield {"subjects": subjects, "runs": draw.sample(common, draw.randint(1, len(common)))}


def test_a_plan_is_right_for_any_choice(dataset):
    for chosen in subsets(dataset):
        resolved, of_subject, of_run = study(dataset, **chosen)
        if dataset.name == "ds002322":
            resolved["audio"] = None
        plan, printed = make_plan(dataset, resolved)
        expected = expected_rows(dataset, resolved, of_subject, of_run)
        rows = {(row["subject"], row["role"]): row for row in plan["rows"]}
        assert rows.keys() == expected.keys()
        for name, paths in expected.items():
            assert rows[name]["files"] == len(paths)
            assert rows[name]["bytes"] == sum(dataset.sizes[path][1] for path in paths)
        once = set().union(*expected.values())
        contents = dict(dataset.sizes[path] for path in once)
        assert plan["total"]["files"] == len(once)
        assert plan["total"]["bytes"] == sum(contents.values())
        absent = {key: size for key, size in contents.items() if key.startswith(("MD5E-", "SHA256E-"))}
        assert plan["total"]["fetch_bytes"] == sum(absent.values())
        assert plan["disk_bytes"] > sum(absent.values())
        (place,) = plan["datasets"]
        assert place["commit"] == COMMITS[dataset.name] and place["commit"] in printed
        assert "to fetch" in printed and len(printed.splitlines()) == len(rows) + 4


def test_a_plan_counts_what_is_there(dataset):
    """Content put into the clone, of the size that the key says, counts as present and not as to be fetched."""
    resolved, of_subject, _ = study(dataset)
    resolved["subjects"], resolved["audio"] = resolved["subjects"][:1], None
    before, _ = make_plan(dataset, resolved)
    path = min(
        {of_subject(resolved["subjects"][0], run)["response"] for run in resolved["runs"]},
        key=lambda path: dataset.sizes[path][1],
    )
    link = Path(before["datasets"][0]["clone"]) / path
    target = link.parent / os.readlink(link)
    target.parent.mkdir(parents=True)
    with open(target, "wb") as file:
        file.truncate(dataset.sizes[path][1])
    after, _ = make_plan(dataset, resolved)
    target.unlink()
    assert after["total"]["present_bytes"] - before["total"]["present_bytes"] == dataset.sizes[path][1]
    assert after["total"]["fetch_files"] == before["total"]["fetch_files"] - 1
    assert after["total"]["bytes"] == before["total"]["bytes"]


def test_content_offline_ends_in_one_clear_error_per_file_set(dataset):
    resolved, of_subject, of_run = study(dataset)
    common = {"config": {"study": "test", "dataset": resolved}, "local_data": None}
    common |= {"execution": {"transfers": 2, "retries": 2, "keep_raw": True}}
    subject = resolved["subjects"][-1]
    sets = {
        subject["name"]: (fetch_responses, {"subject": subject, "wildcards": {"subject": subject["name"]}}),
        "stimuli": (fetch_stimuli, {"audio": resolved["audio"]}),
    }
    for name, (script, keywords) in sets.items():
        manifest = Path("sources") / f"{name}.json"
        with pytest.raises(InputError) as error:
            run_script(script, {"manifest": str(manifest)}, **common, **keywords)
        message = str(error.value)
        wanted = [
            path
            for run in resolved["runs"]
            for path in (of_subject(subject, run) if name != "stimuli" else of_run(run)).values()
        ]
        annexed = {path for path in wanted if dataset.sizes[path][0].startswith(("MD5E", "SHA256E"))}
        if name == "stimuli" and dataset.name == "ds002322":
            annexed = {resolved["audio"]["path"]}
        named = re.match(r"the content of (\S+)(?: and (\d+) other files?)? of data set", message)
        assert named and named[1] in annexed and int(named[2] or 0) == len(annexed) - 1
        for text in (dataset.name, resolved["version"], COMMITS[dataset.name][:12], "go online", "datalad get -d"):
            assert text in message
        assert "\n" not in message and "tries" not in message
        assert not manifest.exists() and not list(Path().glob("sources/.*"))
    assert not list(Path().glob(f"resources/datasets/{dataset.name}-*/.git/annex/objects/*/*/*/*"))


def test_both_through_snakemake(dataset, project):
    """The targets of a real run: the table on the terminal, the error there and in the exit status."""
    source, *_ = STUDIES[dataset.name]
    everything, *_ = study(dataset)
    subject = everything["subjects"][0]["name"]
    overlay = {
        "study": dataset.name,
        "dataset": {
            "name": dataset.name,
            "source": source,
            "subjects": [subject],
            "overrides": {"url": dataset.bundle},
        },
        "encoding": {"nuisance": ["word_rate"], "split": {"kind": "outer_cv", "folds": 2}},
        "states": {"probes": {"concepts": []}},
        "phases": {"headline": {"roi": "all"}},
    }
    done = project.snakemake("plan_download", overlay=overlay, env=OFFLINE)
    assert done.returncode == 0, done.stdout
    assert re.search(rf"^{dataset.name} +{subject} +response +\d+ +[\d.]+ [MG]B +0 B +[\d.]+ [MG]B$", done.stdout, re.M)
    assert json.loads((project.folder / f"results/{dataset.name}/sources/plan.json").read_text())["total"]["files"]
    manifest = f"results/{dataset.name}/sources/subjects/{subject}.json"
    done = project.snakemake(manifest, overlay=overlay, env=OFFLINE)
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("fetch_responses: error:")]
    for text in (dataset.name, COMMITS[dataset.name][:12], "cannot be had", "datalad get -d"):
        assert text in line
    assert not (project.folder / manifest).exists()
