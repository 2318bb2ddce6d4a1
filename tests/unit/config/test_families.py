import math

import pytest
import yaml
from project import ROOT

from triphase.config.families import load_families, local_checkpoints, resolve_models
from triphase.config.selection import distances, expand_steps, revision_name, same_step, select, shared_lines
from triphase.core.errors import InputError

REGISTRY = ROOT / "resources/registry/models.yaml"


@pytest.fixture(scope="module")
def families():
    return load_families(REGISTRY)


def resolve(families, trusted=(), **model):
    (resolved,) = resolve_models([{"name": "m", "layers": [1], **model}], families, trusted=trusted)
    return resolved


# Parameters counted from the shapes, as the papers' architectures have them.
def gpt_neox(size):
    width, depth, words = size["width"], size["layers"], size["vocabulary"]
    return 2 * words * width + depth * (12 * width**2 + 13 * width) + 2 * width


def llama(size, inner, key_values=None, tied=False, norms=2, final=1):
    width, depth = size["width"], size["layers"]
    shared = (key_values or size["heads"]) * (width // size["heads"])
    block = 2 * width**2 + 2 * width * shared + 3 * width * inner + norms * width
    return (1 if tied else 2) * size["vocabulary"] * width + depth * block + final * width


COUNTS = {
    "olmo2-7b": lambda size: llama(size, 11008, norms=4),
    "olmo2-1b": lambda size: llama(size, 8192, norms=4),
    "olmo2-1b-early": lambda size: llama(size, 8192, norms=4),
    "olmo-0724-7b": lambda size: llama(size, 11008, norms=0, final=0),
    "amber": lambda size: llama(size, 11008),
    "llm-jp-3": lambda size: llama(size, 11008),
    "smollm2": lambda size: llama(
        size, {576: 1536, 960: 2560, 2048: 8192}[size["width"]], {9: 3, 15: 5, 32: 32}[size["heads"]], tied=True
    ),
    "smollm3": lambda size: llama(size, 11008, 4, tied=True),
}


def test_parameters_follow_from_the_shapes(families):
    for name, family in families.items():
        for size in family["sizes"]:
            assert size["parameters"] == COUNTS.get(name, gpt_neox)(size), (name, size["name"])


def test_every_family_of_the_project_is_there(families):
    names = {name: [size["name"] for size in family["sizes"]] for name, family in families.items()}
    assert names["pythia"] == ["14m", "31m", "70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b"]
    assert names["smollm2"] == ["135M", "360M", "1.7B"]
    assert set(names) == {
        "pythia", "polypythia", "olmo2-7b", "olmo2-1b", "olmo2-1b-early", "olmo-0724-7b", "amber", "llm-jp-3",
        "smollm2", "smollm3",
    }  # fmt: skip
    assert all(family["license"] and family["citation"] for family in families.values())


# Names as they stand on the hub, from the projects' READMEs, model cards and issues.
PUBLISHED = {
    ("pythia", "12b"): {"step58000": 58000},
    ("olmo2-7b", None): {
        "stage1-step928646-tokens3896B": 928646, "stage1-step150-tokens1B": 150, "stage1-step2150-tokens10B": 2150,
        "stage1-step101000-tokens424B": 101000, "stage1-step175000-tokens735B": 175000,
        "stage1-step300000-tokens1259B": 300000,
    },
    ("olmo2-1b", None): {
        "stage1-step0-tokens0B": 0, "stage1-step1907359-tokens4001B": 1907359, "stage1-step120000-tokens252B": 120000,
        "stage1-step160000-tokens336B": 160000, "stage1-step90000-tokens189B": 90000,
    },
    ("olmo2-1b-early", None): {
        "stage1-step1000-tokens3B": 1000, "stage1-step2000-tokens5B": 2000, "stage1-step5000-tokens11B": 5000,
    },
    ("amber", None): {"ckpt_000": 1, "ckpt_358": 359, "main": 360},
    ("smollm2", "135M"): {"step-240000": 240000},
    ("smollm2", "360M"): {"step-160000": 160000, "step-2080000": 2080000, "step-2560000": 2560000},
    ("smollm2", "1.7B"): {"step-125000": 125000, "step-5000000": 5000000},
    ("smollm3", None): {"stage1-step-3440000": 3440000, "stage2-step-4200000": 4200000, "stage3-step-4720000": 4720000},
}  # fmt: skip


@pytest.mark.parametrize("family, size", PUBLISHED)
def test_published_names_of_revisions_are_made(families, family, size):
    model = resolve(families, family=family, **({"size": size} if size else {}), checkpoints="all")
    names = {entry["revision"]: entry["step"] for entry in model["checkpoints"]}
    assert PUBLISHED[family, size].items() <= names.items()


@pytest.mark.parametrize(
    ("family", "more", "count", "last"),
    [
        ("pythia", {"size": "70m-deduped"}, 154, 143000 * 2097152),
        ("polypythia", {"size": "14m", "seed": 9}, 154, 143000 * 2097152),
        ("amber", {}, 360, 360 * 3496000000),
        ("olmo2-1b-early", {}, 38, 37000 * 2097152),
        ("smollm3", {}, 86 + 19 + 13, 4720000 * 2359296),
    ],
)
def test_series_have_the_published_length_and_tokens(families, family, more, count, last):
    model = resolve(families, family=family, **more, checkpoints="all")
    assert len(model["checkpoints"]) == count
    assert model["checkpoints"][-1]["tokens"] == last
    assert len({entry["name"] for entry in model["checkpoints"]}) == count


def test_no_one_deviation_is_asked_of_a_family_whose_matrices_differ(families):
    # Megatron-LM divides that of the matrices that write into the residual stream by sqrt(2 x layers).
    assert families["llm-jp-3"]["initialisation"] == {"gains": 1}


def test_a_model_of_a_family_is_filled_in(families):
    model = resolve(families, family="pythia", size="410m-deduped", checkpoints={"steps": [143000, 0, 512]})
    assert model["repository"] == "EleutherAI/pythia-410m-deduped"
    assert (model["dtype"], model["bytes"]) == ("float16", 2 * 405334016)
    assert model["schedule"] == {"kind": "cosine", "peak": 0.0003, "warmup": 1430, "total": 143000, "final": 0.1}
    assert [entry["name"] for entry in model["checkpoints"]] == ["step0", "step512", "step143000"]
    assert model["trust_remote_code"] is False
    seeded = resolve(families, family="polypythia", size="160m", seed=4, checkpoints={"steps": [0]})
    assert seeded["repository"] == "EleutherAI/pythia-160m-seed4"


def test_relative_layers_and_numbers(families):
    model = resolve(families, family="pythia", size="1b", layers={"relative": [0.25, 0.5, 1]}, checkpoints="all")
    assert model["layers"] == [4, 8, 16]
    for layers, match in [({"relative": [0.5, 0.51]}, "must differ"), ([17], "beyond the 16 layers")]:
        with pytest.raises(InputError, match=match):
            resolve(families, family="pythia", size="1b", layers=layers, checkpoints="all")


def test_the_explicit_form_stays(families):
    listed = [{"name": "a", "revision": "ref/a", "step": 0}, {"name": "b", "revision": "b", "step": 7, "tokens": 9}]
    model = resolve(
        families, repository="org/name", tokens_per_step=10, checkpoints=listed, train={"seed": 0, "layers": 2}
    )
    assert [entry["tokens"] for entry in model["checkpoints"]] == [0, 9]
    assert model["layers"] == [1] and "schedule" not in model


@pytest.mark.parametrize("number", [2, 3, 10, 16, 40, 154])
def test_log_spaced_checkpoints_include_the_ends_and_fill_the_range_evenly(families, number):
    model = resolve(families, family="pythia", size="14m", checkpoints={"log_spaced": number})
    steps = [entry["step"] for entry in model["checkpoints"]]
    assert len(steps) == number == len(set(steps)) and steps == sorted(steps)
    assert steps[0] == 0 and steps[-1] == 143000
    if 10 <= number <= 16:
        # 1 to 143000 in number - 2 strides; a coarse grid is off by at most half a doubling.
        stride = math.log(143000) / (number - 2)
        gaps = [math.log(b / a) for a, b in zip(steps[1:], steps[2:], strict=False)]
        assert max(gaps) < stride + math.log(2) and min(gaps) > stride - math.log(2) - 1e-9


def test_a_series_without_step_0_begins_with_its_first(families):
    model = resolve(families, family="smollm3", checkpoints={"log_spaced": 5})
    assert [model["checkpoints"][k]["step"] for k in (0, -1)] == [40000, 4720000]


def test_a_token_grid_takes_the_nearest_and_says_how_far_it_is(families):
    grid = {"tokens": [0, 1e9, 1.1e9, 1e12]}
    model = resolve(families, family="olmo2-7b", checkpoints=grid)
    taken = [(entry["step"], entry["asked_tokens"]) for entry in model["checkpoints"]]
    assert taken == [(0, [0]), (150, [1000000000, 1100000000]), (238000, [1000000000000])]
    lines = distances(model)
    assert len(lines) == 3 and "1e+09 tokens asked for, step150 has 6.291e+08 (0.629 x)" in lines[0]
    assert "1.1e+09 tokens asked for, step150 has 6.291e+08 (0.572 x)" in lines[1]
    # Two values with one nearest checkpoint are told at every start.
    (line,) = shared_lines([model])
    assert "checkpoints/tokens: step150 with 6.291e+08 tokens is the nearest to 1e+09 (0.629 x), 1.1e+09" in line


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ({"family": "pythai", "size": "1b"}, "family: 'pythai' is not in the registry; there are: pythia"),
        ({"family": "pythia", "size": "2b"}, "size: '2b' is not a size of 'pythia'; there are: 14m"),
        ({"family": "pythia"}, "'size' is missing"),
        ({"family": "polypythia", "size": "14m"}, "seed: None is not a seed"),
        ({"family": "polypythia", "size": "14m", "seed": 10}, "seed: 10 is not a seed"),
        ({"family": "amber", "seed": 1}, "has one run"),
        ({"family": "llm-jp-3", "tokens_per_step": 4}, "no public series"),
        ({"family": "llm-jp-3"}, "'tokens_per_step' is missing"),
        (
            {"family": "pythia", "size": "1b", "checkpoints": {"steps": [3]}},
            "no checkpoint at step 3; the nearest.*2, 4",
        ),
        ({"family": "pythia", "size": "1b", "checkpoints": {"log_spaced": 155}}, "155 checkpoints.*has 154"),
        ({"family": "pythia", "size": "1b", "checkpoints": [{"name": "x", "step": 3}]}, "'revision' is missing"),
        ({"repository": "a/b", "tokens_per_step": 1}, "names no family"),
        ({"tokens_per_step": 1, "checkpoints": [{"name": "x", "step": 3, "revision": "r"}]}, "'repository' is missing"),
        ({"repository": "a/b", "tokens_per_step": 1, "layers": {"relative": [1]}, "checkpoints": []}, "need a family"),
    ],
)
def test_what_is_not_there_is_named(families, model, match):
    with pytest.raises(InputError, match=match):
        resolve(families, **{"checkpoints": "all", **model})


