import hashlib
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import evaluate_tasks
import numpy as np
import pandas as pd
import pytest
import torch
from jobs import run as run_script
from known_models import bigram, word_tokenizer
from project import ROOT
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from triphase.checkpoints.find import find_checkpoint
from triphase.checkpoints.loading import load_model
from triphase.core.artefacts import read_table, write_json
from triphase.core.errors import InputError
from triphase.stats.proportions import agresti_coull
from triphase.tasks.documents import load_tasks, read_documents
from triphase.tasks.harness import evaluate
from triphase.tasks.measures import item_scores, summarise
from triphase.tasks.plan import missing_data, plan, task_sources, unfetched

pytestmark = pytest.mark.model

TASKS = ROOT / "resources" / "tasks"
VARIANTS = [
    {"name": "letters", "task": "ask_letters", "labels": ["A", "B", "C", "D"]},
    {"name": "digits", "task": "ask_digits", "labels": ["1", "2", "3", "4"]},
    {"name": "plain", "task": "ask_plain", "labels": []},
]


@pytest.fixture
def tokenizer():
    return word_tokenizer()


@pytest.fixture
def folder(tmp_path):
    """Task YAMLs of all kinds with their data, `root` being the working directory."""
    questions = [
        {"id": number, "question": f"{animal} ?", "choices": ["cat", "dog", "see", "sees"], "answer": number % 4}
        for number, animal in enumerate(["cat", "dog", "cat", "see", "dog"])
    ]
    pairs = [{"sentence_good": f"{animal} sees {end}", "sentence_bad": f"{animal} see {end}"}
             for animal in ("cat", "dog") for end in ("cat", "dog ?")]  # fmt: skip
    (tmp_path / "questions.json").write_text(json.dumps(questions))
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    data = f"dataset_kwargs: {{data_files: {{test: {tmp_path}/questions.json}}}}"
    head = f"dataset_path: json\ntest_split: test\nmetadata: {{version: 2.0}}\n{data}\n"
    choice = "output_type: multiple_choice\ndoc_to_choice: choices\ndoc_to_target: answer\n"
    metrics = "metric_list: [{metric: acc}, {metric: acc_norm}]\n"
    (tmp_path / "choose.yaml").write_text(f"task: choose\n{head}{choice}{metrics}doc_to_text: '{{{{question}}}}'\n")
    base = head + "output_type: generate_until\ndoc_to_target: answer\nmetric_list: [{metric: exact_match}]\n"
    (tmp_path / "base_ask").write_text(
        base + "generation_kwargs: {until: ['\\n'], max_gen_toks: 3, do_sample: false}\n"
    )
    for name, word in (("letters", "letter"), ("digits", "digit"), ("plain", "cat")):
        text = f"include: base_ask\ntask: ask_{name}\ndoc_to_text: '{{{{question}}}} {word}'\n"
        (tmp_path / f"ask_{name}.yaml").write_text(text)
    return tmp_path


def run(jobs, model, tokenizer, batch_size=4):
    return evaluate(jobs, load_tasks(jobs), model, tokenizer, batch_size=batch_size, seed=0)


