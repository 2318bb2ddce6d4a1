"""Small networks that are really trained, many side by side, and the published faults of checkpoint series.

Each series is a residual network on a language of its own (a second-order Markov chain), trained with AdamW. The
networks of one group differ in seed, language, schedule and peak rate and share their shapes, so that one batched
product trains all of them.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from triphase.checkpoints.integrity.fingerprint import fingerprint_tensors
from triphase.checkpoints.integrity.schedule import learning_rates

SCHEDULES = ("cosine", "constant", "restart", "annealing", "jump", "spikes")
STEPS, BATCH, VOCABULARY, DECAY, BETAS = 400, 16, 64, 0.1, (0.9, 0.95)
SAVES = (0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 200, 240, 280, 320, 340, 360, 380, 400)
LATE = (385, 390, 395)  # states near the end that no series publishes
# width, layers, files, how weights start, type that they are stored in
GROUPS = (
    (16, 6, 3, "neox", "float32"),
    (24, 8, 2, "normal", "float16"),
    (16, 9, 3, "normal", "bfloat16"),
    (32, 6, 2, "neox", "float16"),
)


@dataclass(frozen=True)
class Run:
    """One clean series: `marks` by step, also of `LATE`; what `check_series` is told of it."""

    name: str
    marks: dict
    schedule: dict
    initialisation: dict

    def entries(self):
        return [{"name": f"step{step}", "step": step} for step in SAVES]

    def published(self):
        return {f"step{step}": self.marks[step] for step in SAVES}


def schedule_of(number, rng):
    """Schedule of one series by its number; all kinds come up equally often."""
    kind, peak = SCHEDULES[number % len(SCHEDULES)], float(rng.choice([1e-3, 2e-3, 4e-3]))
    shared = {"peak": peak, "warmup": int(rng.choice([20, 40])), "total": STEPS, "final": 0.1, "betas": list(BETAS)}
    if kind == "constant":
        return kind, {**shared, "kind": "constant"}
    if kind == "restart":
        return kind, {**shared, "kind": "cosine", "restarts": [200]}
    if kind == "annealing":
        return kind, {**shared, "kind": "constant_linear", "decay": 300, "final": 0.0}
    return kind, {**shared, "kind": "cosine"}


def train_group(group, count, seed=0):
    """Train `count` series of one of `GROUPS`: list of `Run`."""
    width, layers, n_files, start, dtype = GROUPS[group]
    rng = np.random.default_rng([seed, group])
    generator = torch.Generator().manual_seed(1000 * seed + group)
    kinds, schedules = zip(*[schedule_of(i + group, rng) for i in range(count)], strict=True)
    rates = torch.tensor(np.stack([learning_rates(s, STEPS) for s in schedules]), dtype=torch.float32)
    weights = _initial(count, width, layers, start, generator)
    moments = {name: (torch.zeros_like(w), torch.zeros_like(w)) for name, w in weights.items()}
    languages = [torch.rand(count, VOCABULARY, VOCABULARY, generator=generator) ** 12 for _ in range(2)]
    jumping = torch.tensor([kind == "jump" for kind in kinds])
    spiking = torch.tensor([kind == "spikes" for kind in kinds])
    kept = {0: _copies(weights)}
    for step in range(1, STEPS + 1):
        chain = torch.where((jumping & (step > 180))[:, None, None], languages[1], languages[0])
        one = torch.randint(VOCABULARY, (count, BATCH), generator=generator)
        two = _follow(chain, one, generator)
        target = _follow(chain, (one * 7 + two) % VOCABULARY, generator)
        if step in (150, 151, 152, 250):  # a burst of senseless batches
            noise = torch.randint(VOCABULARY, (count, BATCH), generator=generator)
            target = torch.where(spiking[:, None], noise, target)
        loss = _loss(weights, one, two, target, layers)
        gradients = torch.autograd.grad(loss.sum(), list(weights.values()))
        norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
        _update(weights, moments, gradients, 1 / norm.clamp(min=1), rates[:, step - 1], step)
        if step in SAVES or step in LATE:
            kept[step] = _copies(weights)
    initialisation = {"gains": 1, "biases": 0, **({"weights": "gpt-neox"} if start == "neox" else {"std": 0.02})}
    config = {"hidden_size": width, "num_hidden_layers": layers, "vocab_size": VOCABULARY}
    files = {name: file_of(name, layers, n_files) for name in weights}
    runs = []
    for i in range(count):
        marks = {}
        for step, saved in kept.items():
            tensors = [(n, files[n], w[i].to(getattr(torch, dtype))) for n, w in saved.items()]
            mark = fingerprint_tensors(tensors, tokenizer={"hash": "a" * 64, "entries": VOCABULARY}, config=config)
            marks[step] = rehashed(mark)
        runs.append(Run(f"{kinds[i]}-{group}-{i}", marks, {**schedules[i], "weight_decay": DECAY}, initialisation))
    return runs


def rehashed(mark):
    """The fingerprint with hashes of its files that follow from their tensors."""
    held = {file: [h for h, f in zip(mark.hashes, mark.files, strict=True) if f == file] for file in mark.weights}
    return replace(mark, weights={file: "".join(h[:8] for h in hashes) for file, hashes in held.items()})


def file_of(name, layers, n_files):
    """Where a tensor is stored: layers in order over the files, the embedding in the first, the head in the last."""
    parts = name.split(".")
    layer = int(parts[2]) if "layers" in parts else (0 if "embed_in" in name else layers - 1)
    return f"pytorch_model-{layer * n_files // layers + 1:05d}-of-{n_files:05d}.bin"


def _initial(count, width, layers, start, generator):
    inner = 0.02 if start == "normal" else math.sqrt(2 / (5 * width))
    outer = 0.02 if start == "normal" else 2 / (layers * math.sqrt(width))

    def drawn(rows, columns, std):
        return torch.randn(count, rows, columns, generator=generator) * std

    weights = {"gpt_neox.embed_in.weight": drawn(VOCABULARY, width, inner)}
    for layer in range(layers):
        at = f"gpt_neox.layers.{layer}."
        weights[at + "input_layernorm.weight"] = torch.ones(count, width)
        weights[at + "input_layernorm.bias"] = torch.zeros(count, width)
        weights[at + "mlp.dense_h_to_4h.weight"] = drawn(4 * width, width, inner)
        weights[at + "mlp.dense_h_to_4h.bias"] = torch.zeros(count, 4 * width)
        weights[at + "mlp.dense_4h_to_h.weight"] = drawn(width, 4 * width, outer)
        weights[at + "mlp.dense_4h_to_h.bias"] = torch.zeros(count, width)
    weights["gpt_neox.final_layer_norm.weight"] = torch.ones(count, width)
    weights["gpt_neox.final_layer_norm.bias"] = torch.zeros(count, width)
    weights["embed_out.weight"] = drawn(VOCABULARY, width, inner)
    return {name: value.requires_grad_() for name, value in weights.items()}


def _follow(chain, tokens, generator):
    rows = torch.gather(chain, 1, tokens[:, :, None].expand(-1, -1, chain.shape[2]))
    return torch.multinomial(rows.flatten(0, 1), 1, generator=generator).reshape(tokens.shape)


def _loss(weights, one, two, target, layers):
    embedding = weights["gpt_neox.embed_in.weight"]
    which = torch.arange(len(embedding))[:, None]
    hidden = embedding[which, one] + embedding[which, two].roll(1, -1)

    def normed(values, name):
        scaled = torch.nn.functional.layer_norm(values, values.shape[-1:])
        return scaled * weights[name + ".weight"][:, None] + weights[name + ".bias"][:, None]

    for layer in range(layers):
        at = f"gpt_neox.layers.{layer}."
        inner = normed(hidden, at + "input_layernorm") @ weights[at + "mlp.dense_h_to_4h.weight"].mT
        inner = torch.relu(inner + weights[at + "mlp.dense_h_to_4h.bias"][:, None])
        hidden = hidden + inner @ weights[at + "mlp.dense_4h_to_h.weight"].mT
        hidden = hidden + weights[at + "mlp.dense_4h_to_h.bias"][:, None]
    scores = normed(hidden, "gpt_neox.final_layer_norm") @ weights["embed_out.weight"].mT
    picked = torch.log_softmax(scores, -1).gather(-1, target[:, :, None])
    return -picked.mean((1, 2))


def _update(weights, moments, gradients, scale, rate, step):
    with torch.no_grad():
        for (name, value), gradient in zip(weights.items(), gradients, strict=True):
            shape = (-1,) + (1,) * (value.dim() - 1)
            gradient = gradient * scale.view(shape)
            first, second = moments[name]
            first.mul_(BETAS[0]).add_(gradient, alpha=1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            update = first / (1 - BETAS[0] ** step) / ((second / (1 - BETAS[1] ** step)).sqrt() + 1e-8)
            if value.dim() == 3:
                value.mul_(1 - rate.view(shape) * DECAY)
            value.sub_(rate.view(shape) * update)


def _copies(weights):
    return {name: value.detach().clone() for name, value in weights.items()}


# Faults: each gives the marks that are published and the set of names whose weights are wrong.


def late_weights(run, rng):
    """pythia#205: 56 % of the revisions hold late weights, step 0 and the whole early grid among them, in two files.

    As in pythia-2.8b, one file is that of most of them and a second one, with the same embeddings, that of the rest and
    of the last step, whose own it is; the two steps before the last are right.
    """
    marks, last = run.published(), SAVES[-1]
    early = [step for step in SAVES if step <= 32]
    others = [step for step in SAVES if 32 < step < SAVES[-3]]
    more = round(0.56 * len(SAVES)) - 1 - len(early)
    wrong = early + sorted(int(step) for step in rng.choice(others, size=more, replace=False))
    same = ("gpt_neox.embed_in.weight", "embed_out.weight")
    other = spliced(run.marks[LATE[-1]], run.marks[last], [n in same for n in run.marks[last].names])
    for i, step in enumerate(wrong):
        marks[f"step{step}"] = run.marks[last] if i >= len(wrong) - 2 else other
    return marks, {f"step{step}" for step in wrong}


def late_shard(run, rng):
    """pythia#206: the first file of two steps in the middle is the last step's."""
    marks, last = run.published(), run.marks[SAVES[-1]]
    steps = rng.choice([step for step in SAVES if 64 <= step <= 280], size=2, replace=False)
    chosen = [file == min(last.weights) for file in last.files]
    for step in steps:
        marks[f"step{step}"] = spliced(marks[f"step{step}"], last, chosen)
    return marks, {f"step{step}" for step in steps}


