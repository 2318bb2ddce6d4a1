"""Documents of tasks: shots, and what is refused before a model is loaded."""

import json
import re

import pytest
from known_models import WORDS, Copier, bigram, word_tokenizer

from triphase.core.errors import InputError
from triphase.tasks.documents import load_tasks, read_documents
from triphase.tasks.harness import evaluate
from triphase.tasks.measures import item_scores, summarise
from triphase.tasks.plan import plan

pytestmark = pytest.mark.model

LABELS = {"letters": ["A", "B", "C"], "digits": ["1", "2", "3"], "plain": []}
CHOICES = ["cat", "dog", "sees"]
# Questions are words that the tokenizer has, each of its own.
QUESTIONS = [
    f"{first} {second} {third}" for first in ("cat", "dog") for second in ("see", "sees") for third in ("is", "?")
]


@pytest.fixture
def folder(tmp_path):
    """Tasks of which all prompts end in "answer", and their data."""
    items = [{"id": n, "question": text, "choices": CHOICES, "answer": n % 3} for n, text in enumerate(QUESTIONS)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    head = f"dataset_path: json\ntest_split: test\ndataset_kwargs: {{data_files: {{test: {tmp_path}/items.jsonl}}}}\n"
    choose = (
        "output_type: multiple_choice\ndoc_to_choice: choices\ndoc_to_target: answer\nmetric_list: [{metric: acc}]\n"
    )
    (tmp_path / "choose.yaml").write_text(f"task: choose\n{head}{choose}doc_to_text: '{{{{question}}}} answer'\n")
    metrics = "metric_list: [{metric: exact_match}]\n"
    kind = "output_type: generate_until\ngeneration_kwargs: {until: ['\\n'], max_gen_toks: 1, do_sample: false}\n"
    for name, word in (("letters", "letter "), ("digits", "digit "), ("plain", "")):
        target = LABELS[name] or CHOICES
        text = f"doc_to_text: '{{{{question}}}} {word}answer'\ndoc_to_target: '{{{{ {target}[answer] }}}}'\n"
        (tmp_path / f"{name}.yaml").write_text(f"task: {name}\n{head}{metrics}{kind}{text}".replace("'{{ ['", '"{{ [\'')
                                               .replace("[answer] }}'", '[answer] }}"'))  # fmt: skip
    return tmp_path


def world(**keys):
    """An adherence entry of three variants."""
    variants = [{"name": name, "task": name, "labels": labels} for name, labels in LABELS.items()]
    return [{"name": "world", "variants": variants, **keys}]


def prompts(task):
    task.set_fewshot_seed(seed=0)
    task.build_all_requests(rank=0, world_size=1)
    return list(dict.fromkeys(instance.args[0] for instance in task.instances))


class TestShots:
    def test_an_evaluation_draws_other_items_with_their_answers(self, folder):
        jobs = plan([{"name": "one", "task": "choose", "shots": 3}], [], [folder], None)
        for question, prompt in zip(QUESTIONS, prompts(load_tasks(jobs)["one"]), strict=True):
            *shots, last = prompt.split("\n\n")
            assert last == f"{question} answer"
            assert len(shots) == len(set(shots)) == 3
            for shot in shots:
                text, answer = shot.split(" answer ")
                assert text != question
                assert answer == CHOICES[QUESTIONS.index(text) % 3]

    def test_they_do_not_depend_on_the_limit(self, folder):
        jobs = plan([{"name": "one", "task": "choose", "shots": 2, "limit": 3}], [], [folder], None)
        model, _ = bigram()
        items, metadata = evaluate(jobs, load_tasks(jobs), model, word_tokenizer(), batch_size=4, seed=0)
        assert len(items) == metadata["tasks"]["one"]["n"] == 3
        assert metadata["tasks"]["one"]["shots"] == 2
        jobs = plan([{"name": "one", "task": "choose", "shots": 2}], [], [folder], None)
        every, _ = evaluate(jobs, load_tasks(jobs), model, word_tokenizer(), batch_size=4, seed=0)
        assert items["loglikelihoods"].to_list() == every["loglikelihoods"].to_list()[:3]

    def test_those_of_adherence_hold_no_label_and_are_the_same_under_every_instruction(self, folder):
        tasks = load_tasks(plan([], world(shots=2), [folder], None))
        asked = {name: prompts(tasks[f"world.{name}"]) for name in LABELS}
        labels = {label for own in LABELS.values() for label in own}
        for number, question in enumerate(QUESTIONS):
            shots = {name: texts[number].split("\n\n")[:-1] for name, texts in asked.items()}
            assert shots["letters"] == shots["digits"] == shots["plain"]
            assert len(shots["plain"]) == 2
            for shot in shots["plain"]:
                assert not shot.startswith(question)
                assert not labels & set(shot.split())
            assert asked["letters"][number].endswith(f"{question} letter answer")
        assert len({texts.rsplit("\n\n", 1)[0] for texts in asked["plain"]}) > 3

    def test_a_copier_of_the_last_shot_and_a_constant_responder_follow_nothing(self, folder):
        entries, tokenizer = world(shots=2), word_tokenizer()
        jobs = plan([], entries, [folder], None)
        tasks = load_tasks(jobs)
        copied, metadata = evaluate(
            jobs, tasks, Copier([[0.0] * len(WORDS)] * len(WORDS)), tokenizer, batch_size=3, seed=0
        )
        assert metadata["tasks"]["world.letters"]["shots"] == 2
        lasts = [prompt.split("\n\n")[-2].split()[-1] for prompt in prompts(tasks["world.letters"])]
        for _, frame in copied.groupby("variant"):
            assert [text.strip() for text in frame["response"]] == lasts
        constant, _ = evaluate(jobs, tasks, bigram(answer_A=9)[0], tokenizer, batch_size=3, seed=0)
        assert set(constant["response"].str.strip()) == {"A"}
        for items in (copied, constant):
            table = summarise(items, entries).set_index(["measure", "target"])["value"]
            assert abs(table["adherence", "world"]) < 0.05
            assert abs(table["adherence_lenient", "world"]) < 0.05
            assert set(item_scores(items, entries)["score"]) == {0.0}

    def test_kind_chat_those_of_adherence_are_turns_under_a_chat_template(self, folder):
        tasks = load_tasks(plan([], world(shots=2), [folder], None))
        plain = {name: prompts(tasks[f"world.{name}"]) for name in LABELS}
        for name in LABELS:
            task = tasks[f"world.{name}"]
            ways = {"apply_chat_template": True, "fewshot_as_multiturn": True, "chat_template": lambda said, **_: said}
            for number, item in enumerate(task.eval_docs):
                turns = task.fewshot_context(item, 2, **ways)
                assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
                assert {turn["content"] for turn in turns[1::2]} <= set(CHOICES)
                shots = "".join(
                    f"{question['content']} {answer['content']}\n\n"
                    for question, answer in zip(turns[::2], turns[1::2], strict=False)
                )
                assert shots + turns[-1]["content"] == plain[name][number]

    def test_answers_that_are_empty_make_no_shots(self, folder):
        path = folder / "plain.yaml"
        path.write_text(re.sub("doc_to_target:.*", "doc_to_target: ''", path.read_text()))
        load_tasks(plan([], world(), [folder], None))
        with pytest.raises(InputError, match="'world': item 0 of 'plain', from which shots are drawn, has no answer"):
            load_tasks(plan([], world(shots=1), [folder], None))

    def test_too_few_items_are_refused(self, folder):
        with pytest.raises(InputError, match="'one' draws 8 shots from 8 items; more items than shots"):
            load_tasks(plan([{"name": "one", "task": "choose", "shots": 8}], [], [folder], None))
        with pytest.raises(InputError, match="'world': 8 shots of 8 items"):
            load_tasks(plan([], world(shots=8), [folder], None))

    def test_answers_in_words_that_are_labels_are_refused(self, folder):
        entries = world(shots=1)
        entries[0]["variants"][0]["labels"] = ["cat", "dog", "sees"]
        (folder / "letters.yaml").write_text(
            (folder / "letters.yaml").read_text().replace("'A', 'B', 'C'", "'cat', 'dog', 'sees'")
        )
        with pytest.raises(InputError, match="item 0 of 'plain'.*has the answer 'cat', which is a label"):
            load_tasks(plan([], entries, [folder], None))


class TestRefused:
    def change(self, folder, number=2, **keys):
        items = read_documents(folder / "items.jsonl")
        items[number].update(keys)
        (folder / "items.jsonl").write_text(json.dumps(items))

    def test_a_right_answer_that_is_no_choice(self, folder):
        self.change(folder, answer=7)
        with pytest.raises(
            InputError, match=r"item 2 of 'one' has the answer 7, which is none of \['cat'.*from 0 to 2"
        ):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    @pytest.mark.parametrize("keys", [{"answer": 3}, {"choices": ["", "dog", "sees"]}])
    def test_a_first_item_that_the_harness_itself_stumbles_over(self, folder, keys):
        self.change(folder, number=0, **keys)
        with pytest.raises(InputError, match="item 0 of 'one' has an answer that is none of its choices, or an empty"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    @pytest.mark.parametrize("by", ["{{answer}}", "{{answer | trim}}"])
    def test_kind_two_meanings_digits_that_are_a_choice_and_the_number_of_another(self, folder, by):
        for number in range(len(QUESTIONS)):
            self.change(folder, number, choices=["1", "2", "3"], answer=str(number % 2 + 1))
        path = folder / "choose.yaml"
        path.write_text(path.read_text().replace("doc_to_target: answer", f"doc_to_target: '{by}'"))
        jobs = plan([{"name": "one", "task": "choose"}], [], [folder], None)
        with pytest.raises(InputError, match=r"item 0 of 'one' has the answer 1, .*choose.yaml let doc_to_target name"):
            load_tasks(jobs)
        path.write_text(path.read_text().replace(f"'{by}'", "answer"))
        task = load_tasks(jobs)["one"]
        assert [task.doc_to_target(item) for item in task.eval_docs][:2] == ["1", "2"]

    def test_a_right_answer_that_is_no_label(self, folder):
        entries = world()
        entries[0]["variants"][0]["labels"] = ["A", "B", "D"]
        with pytest.raises(
            InputError, match=r"item 2 of 'world.letters' has the answer 'C', which is none of the labels"
        ):
            load_tasks(plan([], entries, [folder], None))

    def test_an_empty_choice(self, folder):
        self.change(folder, choices=["cat", "", "dog"])
        with pytest.raises(InputError, match="item 2 of 'one' has the choices .*none of them empty"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    def test_a_field_that_the_items_lack(self, folder):
        path = folder / "choose.yaml"
        path.write_text(path.read_text().replace("{{question}}", "{{query}}"))
        with pytest.raises(InputError, match="'choose' of 'one' does not fit its items: UndefinedError: 'query'"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    def test_an_item_without_a_field_that_the_others_have(self, folder):
        items = read_documents(folder / "items.jsonl")
        del items[3]["question"]
        (folder / "items.jsonl").write_text(json.dumps(items))
        with pytest.raises(InputError, match="item 3 of 'one' does not fit the YAML of 'choose': .*'question'"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), {"a": [float("nan")]}])
    def test_a_field_that_is_no_value(self, folder, bad):
        self.change(folder, question=bad)
        with pytest.raises(InputError, match="items.jsonl: 'question' of item 2 is .*, which is no value"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    def test_two_equal_choices(self, folder):
        self.change(folder, choices=["cat", "dog", "cat"])
        with pytest.raises(InputError, match="item 2 of 'one' has two equal choices"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    def test_a_template_that_reaches_into_python(self, folder, tmp_path):
        path = folder / "choose.yaml"
        order = '{{ cycler.__init__.__globals__.os.mkdir("%s") }}' % (tmp_path / "made")
        path.write_text(re.sub("doc_to_text:.*", f"doc_to_text: '{order}'", path.read_text()))
        with pytest.raises(InputError, match="'choose' of 'one' does not fit its items: SecurityError"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))
        assert not (tmp_path / "made").exists()

    def test_code_that_needs_a_package_is_told_how_to_get_it(self, folder):
        (folder / "own_code.py").write_text("import no_such_package_of_ours.inner\ndef text(doc):\n    return doc\n")
        path = folder / "choose.yaml"
        path.write_text(re.sub("doc_to_text:.*", "doc_to_text: !function own_code.text", path.read_text()))
        with pytest.raises(InputError, match="'choose' .*package 'no_such_package_of_ours'.* -m pip install no_such"):
            load_tasks(plan([{"name": "one", "task": "choose"}], [], [folder], None))

    def test_items_that_are_no_objects(self, tmp_path):
        (tmp_path / "list").write_text("[1, 2]")
        with pytest.raises(InputError, match="list holds something else than items"):
            read_documents(tmp_path / "list")


def test_an_object_of_items_is_read_with_their_ids(tmp_path):
    (tmp_path / "file").write_text(json.dumps({"7": {"a": 1}, "8": {"a": 2}}))
    assert read_documents(tmp_path / "file") == [{"id": "7", "a": 1}, {"id": "8", "a": 2}]
    (tmp_path / "file").write_text(json.dumps({"a": 1, "b": "c"}))
    assert read_documents(tmp_path / "file") == [{"a": 1, "b": "c"}]


def test_empty_completions_are_no_answers(folder):
    model, _ = bigram(**{"answer_<end>": 9})
    jobs = plan([], world(), [folder], None)
    items, _ = evaluate(jobs, load_tasks(jobs), model, word_tokenizer(), batch_size=3, seed=0)
    assert set(items["response"]) == {""}
    table = summarise(items, world()).set_index(["measure", "target"])["value"]
    assert table["validity", "world"] == table["adherence", "world"] == table["answer_entropy", "world"] == 0


def test_following_and_knowing_are_told_apart(folder):
    # Never a label, but of the labels "B" and "2" are likeliest: the right ones where the answer is 1, of 8 items 3.
    model, _ = bigram(answer_cat=9, answer_B=2, answer_2=2)
    jobs = plan([], world(), [folder], None)
    items, _ = evaluate(jobs, load_tasks(jobs), model, word_tokenizer(), batch_size=3, seed=0)
    table = summarise(items, world()).set_index(["measure", "target"])
    assert table.loc[("validity", "world"), "value"] == 0
    assert table.loc[("accuracy_likelihood", "world"), "value"] == pytest.approx(3 / 8)
    assert table.loc[("accuracy_likelihood", "world"), "n"] == 8


def test_a_choice_longer_than_the_context_leaves_the_task_out(folder):
    items = read_documents(folder / "items.jsonl")
    items[1]["choices"] = ["cat", "dog " * 40, "see"]
    (folder / "items.jsonl").write_text(json.dumps(items))
    jobs = plan([{"name": "one", "task": "choose"}], [], [folder], None)
    items, metadata = evaluate(jobs, load_tasks(jobs), bigram()[0], word_tokenizer(), batch_size=3, seed=0)
    assert items.empty
    assert "an answer has 40 tokens, the model's context is 32" in metadata["missing"]["one"]
    items.attrs["missing"] = metadata["missing"]
    assert summarise(items, []).set_index(["measure", "target"]).loc[("accuracy", "one"), "n"] == 0


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_lines_end_at_line_feeds_alone(tmp_path, mark):
    rows = [{"question": f"first line{mark}second line"}, {"question": "b"}]
    for end in ("\n", "\r\n"):
        text = "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
        (tmp_path / "items.jsonl").write_bytes(text.encode())
        assert read_documents(tmp_path / "items.jsonl") == rows
