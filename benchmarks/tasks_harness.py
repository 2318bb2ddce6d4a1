"""Tasks: known answers, agreement with direct scoring, and speed of the harness as it is used here.

Part of the figures of tasks and states. The model that speed is measured on has 10 million parameters, random
weights and a tokenizer trained on the items. The plain loop is what one would write by hand: encode context and answer,
sort by length, pad, run the model, take the softmax over the vocabulary and pick the answer's tokens.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from project import TEST_DATA, Project  # noqa: E402
from reporting import figure  # noqa: E402

TASKS = ROOT / "resources/tasks"
PUBMEDQA, BLIMP = "tasks/pubmedqa/ori_pqal.json", "tasks/blimp"
REPEATS, THREADS, BATCH = 3, 2, 64
# The plain loop runs every answer after an abstract of its own: as throughput is per item, it gets every fifth item.
PUBMEDQA_STEP, DIRECT_STEP = 5, 10
SPEED_GOAL, EXACT_GOAL, JOB_GOAL = 0.9, 1e-4, 12
STEPS = [0, 16]


def model_and_tokenizer():
    """A GPT-NeoX of 10 million parameters with random weights, and a tokenizer trained on the items."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    from triphase.tasks.documents import read_documents

    texts = [" ".join(row["CONTEXTS"]) for row in read_documents(TEST_DATA / PUBMEDQA)]
    for path in sorted((TEST_DATA / BLIMP).glob("*.jsonl")):
        texts += [row["sentence_good"] for row in read_documents(path)]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=8192, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=8192, hidden_size=256, num_hidden_layers=7, num_attention_heads=8, intermediate_size=1024,
        max_position_embeddings=2048, eos_token_id=0,
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", bos_token="<end>")
    return GPTNeoXForCausalLM(config).eval(), tokenizer


def plain_loop(model, tokenizer, pairs):
    """Log-likelihood of the second text of each pair after the first, in batches of equal size."""
    import torch

    encoded, answers = [], np.zeros(len(pairs))
    for context, answer in pairs:
        before = tokenizer.encode(context) if context else [tokenizer.bos_token_id]
        encoded.append((before, tokenizer.encode(context + answer)[len(before) if context else 0 :]))
    order = sorted(range(len(pairs)), key=lambda index: -sum(map(len, encoded[index])))
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            longest = sum(map(len, encoded[chosen[0]])) - 1
            rows = [[*encoded[index][0], *encoded[index][1]][:-1] for index in chosen]
            inputs = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
            scores = torch.log_softmax(model(inputs).logits, -1)
            for row, index, ids in zip(scores, chosen, rows, strict=True):
                target = torch.tensor(encoded[index][1])
                answers[index] = row[len(ids) - len(target) : len(ids)].gather(1, target[:, None]).sum()
    return answers


def pubmedqa_pairs():
    """Prompt and answer of every question: list of (context, answer), three for each."""
    from triphase.tasks.documents import read_documents

    return [
        ("Abstract: " + "\n".join(row["CONTEXTS"]) + f"\nQuestion: {row['QUESTION']}\nAnswer:", f" {answer}")
        for row in read_documents(TEST_DATA / PUBMEDQA)
        for answer in ("yes", "no", "maybe")
    ]


def blimp_pairs():
    """Sentences of all paradigms with an empty context: list of (context, answer), two for each item."""
    from triphase.tasks.documents import read_documents

    return [
        ("", f" {row[key]}")
        for path in sorted((TEST_DATA / BLIMP).glob("*.jsonl"))
        for row in read_documents(path)
        for key in ("sentence_good", "sentence_bad")
    ]


