"""Small tokenizers of every kind in use, texts that are hard for them, and words mapped to tokens by definition."""

import json
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

# Each is running text and the way it is cut into words: at white space, or into pieces of so many characters.
TEXTS = {
    "english": ("The little cat sees a very big hat, and runs away from it.", None),
    "one-letter words": ("I am a b c d I a I", None),
    "contractions": ("It's what they'd've said: don't! (Won't they?)", None),
    "curly quotes": ("“Curiouser and curiouser!” cried Alice — she didn’t know ‘why’…", None),
    "digits": ("10 10 3.14 1,000,000 10", None),
    "line breaks": ("One line\nanother line\n\n  indented  twice\tand a tab", None),
    "space in front": ("  begins late and ends late  ", None),
    "no-break spaces": ("narrow\u202fspace and no\u00a0break and\u3000ideographic", None),
    "narrow space in front": ("\u202fit begins oddly", None),
    "capitals": ("ALL CAPITALS AND MiXeD CaSe", None),
    "hyphens": ("a well-known twenty-one-year-old jack-in-the-box", None),
    "one word": ("word", None),
    "one letter": ("a", None),
    "kanji": ("東京大学に行くと言った", 2),
    "kana": ("あいうえおかきくけこ", 1),
    "mixed japanese": ("彼はコーヒーを飲んだ。「うん」と言う。", 3),
    "full-width": ("ＡＢＣ１２３！？ｆｕｌｌ", 2),
    "half-width kana": ("ｱｲｳｴｵ ｶﾞｷﾞ", None),
    "decomposed kana": ("か\u3099き\u3099は\u309aひ\u309a", 2),
    "rare kanji": ("鬱 𠮷野家 髙橋", None),
    "chinese": ("我们在北京学习中文，天气很好。", 2),
    "german decomposed": ("U\u0308ber die Stra\u00dfe gehen wir fro\u0308hlich", None),
    "german composed": ("Über die Straße gehen wir fröhlich", None),
    "french": ("L’été où l’œuvre naïve s’achève", None),
    "emoji with joiners": ("family 👩\u200d👩\u200d👧\u200d👦 and flag 🏳️\u200d🌈 end", None),
    "skin tones": ("hands 👍🏽👏🏿 and 🇯🇵 flag", None),
    "combining marks": ("a\u0301\u0323b\u0307 q\u0307\u0323 x", None),
}
CORPUS = [text for text, _ in TEXTS.values()] * 3 + ["the cat sat on the mat and the hat"] * 20
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{value:02X}>" for value in range(256)]


def spans_of(text, size):
    """First and one-past-last character of each word of a text of `TEXTS`."""
    if size:
        return [(start, min(start + size, len(text))) for start in range(0, len(text), size)]
    spans, start = [], None
    for place, character in enumerate(text + " "):
        if character.isspace() and start is not None:
            spans.append((start, place))
            start = None
        elif not character.isspace() and start is None:
            start = place
    return spans


def tokens_by_definition(tokenizer, text, span):
    """Tokens of one word, straight from the definition of offsets: those that share a character with it.

    White space is no character of a word, and a token of nothing but a space that the tokenizer puts before a text has
    none, whatever its offsets say.
    """
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    characters = {place for place in range(*span) if not text[place].isspace()}
    found = []
    for number, (token, (start, stop)) in enumerate(
        zip(tokenizer.convert_ids_to_tokens(encoded["input_ids"]), encoded["offset_mapping"], strict=True)
    ):
        added = token.strip("▁Ġ") == "" and text[start : start + 1] not in "▁Ġ"
        if not added and characters & set(range(start, stop)):
            found.append(number)
    return found


def byte_level(prefix=False, trim=False, normalizer=None):
    """Byte-level BPE: GPT-2, NeoX, Llama-3, Qwen (NFC), RoBERTa and BART (prefix and trimmed offsets)."""
    inner = Tokenizer(models.BPE())
    inner.normalizer = normalizer
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.ByteLevel(add_prefix_space=prefix, trim_offsets=trim)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, show_progress=False, initial_alphabet=alphabet),
    )
    return fast(inner)


def sentencepiece_bpe(prefix=True):
    """BPE of pieces with byte fallback, as of Llama-2 and Mistral; without the space in front, as of Gemma."""
    steps = [normalizers.Prepend("▁")] if prefix else []
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    english = [text for text in CORPUS if text.isascii()]
    trained.train_from_iterator(
        english, trainers.BpeTrainer(vocab_size=120, special_tokens=[*SPECIAL, *BYTES], show_progress=False)
    )
    content = json.loads(trained.to_str())
    content["model"] |= {"byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["content"] in SPECIAL]
    inner = Tokenizer.from_str(json.dumps(content))
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    return fast(inner)


def unigram(scheme="always"):
    """Unigram over NFKC with a space before the text or before each part: T5, XGLM, ALBERT, CroissantLLM."""
    inner = Tokenizer(models.Unigram())
    inner.normalizer = normalizers.NFKC()
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    inner.decoder = decoders.Metaspace(prepend_scheme=scheme)
    inner.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(vocab_size=400, special_tokens=SPECIAL, show_progress=False, unk_token="<unk>")
    )
    return fast(inner)


def wordpiece():
    """WordPiece with BERT's cleaning and cutting; accents stay."""
    inner = Tokenizer(models.WordPiece(unk_token="<unk>"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=SPECIAL, show_progress=False)
    )
    return fast(inner)


def fast(inner):
    """The tokenizer as transformers has it."""
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )


KINDS = {
    "byte-level BPE": byte_level,
    "byte-level BPE over NFC": lambda: byte_level(normalizer=normalizers.NFC()),
    "byte-level BPE, space in front": lambda: byte_level(prefix=True),
    "byte-level BPE, space in front, trimmed": lambda: byte_level(prefix=True, trim=True),
    "SentencePiece BPE, dummy prefix": sentencepiece_bpe,
    "SentencePiece BPE without prefix": lambda: sentencepiece_bpe(prefix=False),
    "Unigram over NFKC, always a prefix": unigram,
    "Unigram over NFKC, prefix first": lambda: unigram("first"),
    "WordPiece": wordpiece,
}
KINDS = {name: cache(make) for name, make in KINDS.items()}
