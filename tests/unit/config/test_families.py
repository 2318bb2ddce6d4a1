import math

import pytest
import yaml
from project import ROOT

from triphase.config.families import load_families, local_checkpoints, resolve_models
from triphase.config.selection import distances, expand_steps, same_step, select, shared_lines
from triphase.config.series import in_billions
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


def gpt2(size, positions=1024):
    width, depth = size["width"], size["layers"]
    return (size["vocabulary"] + positions) * width + depth * (12 * width**2 + 13 * width) + 2 * width


def olmo_32b(size):
    """Norms of queries and keys are as wide as these: 40 and 8 heads of 128."""
    return llama(size, 27648, key_values=8, norms=3) + size["layers"] * 8 * 128


def olmoe(size):
    """Norms before both parts, of queries and of keys; 64 experts of width 1,024 and their router."""
    width, experts = size["width"], 64
    block = 4 * width**2 + experts * 3 * width * 1024 + experts * width + 4 * width
    return 2 * size["vocabulary"] * width + size["layers"] * block + width


def apertus(size):
    """Two matrices and two numbers in each feed-forward part; norms of queries and keys for a head of 128."""
    width = size["width"]
    block = 2 * width**2 + 2 * width * 1024 + 2 * width * 21504 + 2 * width + 2 * 128 + 2
    return 2 * size["vocabulary"] * width + size["layers"] * block + width


COUNTS = {
    "olmo2-7b": lambda size: llama(size, 11008, norms=4),
    "olmo2-1b": lambda size: llama(size, 8192, norms=4),
    "olmo2-1b-early": lambda size: llama(size, 8192, norms=4),
    "olmo2-1b-dense": lambda size: llama(size, 8192, norms=4),
    "olmo2-13b": lambda size: llama(size, 13824, norms=4),
    "olmo2-32b": olmo_32b,
    "olmo3-7b": lambda size: llama(size, 11008, norms=4),
    "olmo3-32b": olmo_32b,
    "olmo-0724-7b": lambda size: llama(size, 11008, norms=0, final=0),
    "olmoe": olmoe,
    "apertus": apertus,
    "datadecide": lambda size: llama(size, 4 * size["width"], tied=True),
    "mistral-gpt2": gpt2,
    "tinyllama": lambda size: llama(size, 5632, 4),
    "croissantllm": lambda size: llama(size, 5504),
    "lucie": lambda size: llama(size, 12288, 8),
    "k2-v2": lambda size: llama(size, 28672, 8),
    "opencoder": lambda size: llama(size, *{2240: (6144, None), 4096: (14336, 8)}[size["width"]]),
    "babylm": gpt2,
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
        "pythia", "polypythia", "olmo2-7b", "olmo2-1b", "olmo2-1b-early", "olmo2-1b-dense", "olmo2-13b", "olmo2-32b",
        "olmo-0724-7b", "olmo3-7b", "olmo3-32b", "olmoe", "apertus", "datadecide", "mistral-gpt2", "tinyllama",
        "croissantllm", "lucie", "k2-v2", "opencoder", "babylm", "amber", "llm-jp-3", "smollm2", "smollm3",
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
        ({"family": "pythia", "size": "1b", "checkpoints": {"log_spaced": 155}}, "155 checkpoints.*has at most 154"),
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
    assert [in_billions(tokens, "up") for tokens in (10**9, 10**9 + 1)] == [1, 2]
    assert [in_billions(15 * 10**8, way) for way in ("down", "nearest")] == [1, 2]
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


# --- what a registry can say of a series


def family_of(tmp_path, *groups, repository="org/m", **keys):
    """A registry with one family of these groups of revisions."""
    size = {"name": "7b", "parameters": 10, "layers": 4, "width": 8, "heads": 2, "vocabulary": 9, "dtype": "float32"}
    family = {
        "name": "f", "title": "f", "license": "x", "citation": "x", "repository": repository, "tokens_per_step": 10,
        "initialisation": None, "faults": [], "revisions": list(groups), "sizes": [{**size, "schedule": None}],
    }  # fmt: skip
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"families": [{**family, **keys}]}))
    return load_families(path)