def test_only_repositories_of_the_study_can_be_trusted(families):
    entry = {"repository": "org/name", "tokens_per_step": 1, "checkpoints": [{"name": "x", "step": 0, "revision": "r"}]}
    assert resolve(families, trusted=["org/name"], **entry)["trust_remote_code"] is True
    with pytest.raises(InputError, match="trust_remote_code: 'org/nam'.*org/name"):
        resolve(families, trusted=["org/nam"], **entry)


@pytest.fixture
def folders(tmp_path):
    for step in ("0", "0100", "2000"):
        folder = tmp_path / f"iter_{step}" / "hf"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "tokenizer.model").write_text("")
    (tmp_path / "iter_x").mkdir()
    return tmp_path


def test_a_local_folder_of_checkpoints_is_a_series(families, folders):
    template = f"{folders}/iter_{{step}}/hf"
    model = resolve(
        families, family="llm-jp-3", local_folder=template, tokens_per_step=1000, checkpoints={"log_spaced": 2}
    )
    assert [(e["step"], e["revision"], e["tokens"]) for e in model["checkpoints"]] == [
        (0, "iter_0", 0),
        (2000, "iter_2000", 2000000),
    ]
    listed = resolve(
        families,
        family="llm-jp-3",
        local_folder=template,
        tokens_per_step=1000,
        checkpoints=[{"name": "b", "step": 100}],
    )
    assert listed["checkpoints"][0]["folder"] == f"{folders}/iter_0100/hf"