def late_weights_to_the_end(run, rng):
    """The same, and the step next to the last right one is wrong as well, so that two names claim the same place."""
    marks, wrong = late_weights(run, rng)
    step = f"step{SAVES[-3]}"
    marks[step] = run.marks[SAVES[-1]]
    return marks, wrong | {step}


def late_shard_unequal(run, rng):
    """The first file of one step in the middle is that of a late state that no revision publishes."""
    marks, last = run.published(), run.marks[LATE[-1]]
    step = f"step{rng.choice([step for step in SAVES if 64 <= step <= 280])}"
    marks[step] = spliced(marks[step], last, [file == min(last.weights) for file in last.files])
    return marks, {step}


def equal_start(run, rng):
    """pythia#83: step 1 is step 0."""
    marks = run.published()
    marks["step1"] = marks["step0"]
    return marks, {"step1"}


def equal_start_reversed(run, rng):
    """The other reading of pythia#83: step 0 holds step 1's weights."""
    marks = run.published()
    marks["step0"] = marks["step1"]
    return marks, {"step0"}


def other_tokenizer(run, rng):
    """One revision comes with another tokenizer."""
    marks, step = run.published(), f"step{rng.choice(SAVES)}"
    marks[step] = replace(marks[step], tokenizer={"hash": "b" * 64, "entries": VOCABULARY + 1})
    return marks, {step}


