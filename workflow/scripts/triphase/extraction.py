"""Hidden states and surprisal of every word, or annotation, of a text, from one checkpoint, in batched windows."""

from itertools import groupby

import numpy as np
import torch
from tqdm import tqdm

from triphase.errors import InputError
from triphase.tokens import context_windows, tokens_of_words

# Rows of the vocabulary product that exist at a time: bounds memory for vocabularies of 50,000 to 250,000.
LOGIT_ROWS = 512


def extract_words(model, tokenizer, text, spans, *, context, batch_size, stimulus="", pool="mean"):
    """Run one text through a causal language model and pool its hidden states to words.

    Every window begins with the BOS token (EOS where the tokenizer has no BOS), in every model, and special tokens
    never enter a pool: otherwise the first word would absorb the attention sink in some models only.

    Parameters
    ----------
    model : transformers causal language model, with its head
    tokenizer : fast tokenizer
    text : str
    spans : int array (n_words, 2)
        Characters of each word.
    context : dict
        `min` and `max` preceding tokens, see `triphase.tokens.context_windows`.
    batch_size : int
        Windows per batch.
    stimulus : str
        Named in errors.
    pool : str
        "mean" of a word's tokens, or its "last" token.

    Returns
    -------
    hidden : float32 array (n_layers + 1, n_words, n_features)
        Layer 0 is the embedding.
    surprisal : float32 array (n_words,)
        Bits: the sum over the word's tokens.
    preceding : int32 array (n_words,)
        Text tokens that precede the word's last token in its window.

    Raises
    ------
    InputError
        A word without a token, windows longer than the model's context, or a non-finite hidden state (layer named).
    """
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    ids = np.asarray(encoded["input_ids"])
    first, last = tokens_of_words(np.asarray(encoded["offset_mapping"]), spans, text, stimulus)
    windows = context_windows(len(ids), context["min"], context["max"])
    limit = longest_input(model)
    if limit and context["max"] + 2 > limit:
        raise InputError(
            f"activations/context/max: {context['max']} preceding tokens do not fit the model's context of {limit} "
            f"(one position each for BOS and for the token itself): at most {limit - 2}"
        )
    states, bits, preceding = _token_states(model, ids, windows, sink_token(tokenizer), batch_size, stimulus)
    _check_finite(states, stimulus)
    return _pool(states, first, last, pool), _sum_spans(bits, first, last), preceding[last]


def extract_annotations(model, tokenizer, texts, *, batch_size, stimulus="", pool="mean"):
    """Run each text alone through a causal language model and pool its hidden states.

    A window is BOS (see `extract_words`) and the tokens of one text: nothing of another text is context. Texts that are
    equal are run once.

    Parameters
    ----------
    model, tokenizer, stimulus, pool : as for `extract_words`
    texts : list of str
    batch_size : int
        Texts per batch; those of one batch have the same number of tokens, so that none is padded.

    Returns
    -------
    hidden : float32 array (n_layers + 1, n_texts, n_features)
    surprisal : float32 array (n_texts,)
        Bits: the sum over the text's tokens.
    preceding : int32 array (n_texts,)
        Text tokens that precede the text's last token.

    Raises
    ------
    InputError
        A text without a token or too long for the model, or a non-finite hidden state (layer named).
    """
    limit = longest_input(model)
    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    encoded = [_tokens_of_text(tokenizer, text, limit, f"{stimulus!r}, {text[:30]!r}") for text in place]
    tokens, spans = [ids for ids, _ in encoded], [span for _, span in encoded]
    batches = []
    for _, rows in groupby(sorted(place.values(), key=lambda row: len(tokens[row])), lambda row: len(tokens[row])):
        rows = list(rows)
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    hidden, surprisal = _text_states(model, tokens, spans, batches, sink_token(tokenizer), pool, stimulus)
    _check_finite(hidden, stimulus)
    rows = [place[text] for text in texts]
    return hidden[:, rows], surprisal[rows], np.array([spans[row][1] for row in rows], dtype=np.int32)


def _tokens_of_text(tokenizer, text, limit, where):
    """Token ids of one text, with the first and last of them that are not white space."""
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    ids, offsets = np.asarray(encoded["input_ids"], int), np.asarray(encoded["offset_mapping"]).reshape(-1, 2)
    if limit and len(ids) + 1 > limit:
        raise InputError(
            f"stimulus {where}...: an annotation of {len(ids)} tokens does not fit the model's context of {limit} (one "
            "position for BOS); shorten it, or take a model of longer context"
        )
    try:
        first, last = tokens_of_words(offsets, [[0, len(text)]], text)
    except InputError:
        raise InputError(
            f"stimulus {where}...: the tokenizer gives this annotation no token; use one that covers its script"
        ) from None
    return ids, (int(first[0]), int(last[0]))