class TestPlan:
    def test_paths_come_from_the_yaml_or_from_local_data(self, folder):
        evaluations = [
            {"name": "one", "task": "choose"},
            {"name": "two", "task": "choose", "data": "{local_data}/sub/own.jsonl", "limit": 7},
        ]
        jobs = plan(evaluations, [{"name": "world", "variants": VARIANTS}], [folder], "/data")
        assert [job["id"] for job in jobs] == ["one", "two", "world.letters", "world.digits", "world.plain"]
        assert jobs[0]["data"] == {"test": [f"{folder}/questions.json"]}
        assert jobs[1]["data"] == {"test": ["/data/sub/own.jsonl"]}
        assert jobs[1]["limit"] == 7
        assert jobs[2]["data"] == {"test": [f"{folder}/questions.json"]}
        assert jobs[2]["labels"] == ["A", "B", "C", "D"]
        assert f"{folder}/choose.yaml" in task_sources(jobs)

    def test_missing_files_are_named_before_anything_runs(self, folder):
        entry = {"name": "two", "task": "choose", "data": "{local_data}/own.jsonl"}
        jobs = plan([{"name": "one", "task": "choose"}, entry], [], [folder], folder)
        (message,) = missing_data(jobs)
        assert "'two'" in message
        assert f"{folder}/own.jsonl" in message
        assert "local_data" in message
        with pytest.raises(InputError, match="own.jsonl"):
            load_tasks(jobs)

    def test_a_task_that_is_not_local_is_named_with_what_there_is(self, folder):
        jobs = plan([{"name": "x", "task": "arc_easy"}, {"name": "one", "task": "choose"}], [], [folder], None)
        message = unfetched(jobs, [folder])
        assert re.search("data of 'arc_easy' are not here.*snakemake fetch_tasks.*ask_digits, .*choose", message)
        assert unfetched(jobs[1:], [folder]) == ""
        assert missing_data(jobs) == []
        with pytest.raises(InputError, match="data of 'arc_easy' are not here"):
            load_tasks(jobs)

    def test_a_misspelt_local_task_is_not_sent_to_the_hub(self, folder):
        message = unfetched(plan([{"name": "x", "task": "chose"}], [], [folder], None), [folder])
        assert re.search("there is no task 'chose', neither below .* nor in the harness; near: .*choose", message)
        assert "fetch_tasks" not in message

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"- a\n- b\n", "holds a list, a task is a mapping"),
            (b"task: [x\n", "is not YAML"),
            (b"task: caf\xe9\n", "is not UTF-8"),
            (b"include: nowhere\n", "includes nowhere, which is not there"),
        ],
    )
    def test_a_stray_file_concerns_only_the_task_that_is_in_it(self, folder, content, reason):
        (folder / "stray.yaml").write_bytes(content)
        jobs = plan([{"name": "one", "task": "choose"}], [], [folder], None)
        assert jobs[0]["yaml"] == str(folder / "choose.yaml")
        with pytest.raises(InputError, match=f"'stray': .*stray.yaml cannot be read: .*stray.yaml {reason}"):
            plan([{"name": "x", "task": "stray"}], [], [folder], None)
        assert reason in unfetched(plan([{"name": "x", "task": "other"}], [], [folder], None), [folder])

    @pytest.mark.parametrize(("other", "reason"), [("nowhere", "not there"), ("one.yaml", "includes it again")])
    def test_an_include_that_leads_nowhere_concerns_only_its_task(self, folder, other, reason):
        (folder / "one.yaml").write_text("task: first\ninclude: two.yaml\n")
        (folder / "two.yaml").write_text(f"task: second\ninclude: {other}\n")
        assert plan([{"name": "one", "task": "choose"}], [], [folder], None)
        with pytest.raises(InputError, match=f"two.yaml includes {other}, which .*{reason}"):
            plan([{"name": "x", "task": "first"}], [], [folder], None)

    def test_two_files_of_one_task_are_refused(self, folder):
        (folder / "again").mkdir()
        (folder / "again" / "choose.yaml").write_text((folder / "choose.yaml").read_text())
        assert plan([{"name": "x", "task": "ask_plain", "metric": "exact_match"}], [], [folder], None)
        with pytest.raises(InputError, match="choose.yaml and .*choose.yaml are both named 'choose'"):
            plan([{"name": "one", "task": "choose"}], [], [folder], None)
        # One folder given twice, or within another, is one.
        assert plan([{"name": "one", "task": "choose"}], [], [folder / "again", folder / "again"], None)

    def test_a_folder_that_is_not_there_is_named(self, folder):
        assert plan([{"name": "one", "task": "choose"}], [], [folder, "nowhere"], None)
        with pytest.raises(InputError, match="tasks/include_path: there is no folder nowhere, where 'x' is"):
            plan([{"name": "one", "task": "x"}], [], [folder, "nowhere"], None)

    def test_names_must_be_unique(self, folder):
        with pytest.raises(InputError, match=r"\['one'\] occur more than once"):
            plan([{"name": "one", "task": "choose"}, {"name": "one", "task": "choose"}], [], [folder], None)

    def test_local_data_that_is_not_set_is_named(self, folder):
        with pytest.raises(InputError, match="'x' reads '{local_data}/a.jsonl' from local_data, which is not set"):
            plan([{"name": "x", "task": "choose", "data": "{local_data}/a.jsonl"}], [], [folder], None)

    def test_yaml_without_data_is_refused(self):
        with pytest.raises(InputError, match="'blimp_pairs' names no data"):
            plan([{"name": "x", "task": "blimp_pairs"}], [], [TASKS], None)

    def test_imports_neither_the_harness_nor_torch(self):
        heavy = "{'torch', 'lm_eval', 'datasets', 'transformers'}"
        code = f"import sys, triphase.tasks.plan; assert not {heavy} & set(sys.modules)"
        library = ROOT / "workflow" / "scripts"
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(library)})