def missing(run, rng):
    """One revision is not there."""
    marks, step = run.published(), f"step{rng.choice(SAVES)}"
    del marks[step]
    return marks, {step}


def early_late(run, rng):
    """Late weights under early names without one equal file: every wrong step holds a late state of its own."""
    marks = run.published()
    wrong = (1, 4, 16)
    for step, late in zip(wrong, LATE, strict=True):
        marks[f"step{step}"] = run.marks[late]
    return marks, {f"step{step}" for step in wrong}


def middle_late(run, rng):
    """The same in the middle of training."""
    marks, step = run.published(), rng.choice([96, 128, 160, 200])
    marks[f"step{step}"] = run.marks[LATE[0]]
    return marks, {f"step{step}"}


def swapped(run, rng):
    """Two neighbours in the last quarter are exchanged."""
    marks = run.published()
    at = rng.choice([i for i, step in enumerate(SAVES[:-1]) if step >= 280])
    one, two = f"step{SAVES[at]}", f"step{SAVES[at + 1]}"
    marks[one], marks[two] = marks[two], marks[one]
    return marks, {one, two}


PUBLISHED = (late_weights, late_shard, equal_start, equal_start_reversed, other_tokenizer, missing)
HARD = (early_late, middle_late, late_shard_unequal, late_weights_to_the_end, swapped)


def spliced(mark, source, chosen):
    """`mark` with the chosen tensors of `source` (bool per tensor)."""
    picked = [source if take else mark for take in chosen]
    parts = [m.sketch_of(at) for at, m in enumerate(picked)]
    arrays = {
        key: np.array([getattr(m, key)[at] for at, m in enumerate(picked)])
        for key in ("count", "nonfinite", "mean", "std", "minimum", "maximum")
    }
    hashes = tuple(m.hashes[at] for at, m in enumerate(picked))
    return rehashed(replace(mark, sketch=np.concatenate(parts), hashes=hashes, **arrays))
