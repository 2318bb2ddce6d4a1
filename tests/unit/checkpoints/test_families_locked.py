"""Every family is locked from a hub with its real names, and with what real hubs lack or have besides."""

import re

import pytest
import small_models
from fake_hub import FakeHub
from project import ROOT

from triphase.checkpoints.pinning import make_lock
from triphase.config.families import load_families, resolve_models
from triphase.config.lockfile import apply_lock

FAMILIES = load_families(ROOT / "resources/registry/models.yaml")
NUMBER = 16
# Names as they are published, of each family: of its first, of later and of its last checkpoints.
PUBLISHED = {
    ("pythia", "410m", None): ["EleutherAI/pythia-410m step0", "EleutherAI/pythia-410m step143000"],
    ("polypythia", "410m", 3): ["EleutherAI/pythia-410m-seed3 step512"],
    ("olmo2-7b", None, None): ["allenai/OLMo-2-1124-7B stage1-step928646-tokens3896B"],
    ("olmo2-1b", None, None): ["allenai/OLMo-2-0425-1B stage1-step1907359-tokens4001B"],
    ("olmo2-1b-early", None, None): ["allenai/OLMo-2-0425-1B-early-training stage1-step2000-tokens5B"],
    ("olmo2-1b-dense", None, None): [
        "allenai/OLMo-2-0425-1B-early-training stage1-step37000-tokens78B",
        "allenai/OLMo-2-0425-1B stage1-step40000-tokens84B",
    ],
    ("olmo2-13b", None, None): ["allenai/OLMo-2-1124-13B stage1-step596057-tokens5001B"],
    ("olmo2-32b", None, None): ["allenai/OLMo-2-0325-32B stage1-step721901-tokens6056B"],
    ("olmo3-7b", None, None): [
        "allenai/Olmo-3-1025-7B stage1-step1413814", "allenai/Olmo-3-1025-7B stage2-step47684",
        "allenai/Olmo-3-1025-7B stage3-step11921",
    ],
    ("olmo3-32b", None, None): [
        "allenai/Olmo-3-1125-32B stage1-step656000", "allenai/Olmo-3-1125-32B stage2-ingredient1-step23842",
        "allenai/Olmo-3-1125-32B stage3-step11921",
    ],
    ("olmo-0724-7b", None, None): ["allenai/OLMo-7B-0724-hf step1000-tokens4B"],
    ("olmoe", None, None): [
        "allenai/OLMoE-1B-7B-0924 step5000-tokens20B", "allenai/OLMoE-1B-7B-0924 step10000-tokens41B",
        "allenai/OLMoE-1B-7B-0924 step1200000-tokens5033B", "allenai/OLMoE-1B-7B-0924 step1220000-tokens5117B",
    ],
    ("apertus", None, None): [
        "swiss-ai/Apertus-8B-2509 step50000-tokens210B", "swiss-ai/Apertus-8B-2509 step1194000-tokens5014B",
        "swiss-ai/Apertus-8B-2509 step1678000-tokens7047B", "swiss-ai/Apertus-8B-2509 step1700000-tokens7232B",
        "swiss-ai/Apertus-8B-2509 step2600000-tokens14792B", "swiss-ai/Apertus-8B-2509 step2627139-tokens15T",
    ],
    ("datadecide", "150M-dclm-baseline", "small-aux-2"): [
        "allenai/DataDecide-dclm-baseline-150M step37500-seed-small-aux-2",
    ],
    ("datadecide", "1B-dolma1_7", "default"): ["allenai/DataDecide-dolma1_7-1B step69369-seed-default"],
    ("mistral-gpt2", "small", "battlestar-gpt2-small-x49"): [
        "stanford-crfm/battlestar-gpt2-small-x49 checkpoint-0",
        "stanford-crfm/battlestar-gpt2-small-x49 checkpoint-300000",
    ],
    ("mistral-gpt2", "medium", "eowyn-gpt2-medium-x777"): ["stanford-crfm/eowyn-gpt2-medium-x777 checkpoint-400000"],
    ("tinyllama", None, None): [
        "TinyLlama/tinyLlama-intermediate-checkpoints step-5k-token-10B",
        "TinyLlama/tinyLlama-intermediate-checkpoints step-480k-token-1007B",
        "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T main",
    ],
    ("croissantllm", None, None): ["croissantllm/base_5k main", "croissantllm/CroissantLLMBase main"],
    ("lucie", None, None): [
        "OpenLLM-France/Lucie-7B step0005000", "OpenLLM-France/Lucie-7B step0753851",
        "OpenLLM-France/Lucie-7B extension_step0001220",
    ],
    ("k2-v2", None, None): ["LLM360/K2-V2 base_0020000", "LLM360/K2-V2 base_0720000", "LLM360/K2-V2 base_final"],
    ("opencoder", "1.5B", None): [
        "OpenCoder-LLM/OpenCoder-1.5B-Base-Checkpoints pretrain_iter_0373000",
        "OpenCoder-LLM/OpenCoder-1.5B-Base-Checkpoints anneal_iter_0023000",
    ],
    ("opencoder", "8B", None): ["OpenCoder-LLM/OpenCoder-8B-Base-Checkpoints anneal_iter_0010000"],
    ("babylm", "100m", None): [
        "BabyLM-community/babylm-baseline-100m-gpt2 chck_7M", "BabyLM-community/babylm-baseline-100m-gpt2 chck_1000M",
    ],
    ("amber", None, None): ["LLM360/Amber ckpt_000", "LLM360/Amber main"],
    ("smollm2", "360M", None): ["HuggingFaceTB/SmolLM2-360M-intermediate-checkpoints step-160000"],
    ("smollm3", None, None): [
        "HuggingFaceTB/SmolLM3-3B-checkpoints stage1-step-3440000",
        "HuggingFaceTB/SmolLM3-3B-checkpoints stage3-step-4720000",
    ],
}  # fmt: skip
# Tokens of some checkpoints, from lists of the projects, or from their own names.
TOKENS = {
    "olmo3-7b": {1413814: 5929965715456, 1413814 + 47684: 5929965715456 + 47684 * 2097152},
    "olmo3-32b": {1000: 8388608000, 656000: 656000 * 8388608},
    "lucie": {
        5000: 5700059136,
        20000: 43747901440,
        25000: 64719421440,
        753851 + 250: 43747901440 + 733851 * 4194304 + 1024000000,
    },
    "olmoe": {1220000: 5117050880000},
}