def series_of(families, **model):
    found = resolve(families, family="f", checkpoints="all", **model)
    repository = found["repository"]
    return [
        (entry["name"], f"{entry.get('repository', repository)} {entry['revision']}", entry["tokens"])
        for entry in found["checkpoints"]
    ]


def test_stages_restart_their_steps_at_rates_of_their_own(tmp_path):
    first = {"pattern": "stage1-step{step}-tokens{billions}B", "steps": [0, 1000, 1500], "tokens_per_step": 4 * 10**6}
    second = {"pattern": "stage2-step{step}-tokens{billions}B", "steps": [100, 200], "restarts": True}
    second |= {"first_step": 1500, "tokens_per_step": 10**7}
    assert series_of(family_of(tmp_path, first, second)) == [
        ("step0", "org/m stage1-step0-tokens0B", 0),
        ("step1000", "org/m stage1-step1000-tokens4B", 4 * 10**9),
        ("step1500", "org/m stage1-step1500-tokens6B", 6 * 10**9),
        ("step1600", "org/m stage2-step100-tokens1B", 7 * 10**9),
        ("step1700", "org/m stage2-step200-tokens2B", 8 * 10**9),
    ]
    for change, match in [
        ({"first_step": None}, "revisions/1: key 'first_step' is missing"),
        ({"restarts": None}, "stage2-step100-.* has step 100 and stands after .*restarts"),
        ({"first_token": 5 * 10**9}, "stage2-step100-.* has tokens 6,000,000,000 and stands after"),
    ]:
        changed = {key: value for key, value in {**second, **change}.items() if value is not None}
        with pytest.raises(InputError, match=match):
            family_of(tmp_path, first, changed)


def test_a_batch_that_doubles_keeps_the_steps(tmp_path):
    groups = [
        {"pattern": "step{step}", "steps": [100, 200]},
        {"pattern": "step{step}", "steps": [300], "first_step": 200, "tokens_per_step": 20},
        {"pattern": "final{step}", "steps": [400]},
    ]
    assert [tokens for _, _, tokens in series_of(family_of(tmp_path, *groups))] == [1000, 2000, 4000, 6000]


def test_names_may_count_a_rounder_rate(tmp_path):
    group = {"pattern": "step{step}-tokens{billions}B", "steps": [1000], "tokens_per_step": 4194304, "rounding": "down"}
    assert series_of(family_of(tmp_path, group | {"named_rate": 4200000, "steps": [10**6]})) == [
        ("step1000000", "org/m step1000000-tokens4200B", 4194304 * 10**6)
    ]


def test_tokens_are_given_by_revision(tmp_path):
    groups = [
        {"pattern": "step{step:04d}", "steps": [1, 2], "tokens": [3, 70]},
        {"pattern": "step{step:04d}", "steps": [3], "first_step": 2, "first_token": 70, "tokens_per_step": 5},
    ]
    assert [entry[1:] for entry in series_of(family_of(tmp_path, *groups, tokens_per_step=None))] == [
        ("org/m step0001", 3), ("org/m step0002", 70), ("org/m step0003", 75),
    ]  # fmt: skip
    with pytest.raises(InputError, match="revisions/0/tokens: there are 1 for 2 steps"):
        family_of(tmp_path, {"pattern": "step{step}", "steps": [1, 2], "tokens": [3]})
    with pytest.raises(InputError, match="revisions/0: revisions need tokens_per_step"):
        family_of(tmp_path, {"pattern": "step{step}", "steps": [1, 2]}, tokens_per_step=None)


def test_revisions_without_a_step_are_counted(tmp_path):
    groups = [
        {"pattern": "step{step}", "steps": [5]},
        {"pattern": ["early/x", "late"], "tokens": [100, 200]},
    ]
    assert series_of(family_of(tmp_path, *groups)) == [
        ("step5", "org/m step5", 50), ("early-x", "org/m early/x", 100), ("late", "org/m late", 200),
    ]  # fmt: skip
    with pytest.raises(InputError, match="revisions/0: steps are missing, and so are tokens"):
        family_of(tmp_path, {"pattern": "main"})


