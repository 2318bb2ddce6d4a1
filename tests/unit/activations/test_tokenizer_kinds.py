"""Words are mapped to tokens as the definition of offsets says, under every kind of tokenizer."""

import pytest
from tokenizer_kinds import KINDS, TEXTS, byte_level, sentencepiece_bpe, spans_of, tokens_by_definition, unigram

from triphase.activations.tokens import encode_text, tokens_of_words
from triphase.activations.windows import plan_annotations, plan_words

pytestmark = pytest.mark.model


@pytest.mark.parametrize("kind", KINDS)
def test_words_have_the_tokens_that_share_a_character_with_them(kind):
    tokenizer = KINDS[kind]()
    for name, (text, size) in TEXTS.items():
        ids, offsets = encode_text(tokenizer, text)
        spans = spans_of(text, size)
        first, last = tokens_of_words(offsets, spans, text, name)
        found = [list(range(begin, end + 1)) for begin, end in zip(first, last, strict=True)]
        assert found == [tokens_by_definition(tokenizer, text, span) for span in spans], name
        assert ids.tolist() == tokenizer(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize("make", [sentencepiece_bpe, unigram, lambda: byte_level(prefix=True)])
def test_a_space_that_the_tokenizer_puts_first_is_in_no_pool(make):
    tokenizer = make()
    alone = plan_annotations(tokenizer, {"film": ["qzqz"]})
    assert tokenizer.convert_ids_to_tokens([alone.ids[0]])[0] in ("▁", "Ġ")
    assert alone.first[0] == 1 and alone.last[0] == len(alone.ids) - 1
    # The same word in front and within a text is pooled of the same tokens.
    plan = plan_words(tokenizer, {"s": ("qz qz", [[0, 2], [3, 5]])}, {"max": 16})
    front, within = (plan.ids[a : b + 1].tolist() for a, b in zip(plan.first, plan.last, strict=True))
    assert front[-1] == within[-1] and len(front) == len([i for i in within if i != alone.ids[0]])


def test_a_mark_that_stands_in_the_text_itself_is_no_space():
    tokenizer = sentencepiece_bpe()
    _, offsets = encode_text(tokenizer, "東▁東")
    assert offsets[0].tolist() == [0, 0]
    assert any((start, stop) == (1, 2) or start <= 1 < stop for start, stop in offsets[1:].tolist())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "Unigram" not in kind])  # which has marks as pieces
def test_kind_special_tokens_in_a_text_are_words_like_others(kind):
    tokenizer = KINDS[kind]()
    text = "the </s> cat"
    ids, offsets = encode_text(tokenizer, text)
    first, last = tokens_of_words(offsets, spans_of(text, None), text)
    assert tokenizer.eos_token_id not in ids and last[1] >= first[1]
    # As a mark it is read where somebody else asks for it, before and after.
    assert tokenizer.eos_token_id in tokenizer(text, add_special_tokens=False).input_ids