class TestDocuments:
    def test_list_and_lines_are_the_same(self, tmp_path):
        rows = [{"a": 1}, {"a": 2}]
        (tmp_path / "list").write_text(json.dumps(rows, indent=1))
        (tmp_path / "lines").write_text("\n".join(map(json.dumps, rows)) + "\n")
        assert read_documents(tmp_path / "list") == read_documents(tmp_path / "lines") == rows

    def test_other_text_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("a,b\n1,2\n")
        with pytest.raises(InputError, match="file is neither a JSON list nor JSON lines"):
            read_documents(tmp_path / "file")

    def test_empty_file_is_refused(self, folder):
        (folder / "questions.json").write_text("[]")
        with pytest.raises(InputError, match="'one' has no items"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))


def test_metric_that_a_task_does_not_compute_is_refused(folder):
    with pytest.raises(InputError, match="'f1' of 'one'.*acc, acc_norm"):
        load_tasks(plan([{"name": "one", "task": "choose", "metric": "f1"}], [], [folder], None))


def test_adherence_needs_generated_answers(folder):
    variants = [VARIANTS[0] | {"task": "choose"}, *VARIANTS[1:]]
    with pytest.raises(InputError, match="'choose' of adherence 'world' has output_type 'multiple_choice'"):
        load_tasks(plan([], [{"name": "world", "variants": variants}], [folder], None))


def test_more_generated_tokens_than_context_leaves_the_task_out_and_says_why(folder, tokenizer):
    (folder / "base_ask").write_text((folder / "base_ask").read_text().replace("max_gen_toks: 3", "max_gen_toks: 32"))
    jobs = plan([], [{"name": "world", "variants": VARIANTS}], [folder], None)
    world = [{"name": "world", "variants": VARIANTS}]
    jobs = plan([{"name": "one", "task": "choose"}], world, [folder], None)
    items, metadata = run(jobs, bigram()[0], tokenizer)
    assert "'ask_letters' generates up to 32 tokens, the model's context is 32" in metadata["missing"]["world.letters"]
    items.attrs["missing"] = metadata["missing"]
    table = summarise(items, world).set_index(["measure", "target"])
    assert table.loc[("accuracy", "one"), "n"] == 5
    assert np.isnan(table.loc[("adherence", "world"), "value"])
    assert table.loc[("adherence", "world"), "n"] == 0
    assert set(item_scores(items, world)["measure"]) == {"accuracy_rescaled"}


