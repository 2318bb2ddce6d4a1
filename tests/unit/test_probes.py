import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from triphase.errors import InputError
from triphase.probes import (
    assign_folds,
    balanced_influence,
    clustered_error,
    concept_classes,
    control_codes,
    predict,
    sentence_groups,
)
from triphase.states import prepare_probes, probe_rows


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def words_of(types, **labels):
    """A words table: sentences of 10 words."""
    n = len(types)
    return pd.DataFrame(
        {"stimulus": "story", "word": [f"w{t}" for t in types], "sentence": np.arange(n) // 10, **labels}
    )


@pytest.mark.parametrize("shape", [(400, 20), (120, 300)])
@pytest.mark.parametrize("alpha", [0.1, 100.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_predictions_equal_ridge_classifier(rng, shape, alpha, classes):
    codes = rng.integers(0, classes, shape[0])
    features = rng.normal(size=shape) * rng.uniform(0.1, 9, shape[1]) + 4
    features[:, :classes] += 3 * np.eye(classes)[codes]
    folds = rng.permutation(np.arange(shape[0]) % 4)
    ours = predict(features, [codes, codes[::-1].copy()], folds, [alpha])
    for problem, labels in zip(ours, (codes, codes[::-1]), strict=True):
        for fold in range(4):
            reference = make_pipeline(StandardScaler(), RidgeClassifier(alpha=alpha))
            reference.fit(features[folds != fold], labels[folds != fold])
            np.testing.assert_array_equal(problem[folds == fold], reference.predict(features[folds == fold]))


def test_alpha_is_the_one_of_least_generalised_cross_validation(rng):
    features = rng.normal(size=(150, 60))
    codes = (features[:, 0] + 2 * rng.normal(size=150) > 0).astype(int)
    folds = np.arange(150) % 3
    alphas = [0.01, 1.0, 100.0, 1e4]
    chosen = predict(features, [codes], folds, alphas)[0]
    for fold in range(3):
        train = StandardScaler().fit_transform(features[folds != fold])
        target = 2.0 * codes[folds != fold] - 1
        target -= target.mean()
        errors = []
        for alpha in alphas:
            hat = train @ np.linalg.solve(train.T @ train + alpha * np.eye(60), train.T)
            errors.append(((target - hat @ target) ** 2).sum() / (100 - 1 - np.trace(hat)) ** 2)
        alone = predict(features, [codes], folds, [alphas[int(np.argmin(errors))]])[0]
        np.testing.assert_array_equal(chosen[folds == fold], alone[folds == fold])


def test_constant_features_and_repeated_columns_do_no_harm(rng):
    codes = rng.integers(0, 3, 200)
    signal = np.eye(3)[codes] + 0.1 * rng.normal(size=(200, 3))
    features = np.c_[signal, signal, np.ones((200, 5))]
    assert (predict(features, [codes], np.arange(200) % 5, [1.0])[0] == codes).mean() == 1


def test_folds_keep_sentences_whole_and_are_balanced(rng):
    groups = np.repeat(np.arange(53), rng.integers(1, 15, 53))
    folds = assign_folds(groups, 5, rng)
    assert pd.Series(folds).groupby(groups).nunique().max() == 1
    counts = pd.DataFrame({"fold": folds, "group": groups}).drop_duplicates()["fold"].value_counts()
    assert counts.max() - counts.min() <= 1
    with pytest.raises(InputError, match="5 folds.* 3"):
        assign_folds(np.array([1, 2, 3]), 5, rng)


def test_groups_without_sentences_are_blocks_within_a_stimulus():
    words = pd.DataFrame({"stimulus": ["a"] * 25 + ["b"] * 10})
    assert sentence_groups(words).tolist() == [0] * 20 + [1] * 5 + [2] * 10


def test_sentence_numbers_of_two_stimuli_are_different_groups():
    words = pd.DataFrame({"stimulus": ["a", "a", "b"], "sentence": [0, 1, 0]})
    assert sentence_groups(words).tolist() == [0, 1, 2]


def test_words_without_a_sentence_belong_to_the_one_before():
    words = pd.DataFrame({"stimulus": ["a", "a", "a", "b", "b"], "sentence": [0, None, 1, None, 0]})
    assert sentence_groups(words).tolist() == [0, 0, 1, 2, 3]


class TestConcepts:
    def test_missing_and_rare_labels_are_counted(self):
        labels = ["N"] * 30 + ["V"] * 25 + ["X"] * 3 + [None, None, "none", "none"]
        concept = {"name": "pos", "missing": ["none"]}
        codes, classes, skipped = concept_classes(words_of(range(62), pos=labels), concept, 20)
        assert classes == ["N", "V"]
        assert np.bincount(codes + 1).tolist() == [7, 30, 25]
        assert skipped == {"missing": 4, "rare": 3}

    def test_numbers_are_cut_into_equally_filled_classes(self, rng):
        words = words_of(range(100), frequency=rng.normal(size=100))
        codes, classes, _ = concept_classes(words, {"name": "frequency", "bins": 4}, 20)
        assert np.bincount(codes).tolist() == [25] * 4
        assert words["frequency"].groupby(codes).max().is_monotonic_increasing
        assert len(classes) == 4

    def test_numbers_without_bins_are_refused(self, rng):
        with pytest.raises(InputError, match="'frequency' has 100 numeric values.*bins"):
            concept_classes(words_of(range(100), frequency=rng.normal(size=100)), {"name": "frequency"}, 20)

    def test_bins_of_text_are_refused(self):
        with pytest.raises(InputError, match="'pos' has `bins`, but its values are .*, not numbers"):
            concept_classes(words_of(range(3), pos="N"), {"name": "pos", "bins": 4}, 1)

    def test_absent_column_is_named_with_what_there_is(self):
        with pytest.raises(InputError, match="'topic' is no column.*: number, pos"):
            concept_classes(words_of(range(3), pos="N", number=1), {"name": "topic"}, 20)


def test_control_gives_each_type_one_label_from_the_distribution(rng):
    types = rng.integers(0, 4000, 20000)
    codes = rng.choice(3, 20000, p=[0.6, 0.3, 0.1])
    draws = control_codes(codes, types, 4, rng)
    for draw in draws:
        assert pd.Series(draw).groupby(types).nunique().max() == 1
        np.testing.assert_allclose(np.bincount(draw) / 20000, [0.6, 0.3, 0.1], atol=0.03)
    assert (draws[0] != draws[1]).any()


def test_balanced_accuracy_equals_scikit_learn_and_its_error_the_spread(rng):
    codes = rng.choice(3, 900, p=[0.7, 0.2, 0.1])
    predicted = np.where(rng.random(900) < 0.6, codes, rng.integers(0, 3, 900))
    value, influence = balanced_influence(codes, predicted)
    assert value == pytest.approx(balanced_accuracy_score(codes, predicted))
    bootstrap = []
    for _ in range(400):
        drawn = rng.integers(0, 900, 900)
        bootstrap.append(balanced_accuracy_score(codes[drawn], predicted[drawn]))
    assert clustered_error(influence, np.arange(900)) == pytest.approx(np.std(bootstrap), rel=0.15)


def test_error_grows_when_words_of_a_sentence_go_together(rng):
    values = np.repeat(rng.normal(size=50), 20) / 1000
    values -= values.mean()
    assert clustered_error(values, np.repeat(np.arange(50), 20)) > 4 * clustered_error(values, np.arange(1000))


def probe_table(words, features, concepts, **options):
    options = {"folds": 5, "control_draws": 10, "min_count": 20, "seed": 0} | options
    rows = probe_rows(1, features, prepare_probes(words, concepts, **options), [1.0, 10.0, 100.0, 1e3])
    return {measure: (value, error, n) for _, measure, value, error, n in rows}


def test_a_planted_concept_is_found_and_selective(rng):
    types = rng.integers(0, 500, 2000)
    number = rng.integers(0, 2, 2000)
    features = rng.normal(size=(2000, 40))
    features[:, 0] += 4 * number
    table = probe_table(words_of(types, number=number), features, [{"name": "number"}])
    assert table["probe/number"][0] > 0.95
    assert table["selectivity/number"][0] == pytest.approx(table["probe/number"][0] - 0.5, abs=0.05)


def deviations(measure, chance, make):
    """Distance from chance in standard errors, over 24 simulated data sets."""
    found = []
    for seed in range(24):
        types, labels, features = make(np.random.default_rng(seed))
        value, error, _ = probe_table(words_of(types, pos=labels), features, [{"name": "pos"}], seed=seed)[measure]
        found.append((value - chance) / error)
    return np.array(found)


@pytest.mark.parametrize("classes", [2, 6])
def test_shuffled_labels_give_chance_within_the_interval(classes):
    found = deviations(
        "probe/pos",
        1 / classes,
        lambda rng: (np.arange(1000), rng.integers(0, classes, 1000), rng.normal(size=(1000, 40))),
    )
    # At chance, cross-validated scores scatter somewhat more than their error says, and lie a little below (each test
    # fold has more of what its training rows have less of).
    assert -1 < found.mean() < 0.5
    assert found.std() < 1.6
    assert (abs(found) < 1.96).mean() >= 0.75


def test_word_identity_with_random_labels_of_types_is_not_selective():
    def make(rng):
        types = rng.choice(200, 2000, p=rng.dirichlet(np.full(200, 0.7)))
        return types, rng.choice(4, 200)[types], np.eye(200)[types]

    found = deviations("selectivity/pos", 0, make)
    assert abs(found.mean()) < 0.8
    assert (abs(found) < 1.96).mean() >= 0.75


def test_concepts_with_other_missing_rows_are_fitted_as_if_alone(rng):
    types = rng.integers(0, 300, 800)
    number = pd.Series(rng.integers(0, 2, 800)).astype("Int64").mask(rng.random(800) < 0.4)
    words = words_of(types, number=number, pos=rng.integers(0, 3, 800))
    features = rng.normal(size=(800, 10))
    both = probe_table(words, features, [{"name": "pos"}, {"name": "number"}])
    assert both["probe/pos"] == probe_table(words, features, [{"name": "pos"}])["probe/pos"]
    assert both["probe/number"][2] == number.notna().sum()


def test_one_class_is_marked_missing_and_the_rest_goes_on(rng):
    words = words_of(range(200), pos="N", number=rng.integers(0, 2, 200))
    table = probe_table(words, rng.normal(size=(200, 5)), [{"name": "pos"}, {"name": "number"}])
    assert np.isnan(table["probe/pos"][0])
    assert table["probe/pos"][2] == 0
    assert np.isfinite(table["probe/number"][0])


def test_same_seed_same_result(rng):
    words, features = words_of(rng.integers(0, 90, 500), pos=rng.integers(0, 3, 500)), rng.normal(size=(500, 8))
    assert probe_table(words, features, [{"name": "pos"}]) == probe_table(words, features, [{"name": "pos"}])