def jobs_of(name):
    """Planned evaluations of PubMedQA, or of all BLiMP paradigms."""
    from triphase.tasks.plan import plan

    if name == "PubMedQA":
        files = {"pubmedqa": ("pubmedqa_labelled", PUBMEDQA)}
    else:
        paths = sorted((TEST_DATA / BLIMP).glob("*.jsonl"))
        files = {path.stem: ("blimp_pairs", f"{BLIMP}/{path.name}") for path in paths}
    entries = [{"name": name, "task": task, "data": f"{{local_data}}/{data}"} for name, (task, data) in files.items()]
    return plan(entries, [], [TASKS], TEST_DATA)


def speed_and_agreement():
    """Throughput beside the plain loop, taking turns, and likelihoods beside those of single sentences."""
    import torch

    from triphase.tasks.documents import load_tasks
    from triphase.tasks.harness import evaluate

    torch.set_num_threads(THREADS)
    model, tokenizer = model_and_tokenizer()
    rows = []
    for name, pairs, choices, step in (
        ("PubMedQA", pubmedqa_pairs(), 3, PUBMEDQA_STEP),
        ("BLiMP", blimp_pairs(), 2, 1),
    ):
        jobs = jobs_of(name)
        part = [pair for item in range(0, len(pairs) // choices, step) for pair in pairs[item * choices :][:choices]]
        plain_loop(model, tokenizer, part[:BATCH])  # warm-up
        ours, plain = [], []
        for _ in range(REPEATS):
            start = time.perf_counter()
            items, _ = evaluate(jobs, load_tasks(jobs), model, tokenizer, batch_size=BATCH, seed=0)
            ours.append(len(items) / (time.perf_counter() - start))
            start = time.perf_counter()
            plain_loop(model, tokenizer, part)
            plain.append(len(part) / choices / (time.perf_counter() - start))
        times = statistics.median(ours) / statistics.median(plain)
        rows.append(figure(f"tasks: {name}, times the plain loop's throughput", round(times, 2), f">= {SPEED_GOAL}",
                           times >= SPEED_GOAL, items_per_s=ours, plain_items_per_s=plain))  # fmt: skip
    found = np.concatenate(items["loglikelihoods"].to_list())[::DIRECT_STEP]
    alone = np.array([plain_loop(model, tokenizer, [pair])[0] for pair in pairs[::DIRECT_STEP]])
    distance = float(np.abs(found / alone - 1).max())
    name = "tasks: BLiMP, largest relative distance from sentences scored one by one"
    rows.append(figure(name, f"{distance:.0e}", f"<= {EXACT_GOAL}", distance <= EXACT_GOAL, sentences=len(alone)))
    return rows


def known_figures():
    """Accuracy of hand-made models with a known bias, on all three kinds of task."""
    from known_models import bigram, word_tokenizer

    from triphase.tasks.documents import load_tasks
    from triphase.tasks.harness import evaluate
    from triphase.tasks.measures import summarise
    from triphase.tasks.plan import plan

    # After "?" the model says "dog"; verbs agree with "cat" and not with "dog"; after "letter" it says B, then ends.
    odds = {"?_dog": 5, "cat_sees": 1, "dog_see": 1, "letter_B": 5, "digit_3": 5, "B_<end>": 9, "3_<end>": 9}
    model, _ = bigram(**odds, answer_cat=5)
    variants = [
        {"name": "letters", "task": "letters", "labels": ["A", "B", "C", "D"]},
        {"name": "digits", "task": "digits", "labels": ["1", "2", "3", "4"]},
        {"name": "plain", "task": "plain", "labels": []},
    ]
    world = [{"name": "world", "variants": variants}]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        questions = [{"choices": ["cat", "dog", "see", "sees"], "answer": number % 4} for number in range(10)]
        (folder / "questions").write_text(json.dumps(questions))
        pairs = [{"sentence_good": f"{noun} sees", "sentence_bad": f"{noun} see"} for noun in ("cat", "dog", "cat")]
        (folder / "pairs").write_text(json.dumps(pairs))
        head = f"dataset_path: json\ntest_split: test\ndataset_kwargs: {{data_files: {folder}/questions}}\n"
        choice = (
            "output_type: multiple_choice\ndoc_to_text: '?'\ndoc_to_choice: choices\nmetric_list: [{metric: acc}]\n"
        )
        ask = "output_type: generate_until\ngeneration_kwargs: {until: ['\\n'], max_gen_toks: 2, do_sample: false}\n"
        target = "doc_to_target: answer\n"
        (folder / "choose.yaml").write_text(f"task: choose\n{head}{choice}{target}")
        for variant, word in (("letters", "letter"), ("digits", "digit"), ("plain", "is answer")):
            (folder / f"{variant}.yaml").write_text(f"task: {variant}\n{head}{ask}{target}doc_to_text: {word}\n")
        entries = [
            {"name": "choose", "task": "choose"},
            {"name": "pairs", "task": "blimp_pairs", "data": str(folder / "pairs")},
        ]
        jobs = plan(entries, world, [folder, TASKS], None)
        items, _ = evaluate(jobs, load_tasks(jobs), model, word_tokenizer(), batch_size=4, seed=0)
    found = summarise(items, world).set_index(["measure", "target"])["value"]
    # "dog" (1) is right for items 1, 5, 9; "sees" after "cat" in two pairs of three; B (1) and 3 (2) for 3 and 2 items.
    expected = {
        "multiple choice": {("accuracy", "choose"): 0.3},
        "minimal pairs": {("accuracy", "pairs"): 2 / 3},
        "generation": {("accuracy_valid", "world"): 5 / 20, ("adherence", "world"): 1.0},
    }
    rows = []
    for kind, measures in expected.items():
        error = max(abs(found[measure] - value) for measure, value in measures.items())
        rows.append(figure(f"tasks: {kind}, error on a known model", float(error), "<= 1e-12", error <= 1e-12))
    return rows


def job_figure():
    """Seconds of one checkpoint's jobs of tasks and states in the embedded study, one core each, nothing else running.

    The models are trained for a few steps only: an untrained one generates longer answers than a trained one.
    """
    import yaml

    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    model = study["models"][0]
    model["train"] |= {"saves": STEPS}
    model["checkpoints"] = [{"name": f"step{step}", "revision": f"step{step}", "step": step} for step in STEPS]
    name, last = model["name"], f"step{STEPS[-1]}"
    targets = {
        "evaluate_tasks": f"tasks/{name}/{last}.parquet",
        "measure_states": f"states/{name}/{last}.parquet",
        "measure_mechanism": f"states/mechanism/{name}/{last}.parquet",
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project(Path(folder))
        paths = [f"results/embedded/{path}" for path in targets.values()]
        done = project.snakemake(*paths, "--cores", "1", overlay={"models": [model]})
        if done.returncode:
            sys.exit(done.stdout[-5000:])
        records = {rule: Path(folder) / f"results/embedded/benchmarks/{rule}/{name}/{last}.tsv" for rule in targets}
        seconds = {rule: float(path.read_text().splitlines()[1].split("\t")[0]) for rule, path in records.items()}
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)  # annexed files are write-protected
    total = sum(seconds.values())
    row = "tasks: embedded study, tasks and states of a checkpoint, s"
    return figure(row, round(total, 1), f"<= {JOB_GOAL}", total <= JOB_GOAL, seconds=seconds)


def task_figures():
    """All figures of tasks: list of dict."""
    rows = [*known_figures(), job_figure()]
    if (TEST_DATA / PUBMEDQA).is_file():
        return rows + speed_and_agreement()
    goal = f">= {SPEED_GOAL}"
    reason = f"no {PUBMEDQA} in {TEST_DATA} (TRIPHASE_TEST_DATA)"
    return rows + [
        figure("tasks: PubMedQA, times the plain loop's throughput", reason, goal, None),
        figure("tasks: BLiMP, times the plain loop's throughput", reason, goal, None),
        figure("tasks: BLiMP, largest relative distance from sentences scored one by one", reason,
               f"<= {EXACT_GOAL}", None),
    ]  # fmt: skip
