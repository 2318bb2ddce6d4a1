from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from triphase.states import probes
from triphase.states.layer import Layer
from triphase.states.measures import STATE_MEASURES, layer_rows
from triphase.states.probes import CONTROL_DRAWS, balanced_influence, clustered_error, plan_probes, predict
from triphase.states.rows import identity_rows, probe_metadata


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def words_of(types, **labels):
    """A words table: sentences of 10 words."""
    n = len(types)
    return pd.DataFrame(
        {"stimulus": "story", "word": [f"w{t}" for t in types], "sentence": np.arange(n) // 10, **labels}
    )


def splits_of(folds):
    return [(folds != fold, folds == fold) for fold in np.unique(folds)]


@pytest.mark.parametrize("shape", [(400, 20), (120, 300)])
@pytest.mark.parametrize("alpha", [0.1, 100.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_predictions_equal_ridge_classifier(rng, shape, alpha, classes):
    codes = rng.integers(0, classes, shape[0])
    features = rng.normal(size=shape) * rng.uniform(0.1, 9, shape[1]) + 4
    features[:, :classes] += 3 * np.eye(classes)[codes]
    folds = splits_of(rng.permutation(np.arange(shape[0]) % 4))
    ours = predict(features, [codes, codes[::-1].copy()], folds, np.arange(shape[0]), [alpha])
    for problem, labels in zip(ours, (codes, codes[::-1]), strict=True):
        for train, test in folds:
            reference = make_pipeline(StandardScaler(), RidgeClassifier(alpha=alpha))
            reference.fit(features[train], labels[train])
            np.testing.assert_array_equal(problem[test], reference.predict(features[test]))


def test_alpha_is_the_one_of_least_generalised_cross_validation(rng):
    features = rng.normal(size=(150, 60))
    codes = (features[:, 0] + 2 * rng.normal(size=150) > 0).astype(int)
    folds = np.arange(150) % 3
    alphas = [0.01, 1.0, 100.0, 1e4]
    chosen = predict(features, [codes], splits_of(folds), folds, alphas)[0]
    for fold in range(3):
        train = StandardScaler().fit_transform(features[folds != fold])
        target = 2.0 * codes[folds != fold] - 1
        target -= target.mean()
        errors = []
        for alpha in alphas:
            hat = train @ np.linalg.solve(train.T @ train + alpha * np.eye(60), train.T)
            errors.append(((target - hat @ target) ** 2).sum() / (100 - 1 - np.trace(hat)) ** 2)
        alone = predict(features, [codes], splits_of(folds), folds, [alphas[int(np.argmin(errors))]])[0]
        np.testing.assert_array_equal(chosen[folds == fold], alone[folds == fold])


def test_constant_features_and_repeated_columns_do_no_harm(rng):
    codes = rng.integers(0, 3, 200)
    signal = np.eye(3)[codes] + 0.1 * rng.normal(size=(200, 3))
    features = np.c_[signal, signal, np.ones((200, 5))]
    folds = np.arange(200) % 5
    assert (predict(features, [codes], splits_of(folds), folds, [1.0])[0] == codes).mean() == 1


def test_constant_features_predict_the_commonest_class():
    codes, folds = np.arange(60) % 3 // 2, np.arange(60) % 5
    assert (predict(np.ones((60, 4)), [codes], splits_of(folds), folds, [1.0])[0] == 0).all()


class TestLogistic:
    def test_predictions_equal_scikit_learn(self, rng):
        codes = rng.integers(0, 3, 300)
        features = rng.normal(size=(300, 10)) * 5 + 2
        features[:, :3] += 8 * np.eye(3)[codes]
        train, test = np.arange(300) < 200, np.arange(300) >= 200
        ours = predict(features, [codes], [(train, test)], np.arange(300) // 10, [4.0], "logistic")[0]
        reference = make_pipeline(StandardScaler(), LogisticRegression(C=1 / 4, max_iter=1000))
        expected = reference.fit(features[train], codes[train]).predict(features[test])
        np.testing.assert_array_equal(ours[test], expected)
        assert (ours[train] == -1).all()

    def test_the_penalty_is_chosen_on_sentences_held_out_of_training(self, rng):
        codes = (rng.random(400) < 0.2).astype(int)
        features = rng.normal(size=(400, 5)) + 2 * codes[:, None]
        folds, groups = np.arange(400) % 4, np.arange(400) // 4
        strong, weak, chosen = (
            balanced_accuracy_score(codes, predict(features, [codes], splits_of(folds), groups, alphas, "logistic")[0])
            for alphas in ([1e6], [1.0], [1e6, 1.0])
        )
        assert strong == 0.5
        assert chosen == weak > 0.9

    def test_labels_of_one_class_in_training_are_predicted(self, rng):
        codes = np.r_[np.zeros(20, int), np.ones(5, int)]
        train = np.arange(25) < 20
        assert (
            predict(rng.normal(size=(25, 3)), [codes], [(train, ~train)], codes, [1.0], "logistic")[0, 20:] == 0
        ).all()


def test_balanced_accuracy_equals_scikit_learn_and_its_error_the_spread(rng):
    codes = rng.choice(3, 900, p=[0.7, 0.2, 0.1])
    predicted = np.where(rng.random(900) < 0.6, codes, rng.integers(0, 3, 900))
    value, influence = balanced_influence(codes, predicted, np.zeros(900, dtype=int))
    assert value == pytest.approx(balanced_accuracy_score(codes, predicted))
    bootstrap = []
    for _ in range(400):
        drawn = rng.integers(0, 900, 900)
        bootstrap.append(balanced_accuracy_score(codes[drawn], predicted[drawn]))
    assert clustered_error(influence, np.arange(900)) == pytest.approx(np.std(bootstrap), rel=0.15)


def test_a_score_without_signal_is_at_chance_whatever_the_folds_hold(rng):
    codes, folds = rng.choice(3, 3000, p=[0.4, 0.35, 0.25]), rng.integers(0, 10, 3000)
    commonest = [np.bincount(codes[folds != fold]).argmax() for fold in range(10)]
    assert balanced_influence(codes, np.array(commonest)[folds], folds)[0] == pytest.approx(1 / 3)
    # The class that each fold has least of: the pooled score would be below chance.
    least = np.array([np.bincount(codes[folds == fold]).argmin() for fold in range(10)])[folds]
    least = np.where(rng.random(3000) < 0.5, least, codes[rng.permutation(3000)])
    assert balanced_influence(codes, least, folds)[0] == pytest.approx(1 / 3, abs=0.03)


def test_a_class_that_some_folds_lack_is_scored_in_the_others():
    codes, folds = np.array([0, 0, 0, 1, 1, 0, 1]), np.array([0, 0, 1, 1, 1, 2, 1])
    value, influence = balanced_influence(codes, np.array([0, 1, 0, 1, 0, 1, 1]), folds)
    assert value == pytest.approx(((0.5 + 1 + 0) / 3 + 2 / 3) / 2)
    assert influence.sum() == pytest.approx(0)


def test_error_grows_when_words_of_a_sentence_go_together(rng):
    values = np.repeat(rng.normal(size=50), 20) / 1000
    values -= values.mean()
    assert clustered_error(values, np.repeat(np.arange(50), 20)) > 4 * clustered_error(values, np.arange(1000))


PROBES = {"classifier": "ridge", "learning_curve": []}


def table_of(rows):
    """Value, error and n by measure and target, and setting where there is one."""
    return {
        (name, value.target, *([] if value.setting is None else [value.setting])): (value.value, value.se, value.n)
        for _, name, value in rows
    }


def probe_table(words, features, concepts, seed=0, control_draws=CONTROL_DRAWS, **options):
    probes = PROBES | {"concepts": concepts} | options
    plan = plan_probes(words, probes, seed, control_draws)
    layer = Layer(1, np.asarray(features), words, np.arange(0), {}, plan, probes["classifier"])
    measures = ("probe", "selectivity", "probe_types", "probe_learning")
    return table_of(layer_rows(layer, {name: STATE_MEASURES[name] for name in measures}))


@pytest.mark.parametrize("classifier", ["ridge", "logistic"])
def test_a_planted_concept_is_found_and_selective(rng, classifier):
    types = rng.integers(0, 500, 2000)
    number = rng.integers(0, 2, 2000)
    features = rng.normal(size=(2000, 40))
    features[:, 0] += 4 * number
    options = {"classifier": classifier, "control_draws": 2}
    table = probe_table(words_of(types, number=number), features, [{"name": "number"}], **options)
    assert table["probe", "number"][0] > 0.95
    assert table["probe_types", "number"][0] > 0.95
    assert table["selectivity", "number"][0] == pytest.approx(table["probe", "number"][0] - 0.5, abs=0.05)


def deviations(measure, chance, make):
    """Distance from chance in standard errors, over 24 simulated data sets."""
    found = []
    for seed in range(24):
        types, labels, features = make(np.random.default_rng(seed))
        value, error, _ = probe_table(words_of(types, pos=labels), features, [{"name": "pos"}], seed=seed)[measure]
        found.append((value - chance) / error)
    return np.array(found)


@pytest.fixture
def light_penalties(monkeypatch):
    """Penalties under which predictions vary; equal ones are at chance, with an error of next to nothing."""
    monkeypatch.setattr(probes, "predict", partial(predict, alphas=[1.0, 10.0, 100.0, 1e3]))


@pytest.mark.usefixtures("light_penalties")
@pytest.mark.parametrize("classes", [2, 6])
def test_shuffled_labels_give_chance_within_the_interval(classes):
    found = deviations(
        ("probe", "pos"),
        1 / classes,
        lambda rng: (np.arange(1000), rng.integers(0, classes, 1000), rng.normal(size=(1000, 40))),
    )
    assert abs(found.mean()) < 0.6
    assert found.std() < 1.2
    assert (abs(found) < 1.96).mean() >= 0.9


def test_word_identity_with_random_labels_of_types_is_not_selective():
    def make(rng):
        types = rng.choice(200, 2000, p=rng.dirichlet(np.full(200, 0.7)))
        return types, rng.choice(4, 200)[types], np.eye(200)[types]

    found = deviations(("selectivity", "pos"), 0, make)
    assert abs(found.mean()) < 0.6
    assert found.std() < 1.2
    assert (abs(found) < 1.96).mean() >= 0.9


def test_concepts_with_other_missing_rows_are_fitted_as_if_alone(rng):
    types = rng.integers(0, 300, 800)
    number = pd.Series(rng.integers(0, 2, 800)).astype("Int64").mask(rng.random(800) < 0.4)
    words = words_of(types, number=number, pos=rng.integers(0, 3, 800))
    features = rng.normal(size=(800, 10))
    both = probe_table(words, features, [{"name": "pos"}, {"name": "number"}])
    assert both["probe", "pos"] == probe_table(words, features, [{"name": "pos"}])["probe", "pos"]
    assert both["probe", "number"][2] == number.notna().sum()


def test_a_property_of_word_types_is_not_found_on_other_types(rng):
    types = rng.integers(0, 150, 1500)
    codes = (types % 2).astype(int)
    # The vectors of word types are random: their property can only be learnt by heart.
    features = rng.normal(size=(150, 200))[types]
    table = probe_table(words_of(types, pos=codes), features, [{"name": "pos"}])
    assert table["probe", "pos"][0] > 0.95
    value, error, n = table["probe_types", "pos"]
    assert abs(value - 0.5) < 4 * error
    assert n == 1500


def test_a_property_of_sentences_is_not_found_on_other_types_by_their_neighbours(rng):
    # Topic by sentence; vectors say which sentence a word is in, and nothing else.
    number = np.arange(1500) // 10
    topic = rng.integers(0, 2, 150)[number]
    features = rng.normal(size=(150, 200))[number]
    value, error, _ = probe_table(words_of(rng.integers(0, 90, 1500), topic=topic), features, [{"name": "topic"}])[
        "probe_types", "topic"
    ]
    assert abs(value - 0.5) < 4 * error


def test_more_training_sentences_make_a_learning_curve(rng):
    number = rng.integers(0, 2, 2000)
    features = rng.normal(size=(2000, 40))
    features[:, 0] += 2 * number
    words = words_of(rng.integers(0, 500, 2000), number=number)
    table = probe_table(words, features, [{"name": "number"}], learning_curve=[0.02, 0.2], control_draws=1)
    small, large = (table["probe_learning", "number", share][0] for share in (0.02, 0.2))
    assert small + 0.05 < large < table["probe", "number"][0] + 0.01
    assert table["probe_learning", "number", 0.02][2] == 2000


def test_static_identity_knows_what_words_determine_and_no_more(rng):
    types = rng.integers(0, 40, 2000)
    words = words_of(types, pos=types % 3, topic=rng.integers(0, 2, 2000))
    plan = plan_probes(words, PROBES | {"concepts": [{"name": "pos"}, {"name": "topic"}]}, seed=0)
    table = table_of(identity_rows(plan, "ridge"))
    assert set(table) == set(product(("probe_identity", "selectivity_identity"), ("pos", "topic")))
    assert table["probe_identity", "pos"][0] == pytest.approx(1)
    value, error, _ = table["probe_identity", "topic"]
    assert abs(value - 0.5) < 4 * error


def test_what_cannot_be_probed_is_marked_and_the_rest_goes_on(rng):
    words = words_of(range(200), pos="N", number=rng.integers(0, 2, 200), role=[None] * 200)
    concepts = [{"name": name} for name in ("pos", "number", "tense", "role")]
    table = probe_table(words, rng.normal(size=(200, 5)), concepts, learning_curve=[0.5])
    for concept in ("pos", "tense", "role"):
        for measure, *setting in (["probe"], ["selectivity"], ["probe_types"], ["probe_learning", 0.5]):
            value, error, n = table[measure, concept, *setting]
            assert np.isnan([value, error]).all()
            assert n == 0
    assert np.isfinite(table["probe", "number"][0])
    metadata = probe_metadata(plan_probes(words, PROBES | {"concepts": concepts}, seed=0))
    assert "only 'N' has" in metadata["pos"]["reason"]
    assert "no label 'tense'; there are: number, pos, role" in metadata["tense"]["reason"]
    assert "no class has" in metadata["role"]["reason"]
    assert metadata["number"]["reason"] is None


def test_a_class_whose_types_are_never_in_training_is_not_scored(rng):
    # All 30 words of class 2 are one type: held out, nothing tells of the class.
    types = np.r_[rng.integers(0, 50, 570), np.full(30, 99)]
    order = rng.permutation(600)
    types, codes = types[order], np.where(types == 99, 2, types % 2)[order]
    words, features = words_of(types, pos=codes), np.eye(3)[codes] + 0.01 * rng.normal(size=(600, 3))
    table = probe_table(words, features, [{"name": "pos"}])
    assert table["probe", "pos"][::2] == pytest.approx((1, 600))
    assert table["probe_types", "pos"][::2] == pytest.approx((1, 570))
    metadata = probe_metadata(plan_probes(words, PROBES | {"concepts": [{"name": "pos"}]}, seed=0))
    assert metadata["pos"]["skipped"] == {"missing": 0, "rare": {}, "untrained_sentences": 0, "untrained_types": 30}


def test_words_of_one_type_have_no_score_on_other_types(rng):
    words, features = words_of([0] * 200, number=rng.integers(0, 2, 200)), rng.normal(size=(200, 4))
    table = probe_table(words, features, [{"name": "number"}])
    assert np.isfinite(table["probe", "number"][0])
    assert ("probe_types", "number") not in table


def test_same_seed_same_result(rng):
    words, features = words_of(rng.integers(0, 90, 500), pos=rng.integers(0, 3, 500)), rng.normal(size=(500, 8))
    assert probe_table(words, features, [{"name": "pos"}]) == probe_table(words, features, [{"name": "pos"}])