def longest_input(model):
    """Positions that a model has; None where it names no limit."""
    return getattr(model.config, "max_position_embeddings", None)


def sink_token(tokenizer):
    """Id of the token that every window begins with: BOS, or EOS where there is none; InputError without either."""
    sink = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if sink is None:
        raise InputError(f"models: the tokenizer of {tokenizer.name_or_path!r} has neither a BOS nor an EOS token")
    return sink


@torch.inference_mode()
def _text_states(model, tokens, spans, batches, sink, pool, stimulus):
    """Pooled hidden states (layer, text, feature) and summed surprisal in bits of texts, each alone in its window."""
    device, head = model.get_input_embeddings().weight.device, model.get_output_embeddings()
    n_layers = model.config.num_hidden_layers + 1
    hidden = np.full((n_layers, len(tokens), model.config.hidden_size), np.nan, dtype=np.float32)
    surprisal = np.full(len(tokens), np.nan, dtype=np.float32)
    for batch in tqdm(batches, desc=f"annotations of {stimulus}", mininterval=5):
        rows = torch.tensor(np.stack([np.r_[sink, tokens[text]] for text in batch]), device=device)
        output = model.base_model(input_ids=rows, output_hidden_states=True, use_cache=False)
        for row, text in enumerate(batch):
            first, last = spans[text]
            taken = slice(last + 1 if pool == "last" else first + 1, last + 2)  # + 1: position 0 is the sink
            for layer, states in enumerate(output.hidden_states):
                hidden[layer, text] = states[row, taken].float().mean(0).cpu().numpy()
            # A token is predicted from the position before it.
            before = output.last_hidden_state[row, first : last + 1]
            surprisal[text] = _surprisal(head, before, rows[row, first + 1 : last + 2]).sum()
    return hidden, surprisal


@torch.inference_mode()
def _token_states(model, ids, windows, sink, batch_size, stimulus):
    """Hidden states (layer, token, feature), surprisal in bits and preceding tokens of every token."""
    device = model.get_input_embeddings().weight.device
    head = model.get_output_embeddings()
    n_layers = model.config.num_hidden_layers + 1
    states = np.full((n_layers, len(ids), model.config.hidden_size), np.nan, dtype=np.float32)
    bits = np.full(len(ids), np.nan, dtype=np.float32)
    preceding = np.zeros(len(ids), dtype=np.int32)
    # Only the first window of a text shorter than the context differs in length, so a batch never needs padding.
    batches = [windows[i : i + batch_size] for i in range(0, len(windows), batch_size)]
    for batch in tqdm(batches, desc=f"windows of {stimulus}", mininterval=5):
        rows = torch.tensor(np.stack([np.r_[sink, ids[start:stop]] for start, stop, _ in batch]), device=device)
        output = model.base_model(input_ids=rows, output_hidden_states=True, use_cache=False)
        for row, (start, stop, keep) in enumerate(batch):
            taken = slice(keep - start + 1, stop - start + 1)  # + 1: position 0 is the sink
            for layer, hidden in enumerate(output.hidden_states):
                states[layer, keep:stop] = hidden[row, taken].float().cpu().numpy()
            # A token is predicted from the position before it.
            before = output.last_hidden_state[row, taken.start - 1 : taken.stop - 1]
            bits[keep:stop] = _surprisal(head, before, rows[row, taken])
            preceding[keep:stop] = np.arange(keep - start, stop - start)
    return states, bits, preceding


def _surprisal(head, hidden, targets):
    """Surprisal in bits of `targets`, with the vocabulary product in pieces."""
    pieces = []
    for start in range(0, len(targets), LOGIT_ROWS):
        piece = slice(start, start + LOGIT_ROWS)
        logits = head(hidden[piece].to(head.weight.device)).float()
        chosen = logits.gather(1, targets[piece, None].to(logits.device))[:, 0]
        pieces.append((logits.logsumexp(1) - chosen) / np.log(2))
    return torch.cat(pieces).cpu().numpy()


def _check_finite(states, stimulus):
    bad = [layer for layer, values in enumerate(states) if not np.isfinite(values).all()]
    if bad:
        raise InputError(
            f"activations: layers {bad} have non-finite values on stimulus {stimulus!r}; "
            "compute in float32 (activations/dtype) or check the checkpoint's weights"
        )


def _sum_spans(values, first, last):
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return (sums[last + 1] - sums[first]).astype(np.float32)


def _pool(states, first, last, pool):
    """Pool tokens to words; sums over a word's few tokens, not differences of running totals, keep float32 exact."""
    if pool == "last":
        return states[:, last]
    pooled = states[:, first].astype(np.float32)
    for word in np.flatnonzero(last > first):
        pooled[:, word] = states[:, first[word] : last[word] + 1].mean(axis=1, dtype=np.float32)
    return pooled