class TestKnownModel:
    def test_multiple_choice_equals_hand_computation(self, folder, tokenizer):
        model, logp = bigram(**{"?_dog": 2.0, "?_sees": 1.0})
        items, metadata = run(plan([{"name": "one", "task": "choose"}], [], [folder], None), model, tokenizer)
        expected = logp.loc["?", ["cat", "dog", "see", "sees"]].to_numpy()
        for values in items["loglikelihoods"]:
            np.testing.assert_allclose(values, expected, rtol=1e-5)
        # Always "dog", the right answer (index 1) of one question in five.
        assert items["answer"].tolist() == [1] * 5
        assert items["target"].tolist() == [0, 1, 2, 3, 0]
        assert items["correct"].tolist() == [0, 1, 0, 0, 0]
        assert items["correct_norm"].tolist() == (items["target"] == np.argmax(expected / [3, 3, 3, 4])).tolist()
        assert set(items["chance"]) == {0.25}
        described = metadata["tasks"]["one"]
        assert (described["n"], described["version"], described["shots"], described["truncated"]) == (5, 2.0, 0, 0)
        table = summarise(items, []).set_index(["measure", "target"])
        assert table.loc[("accuracy", "one"), "value"] == pytest.approx(0.2)
        assert table.loc[("accuracy", "one"), "se"] == pytest.approx(agresti_coull(1, 5))
        assert table.loc[("accuracy_rescaled", "one"), "value"] == pytest.approx((0.2 - 0.25) / 0.75)
        assert table.loc[("accuracy_rescaled", "one"), "n"] == 5

    def test_minimal_pairs_equal_hand_computation(self, folder, tokenizer):
        model, logp = bigram(cat_sees=1.0, dog_see=0.5)
        entry = {"name": "pairs", "task": "blimp_pairs", "data": "{local_data}/pairs.jsonl"}
        items, _ = run(plan([entry], [], [TASKS], folder), model, tokenizer)
        rows = read_documents(folder / "pairs.jsonl")
        for item, row in zip(items.to_dict("records"), rows, strict=True):
            for value, sentence in zip(item["loglikelihoods"], row.values(), strict=True):
                words = ["<end>", *sentence.split()]
                total = sum(logp.loc[pair] for pair in zip(words, words[1:], strict=False))
                assert value == pytest.approx(total, rel=1e-5)
        assert items["correct"].tolist() == [1, 1, 0, 0]

    def test_generated_answers_and_adherence(self, folder, tokenizer):
        # "letter" asks for B and "digit" for 3, then the end; without instruction the model says "see".
        odds = {"letter_B": 5, "digit_3": 5, "cat_see": 5} | {f"{word}_<end>": 9 for word in ("B", "3", "see")}
        model, logp = bigram(**odds)
        adherence = [{"name": "world", "variants": VARIANTS}]
        items, _ = run(plan([], adherence, [folder], None), model, tokenizer)
        answers = items.groupby("variant", sort=False)["response"].agg(lambda column: set(map(str.strip, column)))
        assert answers.to_dict() == {"letters": {"B"}, "digits": {"3"}, "plain": {"see"}}
        table = summarise(items, adherence).set_index(["measure", "target"])["value"]
        assert table["adherence", "world"] == table["adherence_lenient", "world"] == table["validity", "world"] == 1
        assert table["answer_entropy", "world"] == 0
        assert table["commonest_answer", "world"] == 1
        # Index 1 (B) is right once, index 2 (3) once, of five questions each.
        assert table["accuracy_valid", "world"] == pytest.approx(0.2)
        letters, digits = (items.loc[items["variant"] == name, "label_mass"] for name in ("letters", "digits"))
        # This tokenizer ignores spaces, so a label has one form.
        np.testing.assert_allclose(letters, np.exp(logp.loc["letter", list("ABCD")]).sum(), rtol=1e-5)
        np.testing.assert_allclose(digits, np.exp(logp.loc["digit", list("1234")]).sum(), rtol=1e-5)

    def test_constant_answer_has_no_adherence(self, folder, tokenizer):
        odds = {f"{word}_A": 5 for word in ("letter", "digit", "cat")} | {"A_<end>": 9}
        adherence = [{"name": "world", "variants": VARIANTS}]
        items, _ = run(plan([], adherence, [folder], None), bigram(**odds)[0], tokenizer)
        table = summarise(items, adherence).set_index(["measure", "target"])
        assert table.loc[("adherence", "world"), "value"] == 0
        assert table.loc[("adherence", "world"), "se"] > 0
        assert table.loc[("validity", "world"), "value"] == 0.5

    def test_no_valid_answer_leaves_accuracy_among_them_open(self, folder, tokenizer):
        adherence = [{"name": "world", "variants": VARIANTS}]
        odds = {f"{word}_dog": 5 for word in ("letter", "digit", "cat", "dog")}
        items, _ = run(plan([], adherence, [folder], None), bigram(**odds)[0], tokenizer)
        table = summarise(items, adherence).set_index(["measure", "target"])
        assert np.isnan(table.loc[("accuracy_valid", "world"), "value"])
        assert table.loc[("accuracy_valid", "world"), "n"] == 0
        assert table.loc[("validity", "world"), "value"] == 0

    def test_prompts_longer_than_the_context_are_counted(self, folder, tokenizer):
        rows = [{"id": 0, "question": "cat " * 40, "choices": ["cat", "dog"], "answer": 0},
                {"id": 1, "question": "dog", "choices": ["cat", "dog"], "answer": 0}]  # fmt: skip
        (folder / "questions.json").write_text(json.dumps(rows))
        jobs = plan([{"name": "one", "task": "choose"}], [{"name": "world", "variants": VARIANTS}], [folder], None)
        _, metadata = run(jobs, bigram()[0], tokenizer)
        assert {entry["truncated"] for entry in metadata["tasks"].values()} == {1}