def test_bad_local_folders_are_refused(families, folders):
    def attempt(template, **more):
        resolve(
            families,
            family="llm-jp-3",
            local_folder=template,
            tokens_per_step=1,
            **{"checkpoints": "all", **more},
        )

    with pytest.raises(InputError, match="must hold {step} once"):
        attempt(str(folders))
    with pytest.raises(InputError, match="no folder is like"):
        attempt(f"{folders}/step_{{step}}")
    with pytest.raises(InputError, match="there is no folder /nowhere"):
        attempt("/nowhere/{step}")
    with pytest.raises(InputError, match="has no step 7"):
        attempt(f"{folders}/iter_{{step}}/hf", checkpoints=[{"name": "a", "step": 7}])
    (folders / "iter_0100/hf/config.json").unlink()
    with pytest.raises(InputError, match="step100: .*iter_0100/hf has no config.json"):
        attempt(f"{folders}/iter_{{step}}/hf")
    (folders / "iter_100/hf").mkdir(parents=True)
    with pytest.raises(InputError, match="are both step 100"):
        local_checkpoints(f"{folders}/iter_{{step}}/hf", 1, "models/m")


def test_billions_are_rounded_in_whole_numbers():
    assert revision_name("t{billions}", 5 * 10**8, 2, "up") == "t1"
    assert revision_name("t{billions}", 5 * 10**8 + 1, 2, "up") == "t2"
    assert [revision_name("t{billions}", 3, 5 * 10**8, way) for way in ("down", "nearest")] == ["t1", "t2"]
    assert expand_steps([5, {"from": 10, "to": 20, "by": 5}]) == [5, 10, 15, 20]


def test_a_name_with_other_billions_is_the_same_step():
    names = ["step10-tokens1B", "step100-tokens1B", "step10", "main"]
    assert same_step("step10-tokens0B", names) == ["step10-tokens1B"]
    assert same_step("step10", names) == ["step10"]


def test_selecting_all_and_nothing_else():
    series = [{"name": "a", "step": 0, "tokens": 0}]
    assert select("all", series, "here") == series


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"colour": "red"}, "families/pythia/colour: no such key"),
        ({"sizes": []}, r"sizes: \[\] must be a list of mappings .at least 1."),
        ({"revisions": [{"pattern": "s{step}", "steps": [4, 2, 4]}]}, "must differ"),
        ({"tokens_per_step": None}, "need tokens_per_step"),
    ],
)
def test_a_registry_with_a_mistake_is_refused(tmp_path, change, match):
    entry = yaml.safe_load(REGISTRY.read_text())["families"][0]
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"families": [{**entry, **change}]}))
    with pytest.raises(InputError, match=match):
        load_families(tmp_path / "models.yaml")