@pytest.mark.parametrize("place", ["repository", "revision"])
def test_seeds_are_names_in_the_repository_or_the_revision(tmp_path, place):
    field = "-{seed}" if place == "repository" else ""
    group = {"pattern": "step{step}" + ("-seed-{seed}" if place == "revision" else ""), "steps": [0, 1]}
    more = {**group, "steps": [2], "seeds": ["default"]}
    families = family_of(tmp_path, group, more, repository=f"org/m{field}", seeds=["default", "aux-2"])
    names = [name for _, name, _ in series_of(families, seed="aux-2")]
    assert names == (
        ["org/m-aux-2 step0", "org/m-aux-2 step1"]
        if place == "repository"
        else ["org/m step0-seed-aux-2", "org/m step1-seed-aux-2"]
    )
    assert len(series_of(families, seed="default")) == 3
    with pytest.raises(InputError, match="'aux-3' is not a seed of 'f'"):
        series_of(families, seed="aux-3")


def test_each_checkpoint_has_its_repository_and_several_make_one_curve(tmp_path):
    groups = [
        {"pattern": "step{step}", "repository": "org/early", "steps": [0, 500]},
        {"pattern": "main", "steps": [1000, 2000]},
        {"pattern": "main", "repository": ["org/a", "org/b"], "steps": [3000, 3500]},
    ]
    found = series_of(family_of(tmp_path, *groups, repository="org/m-{thousands}k"))
    assert [name for _, name, _ in found] == [
        "org/early step0", "org/early step500", "org/m-1k main", "org/m-2k main", "org/a main", "org/b main",
    ]  # fmt: skip
    model = resolve(family_of(tmp_path, *groups, repository="org/m-{thousands}k"), family="f", checkpoints="all")
    assert model["repository"] == "org/b" and "repository" not in model["checkpoints"][-1]
    trusted = ["org/a", "org/b", "org/m-1k", "org/m-2k"]
    (model,) = resolve_models(
        [{"name": "m", "layers": [1], "family": "f", "checkpoints": "all"}],
        family_of(tmp_path, *groups[1:], repository="org/m-{thousands}k"), trusted=trusted,
    )  # fmt: skip
    assert model["trust_remote_code"]


@pytest.mark.parametrize(
    ("repository", "group", "match"),
    [
        ("a/b", {"pattern": "step{step}-seed-{seed}", "steps": [1, 2]}, r"\{seed\}.*known are \{size\}, \{step\}"),
        ("a/b", {"pattern": "step{step}-{billion}B", "steps": [1, 2]}, r"has the field \{billion\}"),
        ("a/x-{tokens}", {"pattern": "main", "steps": [1]}, r"has the field \{tokens\}"),
        ("a/b", {"pattern": "ckpt", "steps": [1, 2]}, "'ckpt' of a/b is both step1 and step2; a pattern"),
        ("a/b", {"pattern": "step{step", "steps": [1]}, "is no pattern of names"),
        ("a/b", {"pattern": "step{step:q}", "steps": [1]}, "is no pattern of names"),
        ("a/b", {"pattern": "step{}", "steps": [1]}, r"has the field \{\}"),
        ("a/x-{thousands}k", {"pattern": "main", "steps": [1500]}, "counts thousands, and step 1500 is none"),
    ],
)  # fmt: skip
def test_a_field_that_is_none_is_named(tmp_path, repository, group, match):
    with pytest.raises(InputError, match=f"models.yaml/families/f/7b.*{match}"):
        family_of(tmp_path, group, repository=repository)


def test_tokens_of_a_name_of_ones_own_are_compared():
    listed = [{"name": "a", "revision": "step1000-tokens5B", "step": 1000}]
    model = {"repository": "org/m", "tokens_per_step": 4194304}
    assert resolve({}, checkpoints=listed, **model)["checkpoints"][0]["tokens"] == 4194304000
    listed[0]["revision"] = "step1000-tokens8B"
    with pytest.raises(InputError, match="models/m/checkpoints/a: the revision 'step1000-tokens8B' says 8 billion"):
        resolve({}, checkpoints=listed, **model)
    listed[0]["tokens"] = 8 * 10**9
    assert resolve({}, checkpoints=listed, **model)["checkpoints"][0]["tokens"] == 8 * 10**9