@pytest.fixture(scope="module")
def small():
    """A random GPT-NeoX, sharp enough that its answers differ, with a byte tokenizer."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    text = Tokenizer(models.BPE({character: number for number, character in enumerate(["<end>", *alphabet])}, []))
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=text, eos_token="<end>", bos_token="<end>")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = GPTNeoXConfig(vocab_size=257, max_position_embeddings=256, initializer_range=0.3, eos_token_id=0, **sizes)
    return GPTNeoXForCausalLM(config).eval(), tokenizer


@pytest.fixture
def ragged(folder):
    """Questions of very different lengths."""
    rows = [
        {
            "id": number,
            "question": "why " * (1 + 7 * number % 11) + "?",
            "choices": ["yes", "no", "perhaps not", "2"],
            "answer": 0,
        }
        for number in range(13)
    ]
    (folder / "questions.json").write_text(json.dumps(rows))
    return folder


@pytest.mark.usefixtures("one_thread")
def test_results_do_not_depend_on_batch_size_or_on_other_tasks(ragged, small):
    adherence = [{"name": "world", "variants": VARIANTS}]
    jobs = plan([{"name": "one", "task": "choose"}], adherence, [ragged], None)
    reference, _ = run(jobs, *small, batch_size=1)
    for selection, batch_size in ((jobs, 5), (jobs, 64), (jobs[::-1], 5), (jobs[2:3], 64)):
        names = [(job["name"], job["variant"]) for job in selection]
        items, _ = run(selection, *small, batch_size=batch_size)
        keys = ["task", "variant", "item"]
        wanted = reference[[pair in names for pair in zip(reference["task"], reference["variant"], strict=True)]]
        merged = wanted.merge(items, on=keys, validate="1:1")
        assert len(merged) == len(items) == len(wanted)
        assert (merged["response_x"].fillna("") == merged["response_y"].fillna("")).all()
        assert merged["correct_x"].equals(merged["correct_y"])
        np.testing.assert_allclose(merged["label_mass_x"], merged["label_mass_y"], rtol=1e-4)
        for ours, theirs in zip(merged["loglikelihoods_x"], merged["loglikelihoods_y"], strict=True):
            if ours is not None and np.ndim(ours):
                np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert reference["response"].nunique() > 3


@pytest.mark.usefixtures("one_thread")
def test_script_loads_the_checkpoint_once_and_stores_where_items_come_from(folder, small, tmp_path, monkeypatch):
    commit = "c" * 40
    repository = tmp_path / "hub" / "models--org--small"
    for part in small:
        part.save_pretrained(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "step8").write_text(commit)
    manifest = find_checkpoint("org/small", "step8", tmp_path / "hub")
    write_json(tmp_path / "manifest.json", manifest)
    paths = SimpleNamespace(checkpoint=tmp_path / "manifest.json", tasks=tmp_path / "items.parquet")
    loads = []
    monkeypatch.setattr(evaluate_tasks, "load_model", lambda *a, **k: loads.append(1) or load_model(*a, **k))
    jobs = plan([{"name": "one", "task": "choose"}], [{"name": "world", "variants": VARIANTS}], [folder], None)
    run_script(evaluate_tasks, paths, jobs=jobs, seed=0)
    items = read_table(paths.tasks)
    assert loads == [1]
    assert len(items) == 5 * 4
    assert items.attrs["revision"] == "step8"
    assert items.attrs["commit"] == commit
    assert items.attrs["fingerprint"] == manifest["fingerprint"]
    assert items.attrs["generation_config_hash"] == manifest["files"]["generation_config.json"]["sha256"]
    assert items.attrs["tasks"]["world.plain"]["n"] == 5
    reference, _ = run(jobs, *small)
    pd.testing.assert_frame_equal(summarise(items, []), summarise(reference, []))
    with pytest.raises(InputError, match="questions.json"):
        (folder / "questions.json").unlink()
        run_script(evaluate_tasks, paths, jobs=jobs, seed=0)
    assert loads == [1]


def test_broken_weights_are_named(folder, tokenizer):
    model, _ = bigram()
    model.table.data[:] = float("nan")
    with pytest.raises(InputError, match="item 0 of 'one' has the log-likelihoods .*nan.*weights are broken"):
        run(plan([{"name": "one", "task": "choose"}], [], [folder], None), model, tokenizer)


def test_nothing_is_written_to_the_user_s_cache(folder, tokenizer, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", home)
    run(plan([{"name": "one", "task": "choose"}], [], [folder], None), bigram()[0], tokenizer)
    assert not list(home.iterdir())


def test_means_of_item_scores_are_the_measures():
    rng = np.random.default_rng(0)
    accuracy = pd.DataFrame({"task": "quiz", "kind": "accuracy", "variant": "", "item": range(40), "chance": 0.25,
                             "correct": rng.integers(0, 2, 40).astype(float), "correct_norm": np.nan,
                             "majority": 0.5, "truncated": False})  # fmt: skip
    frames = [accuracy]
    for variant in VARIANTS:
        answers = rng.choice(["A", "B.", "2", "4", "cat"], 40)
        frames.append(pd.DataFrame({"task": "world", "kind": "adherence", "variant": variant["name"], "item": range(40),
                                    "response": answers, "target": 0, "label_mass": 0.5, "truncated": False,
                                    "loglikelihoods": [[0.0, -1, -1, -1]] * 40}))  # fmt: skip
    items, adherence = pd.concat(frames, ignore_index=True), [{"name": "world", "variants": VARIANTS}]
    table = summarise(items.sample(frac=1, random_state=0), adherence).set_index(["measure", "target"])["value"]
    scores = item_scores(items, adherence)
    keys = scores.groupby(["measure", "target"])
    assert set(keys.groups) == {("accuracy_rescaled", "quiz"), ("adherence", "world")}
    for measure, frame in keys:
        assert frame["item"].tolist() == list(range(40))
        assert frame["score"].mean() == pytest.approx(table[measure])


def test_variants_with_other_items_are_refused():
    items = pd.DataFrame({"task": "world", "kind": "adherence", "variant": ["letters", "letters", "digits", "plain"],
                          "item": [0, 1, 0, 0], "response": "A", "target": 0})  # fmt: skip
    with pytest.raises(InputError, match="'world': items by variant are .*'letters': 2, 'digits': 1"):
        summarise(items, [{"name": "world", "variants": VARIANTS}])


TURNS = (
    "{{ bos_token }}{% for turn in messages %}{% if turn.role != 'system' %}"
    "{{ turn.role | replace('user', 'cat') | replace('assistant', 'dog') }} {{ turn.content }} {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}answer {% endif %}"
)


class TestChatTemplate:
    @pytest.fixture
    def chatting(self, tokenizer):
        tokenizer.chat_template = TURNS
        return tokenizer

    def test_prompts_are_turns_and_likelihoods_those_behind_the_template(self, folder, chatting):
        model, logp = bigram(answer_dog=2.0)
        jobs = plan([{"name": "one", "task": "choose"}], [{"name": "world", "variants": VARIANTS}], [folder], None)
        tasks = load_tasks(jobs)
        items, metadata = evaluate(jobs, tasks, model, chatting, batch_size=4, seed=0, chat_template=True)
        (prompt, choice) = tasks["one"].instances[0].args
        assert (prompt, choice) == ("<end>cat cat ? answer ", "cat")
        for values in items[items["task"] == "one"]["loglikelihoods"]:
            np.testing.assert_allclose(values, logp.loc["answer", ["cat", "dog", "see", "sees"]], rtol=1e-5)
        letters = items[items["variant"] == "letters"]
        np.testing.assert_allclose(letters["label_mass"], np.exp(logp.loc["answer", list("ABCD")]).sum(), rtol=1e-5)
        assert metadata["chat_template_hash"] == hashlib.sha256(TURNS.encode()).hexdigest()

    def test_items_equal_those_of_the_harness(self, folder, chatting):
        from lm_eval import evaluator
        from lm_eval.models.huggingface import HFLM

        model, _ = bigram(answer_dog=2.0, **{"?_cat": 1.0})
        jobs = plan([{"name": "one", "task": "choose", "shots": 2}], [], [folder], None)
        ours, theirs = load_tasks(jobs, 3), load_tasks(jobs, 3)
        items, _ = evaluate(jobs, ours, model, chatting, batch_size=4, seed=3, chat_template=True)
        theirs["one"].set_fewshot_seed(3)
        lm = HFLM(pretrained=model, tokenizer=chatting, batch_size=4)
        ways = {"apply_chat_template": True, "fewshot_as_multiturn": True, "bootstrap_iters": 0}
        found = evaluator.evaluate(lm, {"tasks": theirs}, **ways)["samples"]["one"]
        for row, sample in zip(items.to_dict("records"), found, strict=True):
            assert row["correct"] == sample["acc"]
            np.testing.assert_allclose(row["loglikelihoods"], [v for v, _ in sample["filtered_resps"]], rtol=1e-5)

    def test_kind_silent_loss_what_a_template_leaves_out_comes_before_the_question(self, chatting):
        from triphase.tasks.harness_api import Scorer

        scorer = Scorer(bigram()[0], chatting, 1)
        said = [{"role": "system", "content": "is"}, {"role": "user", "content": "dog"}]
        assert scorer.apply_chat_template(said) == "<end>cat is\n\ndog answer "
        chatting.chat_template = "{{ raise_exception('no system') if messages[0].role == 'system' }}" + TURNS
        assert scorer.apply_chat_template(said) == "<end>cat is\n\ndog answer "
        scorer.use_template("{{ strftime_now('%d %b %Y') }}")
        assert scorer.apply_chat_template(said[1:]) == "26 Jul 2024"

    def test_a_tokenizer_without_one_is_refused(self, folder, tokenizer):
        jobs = plan([{"name": "one", "task": "choose"}], [], [folder], None)
        with pytest.raises(InputError, match="chat_template is true, but the tokenizer has no chat template"):
            evaluate(jobs, load_tasks(jobs), bigram()[0], tokenizer, batch_size=4, seed=0, chat_template=True)


def test_kind_provenance_checkpoints_with_different_templates_are_no_curve():
    from triphase.table.draws import task_series

    series = [{"model": "m", "checkpoint": name} for name in ("a", "b")]
    tables = [pd.DataFrame(columns=["kind", "task"]) for _ in series]
    tables[1].attrs["chat_template_hash"] = "1"
    with pytest.raises(InputError, match="models/m/chat_template: b has another chat template than a"):
        task_series(series, tables, [], 2, 0)


@pytest.mark.parametrize(
    ("metric", "lines", "told"),
    [
        ("mcc", "", r"metric 'mcc' of 'one' gives item 0 \(0, "),
        ("brier_score", "", r"metric 'brier_score' of 'one' gives item 0 \("),
        ("perplexity", "output_type: loglikelihood\ndoc_to_target: ' dog'\n", "gives item 0 -1"),
        ("word_perplexity", "output_type: loglikelihood_rolling\ndoc_to_target: cat ?\n", r"gives item 0 \("),
        ("bleu", "output_type: generate_until\ndoc_to_target: dog\n", "gives item 0"),
    ],
)
def test_kind_chance_a_metric_that_is_no_share_of_right_items_is_refused(folder, tokenizer, metric, lines, told):
    data = f"dataset_kwargs: {{data_files: {{test: {folder}/questions.json}}}}"
    choice = "output_type: multiple_choice\ndoc_to_choice: choices\ndoc_to_target: answer\n"
    (folder / "own.yaml").write_text(
        f"task: own\ndataset_path: json\ntest_split: test\n{data}\ndoc_to_text: '{{{{question}}}}'\n"
        f"{lines or choice}metric_list: [{{metric: {metric}}}]\n"
        + ("generation_kwargs: {max_gen_toks: 2, until: ['?']}\n" if metric == "bleu" else "")
    )
    jobs = plan([{"name": "one", "task": "own", "metric": metric}], [], [folder], None)
    with pytest.raises(InputError, match=told + ".*a mean over items of numbers from 0"):
        run(jobs, bigram(**{"?_dog": 2.0})[0], tokenizer)


def test_kind_chance_several_right_answers_as_text_are_refused_before_the_model_runs(folder):
    rows = [{"question": "cat ?", "choices": ["cat", "dog", "see"], "answer": ["cat", "dog"]}]
    (folder / "questions.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"item 0 of 'one' has the answers \['cat', 'dog'\]; .* numbers of choices"):
        load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))


def stopped_by_hand(model, tokenizer, prompt, stops, most):
    """Greedy answer token by token, cut before the first stop in the text so far: what `generate_until` has to give."""
    ids = tokenizer(prompt)["input_ids"]
    answer = []
    for _ in range(most):
        with torch.no_grad():
            answer.append(int(model(torch.tensor([ids + answer])).logits[0, -1].argmax()))
        text = tokenizer.decode(answer, skip_special_tokens=True)
        if answer[-1] == tokenizer.eos_token_id or any(stop in text for stop in stops):
            break
    for stop in stops:
        text = text.split(stop)[0]
    return text


@pytest.mark.parametrize("stops", [["ee"], ["t d"], ["og", "s s"], ["xyz"], ["\n", "c"]])
def test_a_stop_in_the_middle_of_a_token_cuts_there(folder, stops):
    words = ["<end>", "<unknown>", "cat", "dog", "sees", "see", "?", "digit", "letter", " "]
    inner = Tokenizer(
        models.BPE({w: i for i, w in enumerate(dict.fromkeys([*words, *"catdogsepilr"]))}, [], unk_token="<unknown>")
    )
    inner.add_tokens(words[2:])
    told = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", bos_token="<end>", unk_token="<unknown>")
    torch.manual_seed(1)
    config = GPTNeoXConfig(
        vocab_size=len(told), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.4,
    )  # fmt: skip
    model = GPTNeoXForCausalLM(config).eval()
    base = (folder / "base_ask").read_text()
    base = base.replace("until: ['\\n'], max_gen_toks: 3", f"until: {json.dumps(stops)}, max_gen_toks: 12")
    (folder / "base_ask").write_text(base)
    jobs = plan([], [{"name": "world", "variants": VARIANTS}], [folder], None)
    tasks = load_tasks(jobs)
    items, _ = evaluate(jobs, tasks, model, told, batch_size=4, seed=0)
    for name, frame in items.groupby("variant"):
        prompts = [instance.args[0] for instance in tasks[f"world.{name}"].instances]
        expected = [stopped_by_hand(model, told, prompt, stops, 12) for prompt in prompts]
        assert frame["response"].tolist() == expected
