import numpy as np
import pytest

from triphase.core.errors import InputError
from triphase.tasks.adherence import (
    adherence_scores,
    check_variants,
    commonest_share,
    entropy_bits,
    normalise,
    parse_lenient,
    parse_strict,
)

LABELS = {"letters": ["A", "B", "C", "D"], "digits": ["1", "2", "3", "4"], "plain": []}
QUESTIONS = [f"{name} {thing}" for name in ("Where is the", "Who has the", "B is a") for thing in ("cat", "4", "tree")]


def adherence(responder, parse=parse_strict):
    """Mean score of a function (variant, question) -> answer."""
    responses = {variant: [responder(variant, question) for question in QUESTIONS] for variant in LABELS}
    return adherence_scores(responses, LABELS, parse).mean()


@pytest.mark.parametrize("parse", [parse_strict, parse_lenient])
class TestResponders:
    def test_perfect_follower_scores_one(self, parse):
        assert adherence(lambda variant, _: {"letters": "B", "digits": "3", "plain": "the cat"}[variant], parse) == 1

    @pytest.mark.parametrize("constant", ["A", "4", "the cat", "", "A\nB"])
    def test_constant_responder_scores_zero(self, parse, constant):
        assert adherence(lambda *_: constant, parse) == 0

    def test_copier_of_the_question_scores_zero(self, parse):
        assert adherence(lambda _, question: question.split()[-1], parse) == 0
        assert adherence(lambda _, question: question, parse) == 0

    def test_random_labels_score_about_zero(self, parse):
        rng = np.random.default_rng(0)
        labels = LABELS["letters"] + LABELS["digits"]
        responses = {variant: rng.choice(labels, 4000).tolist() for variant in LABELS}
        assert abs(adherence_scores(responses, LABELS, parse).mean()) < 0.03

    def test_always_the_wrong_set_scores_below_zero(self, parse):
        # Letters when asked for digits and the reverse: 0 - mean(1, 0) for either set.
        assert adherence(lambda variant, _: {"letters": "1", "digits": "A", "plain": ""}[variant], parse) == -0.5


def test_scores_by_hand():
    responses = {"letters": ["A", "x"], "digits": ["A", "2"], "plain": ["x", "C"]}
    letters = [1 - (1 + 0) / 2, 0 - (0 + 1) / 2]
    digits = [0 - 0, 1 - 0]
    np.testing.assert_allclose(adherence_scores(responses, LABELS, parse_strict), np.mean([letters, digits], axis=0))


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("A", 0, 0),
        (" b.\nbecause", 1, 1),
        ("\n\n C) \n", 2, 2),
        ("A small bird", None, 0),
        ("Apple", None, None),
        ("", None, None),
        ("   \n ", None, None),
        ("the answer is A", None, None),
        ("A, B", None, 0),
        ("Ｄ。", 3, 3),
        ("AB", None, None),
    ],
)
def test_parsers(text, strict, lenient):
    assert parse_strict(text, LABELS["letters"]) == strict
    assert parse_lenient(text, LABELS["letters"]) == lenient


def test_japanese_labels_need_no_word_end():
    assert parse_lenient("はいです", ["はい", "いいえ"]) == 0
    assert parse_strict("はいです", ["はい", "いいえ"]) is None
    assert parse_strict("いいえ。", ["はい", "いいえ"]) == 1


def test_longer_of_two_fitting_labels_counts():
    assert parse_lenient("正しい", ["正", "正しい"]) == 1


def test_normalise_takes_the_first_line_with_text():
    assert normalise("\n  Yes! \nNo") == "yes"
    assert normalise("...") == ""


def test_entropy_and_commonest_share():
    assert entropy_bits(["A", "a.", "A"]) == (0.0, 0.0)
    assert entropy_bits(["A", "B", "C", "D"])[0] == pytest.approx(2)
    assert commonest_share(["A", "a", "B", "C"]) == 0.5


def test_entropy_error_matches_simulation():
    rng = np.random.default_rng(2)
    draws = [entropy_bits(rng.choice(["x", "y", "z"], 400, p=[0.7, 0.2, 0.1])) for _ in range(300)]
    values, errors = np.transpose(draws)
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([["A", "B"], ["1"]], "without"),
        ([["A", "B"], []], "at least two"),
        ([["A", "B"], ["b.", "1"], []], "distinct"),
        ([["A", ""], ["1"], []], "distinct"),
    ],
)
def test_label_sets_that_can_not_measure_adherence_are_refused(sets, message):
    variants = [{"name": str(number), "labels": labels} for number, labels in enumerate(sets)]
    with pytest.raises(InputError, match=f"world.*{message}"):
        check_variants({"name": "world", "variants": variants})
