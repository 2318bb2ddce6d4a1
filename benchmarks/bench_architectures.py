"""Every architecture that transformers has small: states, surprisal, mechanism (`make bench-architectures`).

Each is made with random weights, sharpened so that its logits are far from alike, saved, found and loaded as a
checkpoint is, and compared with the plain loop: one window that ends with each word, through the whole model with
`output_hidden_states`, its own logits. What differs has to be refused, with the reason. Words are mapped to tokens by
small tokenizers of every kind, and by real ones where TRIPHASE_TOKENIZERS names a folder of folders with a
tokenizer.json. The table is written to `architectures.md`.
"""

import logging
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]

import numpy as np  # noqa: E402
import tokenizer_kinds  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from extraction import TEXT, small_tokenizer, spans_of  # noqa: E402
from reporting import figure, report  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from triphase.activations.extract import Extraction, extract  # noqa: E402
from triphase.activations.hooks import find_layers  # noqa: E402
from triphase.activations.tokens import encode_text, tokens_of_words  # noqa: E402
from triphase.activations.windows import longest_input, plan_words  # noqa: E402
from triphase.checkpoints.find import find_checkpoint  # noqa: E402
from triphase.checkpoints.loading import load_model  # noqa: E402
from triphase.core.errors import InputError, one_line  # noqa: E402
from triphase.states.mechanism.inputs import repeated_tokens  # noqa: E402
from triphase.states.mechanism.rows import induction_rows  # noqa: E402

TABLE = Path(__file__).with_name("architectures.md")
STATES, BITS = 1e-5, 1e-4
WORDS, CONTEXT = 14, 11
SMALL = dict(
    num_hidden_layers=3, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
    vocab_size=64, max_position_embeddings=64, head_dim=8,
)  # fmt: skip
FEW_EXPERTS = dict(
    num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=16,
    n_routed_experts=4, n_group=1, topk_group=1, q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=8,
    qk_nope_head_dim=8, v_head_dim=8,
)  # fmt: skip
MAMBA = dict(mamba_n_heads=8, mamba_d_head=8, mamba_d_ssm=64, mamba_n_groups=1, mamba_d_state=8)
# What an architecture needs besides; None takes a key out.
KINDS = {
    "apertus": {},
    "arcee": {},
    "bamba": MAMBA,
    "bert": {},
    "biogpt": {},
    "bloom": {},
    "codegen": {"rotary_dim": 8},
    "cohere": {"logit_scale": 0.1},
    "cohere2": {"logit_scale": 0.1},
    "ctrl": {"dff": 64},
    "deepseek_v2": FEW_EXPERTS | {"num_key_value_heads": 4},
    "deepseek_v3": FEW_EXPERTS | {"num_key_value_heads": 4},
    "diffllama": {},
    "electra": {},
    "ernie4_5": {},
    "exaone4": {},
    "falcon": {"head_dim": None},
    "falcon_h1": MAMBA | {"lm_head_multiplier": 0.02},
    "falcon_mamba": {},
    "gemma": {},
    "gemma2": {"final_logit_softcapping": 5.0},
    "gemma3_text": {"sliding_window": 8},
    "gemma3": {
        "text_config": SMALL | {"sliding_window": 8},
        "vision_config": SMALL | {"image_size": 28, "patch_size": 14},
    },
    "glm": {"pad_token_id": 0},
    "glm4": {"pad_token_id": 0},
    "gpt2": {},
    "gpt_bigcode": {},
    "gpt_neo": {"attention_types": [[["global", "local", "global"], 1]], "window_size": 8},
    "gpt_neox": {},
    "gpt_neox_japanese": {},
    "gpt_oss": {"num_local_experts": 4, "sliding_window": 8},
    "gptj": {"rotary_dim": 8},
    "granite": {"logits_scaling": 4.0},
    "granitemoe": {"logits_scaling": 4.0},
    "helium": {},
    "hunyuan_v1_dense": {},
    "jamba": {"num_experts": 2},
    "jetmoe": {},
    "lfm2": {},
    "llama": {},
    "llama4_text": {},
    "mamba": {},
    "mamba2": {"num_heads": 8, "n_groups": 1, "state_size": 8},
    "minimax": {},
    "mistral": {"sliding_window": 8},
    "mixtral": {},
    "modernbert-decoder": {"pad_token_id": 0},
    "mpt": {},
    "nanochat": {},
    "nemotron": {},
    "olmo": {},
    "olmo2": {},
    "olmo3": {"sliding_window": 8},
    "olmoe": FEW_EXPERTS,
    "openai-gpt": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "persimmon": {},
    "phi": {},
    "phi3": {"pad_token_id": 0},
    "qwen2": {},
    "qwen2_moe": FEW_EXPERTS,
    "qwen3": {},
    "qwen3_moe": FEW_EXPERTS,
    "recurrent_gemma": {"lru_width": 32, "attention_window_size": 8, "logits_soft_cap": 1.0},
    "roberta": {},
    "rwkv": {"attention_hidden_size": 32},
    "seed_oss": {},
    "smollm3": {"pad_token_id": 0},
    "stablelm": {},
    "starcoder2": {"sliding_window": 8},
    "xglm": {"ffn_dim": 64},
    "xlstm": {"num_heads": 4, "output_logit_soft_cap": 1.0},
}


def saved(kind, folder, tokenizer):
    """A random checkpoint of an architecture in a folder."""
    torch.manual_seed(0)
    keys = {key: value for key, value in (SMALL | KINDS[kind]).items() if value is not None}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **keys)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


# Of these `output_hidden_states` begins behind the first layer, and has the last one without the norm and with it.
WITHOUT_EMBEDDING = ("falcon_mamba", "mamba", "mamba2", "rwkv")