def study(family, size, seed, checkpoints):
    named = {"family": family, **({"size": size} if size else {}), **({"seed": seed} if seed else {})}
    return resolve_models([{"name": "m", "layers": [1], "checkpoints": checkpoints, **named}], FAMILIES)


def located(model):
    return [
        (entry.get("repository", model["repository"]), entry["revision"], entry["step"])
        for entry in model["checkpoints"]
    ]


def hub_of(family, whole, wanted):
    """Repositories with the published names: some lack their stage, and some are there that no list has."""
    repositories = {}
    for number, (repository, revision, step) in enumerate(located(whole)):
        if (repository, revision, step) in wanted:
            stage_lacks = family == "olmo2-7b" and step in (150, 600, 700, 850, 900, 2000, 2150)
            name = revision.removeprefix("stage1-") if stage_lacks else revision
            repositories.setdefault(repository, {})[name] = small_models.stand_in(number)
    for revisions in repositories.values():
        for extra in ("main", "step7-tokens1B", "stage2-step7", "refs-pr"):
            revisions.setdefault(extra, small_models.stand_in(-1))
    return repositories


def test_every_family_with_a_public_series_is_tried():
    public = {
        name
        for name, family in FAMILIES.items()
        if any(s.get("revisions") or family["revisions"] for s in family["sizes"])
    }
    assert {family for family, _, _ in PUBLISHED} == public == set(FAMILIES) - {"llm-jp-3"}


@pytest.mark.parametrize(("family", "size", "seed"), PUBLISHED, ids=lambda value: str(value or ""))
def test_checkpoints_of_a_family_are_locked_by_its_real_names(family, size, seed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    (whole,) = study(family, size, seed, "all")
    names = {f"{repository} {revision}" for repository, revision, _ in located(whole)}
    assert set(PUBLISHED[family, size, seed]) <= names
    number = min(NUMBER, len(names))
    (model,) = study(family, size, seed, {"log_spaced": number})
    wanted = located(model)
    assert len(wanted) == len({entry["name"] for entry in model["checkpoints"]}) == number
    with FakeHub(hub_of(family, whole, wanted)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        lock = make_lock("s", [model], "error")
        (pinned,) = apply_lock([model], lock, "error")
        for (repository, revision, _), entry in zip(wanted, pinned["checkpoints"], strict=True):
            there = server.repositories[repository]
            assert entry["commit"] == there.get(revision, there.get(revision.removeprefix("stage1-")))[0]
        # A branch that the hub lacks is left out by name, whatever repository it is of.
        if number > 2:
            repository, revision, _ = wanted[1]
            there = server.repositories[repository]
            del there[revision if revision in there else revision.removeprefix("stage1-")]
            gone = make_lock("s", [model], "exclude")["models"]["m"]["checkpoints"]
            assert [name for name, entry in gone.items() if "missing" in entry] == [model["checkpoints"][1]["name"]]


def test_tokens_are_those_of_the_projects_lists():
    for family, known in TOKENS.items():
        (model,) = study(family, None, None, "all")
        tokens = {entry["step"]: entry["tokens"] for entry in model["checkpoints"]}
        assert known.items() <= tokens.items(), family


def test_tokens_of_names_are_those_that_are_computed():
    for family, size, seed in PUBLISHED:
        (model,) = study(family, size, seed, "all")
        for entry in model["checkpoints"]:
            if said := re.search(r"tokens?-?(\d+)B", entry["revision"]):
                # Apertus' names count 4.2 million tokens a step for 2 ** 22.
                near = 0.0015 * entry["tokens"] / 1e9 if family == "apertus" else 1
                assert abs(int(said[1]) - entry["tokens"] / 1e9) <= max(near, 1), (family, entry)