def plain_loop(model, plan):
    """Mean state of each word's tokens in every layer, and surprisal, of one whole run of the model for each word."""
    shifted = model.config.model_type in WITHOUT_EMBEDDING
    states, bits = [], []
    for (start, stop), first, last in zip(plan.windows, plan.first, plan.last, strict=True):
        ids = torch.tensor([[plan.sink, *plan.ids[start:stop]]])
        with torch.no_grad():
            output = model(input_ids=ids, use_cache=False, output_hidden_states=True)
        layers = output.hidden_states
        if shifted:
            layers = [model.get_input_embeddings()(ids).detach(), *layers[:-2], layers[-1]]
        own = slice(first - start + 1, last - start + 2)
        states.append(torch.stack([layer[0, own].mean(0) for layer in layers]).numpy())
        logs = torch.log_softmax(output.logits[0].double(), -1)
        bits.append(-sum(logs[at - 1, ids[0, at]].item() for at in range(own.start, own.stop)) / np.log(2))
    return np.stack(states, axis=1), np.array(bits)


def measure(kind):
    """What came of one architecture: a row of the table."""
    tokenizer = small_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        saved(kind, folder, tokenizer)
        try:
            model = load_model(find_checkpoint(f"org/{kind}", "main", folder=folder))
            plan = plan_words(
                tokenizer, {"s": (TEXT, spans_of(TEXT)[:WORDS])}, {"max": CONTEXT, "stride": 1}, longest_input(model)
            )
            blocks = []
            bits = extract(model, plan, blocks.append, Extraction(batch_size=4), kind)
        except InputError as error:
            return {"refused": one_line(error).replace(folder, "")}
        found = np.concatenate(blocks, axis=1)
        expected, own = plain_loop(model, plan)
        row = {"hooked": bool(find_layers(model)), "bits": float(np.abs(bits - own).max())}
        if found.shape == expected.shape:
            row["states"] = float((np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)).max())
        else:
            row["states"] = np.inf
        _, reasons = induction_rows(model, repeated_tokens(tokenizer, 2, 8, 0, longest_input(model)))
        return row | {"mechanism": reasons.get("induction_head_max", "measured")}


def words_to_tokens():
    """Words whose tokens differ from the definition of offsets, of how many, under how many tokenizers."""
    kinds = {name: make() for name, make in tokenizer_kinds.KINDS.items()}
    for path in sorted(Path(os.environ.get("TRIPHASE_TOKENIZERS", "no such folder")).glob("*/tokenizer.json")):
        kinds[path.parent.name] = AutoTokenizer.from_pretrained(path.parent)
    wrong, words = Counter(), 0
    for name, tokenizer in kinds.items():
        for text, size in tokenizer_kinds.TEXTS.values():
            spans = tokenizer_kinds.spans_of(text, size)
            expected = [tokenizer_kinds.tokens_by_definition(tokenizer, text, span) for span in spans]
            first, last = tokens_of_words(encode_text(tokenizer, text)[1], spans, text)
            found = [list(range(start, stop + 1)) for start, stop in zip(first, last, strict=True)]
            wrong[name] += sum(one != two for one, two in zip(found, expected, strict=True))
            words += len(spans)
    return sum(wrong.values()), words, list(kinds)


def main():
    """Measure all architectures, or those that are named."""
    transformers.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    asked, rows = sys.argv[1:] or list(KINDS), {}
    for kind in asked:
        try:
            rows[kind] = measure(kind)
        except Exception as error:  # a traceback is a finding
            rows[kind] = {"traceback": f"{type(error).__name__}: {one_line(error)[:160]}"}
        print(kind, rows[kind], flush=True)
    good = [k for k, row in rows.items() if row.get("states", 1) < STATES and row.get("bits", 1) < BITS]
    refused = [k for k, row in rows.items() if "refused" in row]
    if sys.argv[1:]:
        return 0
    TABLE.write_text(table(rows), encoding="utf-8")
    wrong, words, kinds = words_to_tokens()
    figures = [
        figure(
            f"models: architectures whose states ({STATES:g}) and surprisal ({BITS:g} bits) equal the plain loop",
            f"{len(good)} of {len(rows)}; {len(refused)} refused with the reason ({', '.join(refused)})",
            "50, the rest refused", len(good) >= 50 and len(good) + len(refused) == len(rows),
        ),
        figure("models: largest difference of states", f"{max(rows[k]['states'] for k in good):.1e}", "1e-5", True),
        figure(
            "models: largest difference of surprisal, bits", f"{max(rows[k]['bits'] for k in good):.1e}", "1e-4", True
        ),
        figure(
            "models: words whose tokens differ from the definition of offsets",
            f"{wrong} of {words} ({len(tokenizer_kinds.TEXTS)} texts, {len(kinds)} tokenizers: {', '.join(kinds)})",
            "0, 27 texts, 8 kinds", not wrong and len(kinds) >= 8,
        ),
    ]  # fmt: skip
    return report("architectures", figures, ["torch", "transformers", "tokenizers"], rows=rows)


def table(rows):
    """The rows as Markdown."""
    lines = [
        "# Architectures", "",
        "Written by `make bench-architectures`. Random weights, a few layers; differences from the plain loop: of "
        "states as a share of their length, of surprisal in bits. Where layers are not hooked, all hidden states of a "
        "batch are kept.", "",
        "| architecture | states | surprisal | layers | induction heads |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for kind, row in rows.items():
        if reason := row.get("refused") or row.get("traceback"):
            lines.append(f"| {kind} | refused | | | {reason.replace('|', '/')} |")
            continue
        hooked = "hooked" if row["hooked"] else "kept"
        lines.append(f"| {kind} | {row['states']:.1e} | {row['bits']:.1e} | {hooked} | {row['mechanism']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
