"""Classification against scikit-learn, and the table by label."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from tests.evaluation.make import scored, suite, values

gold_labels = st.sampled_from(["a", "b", "c", "d"])
answers = st.sampled_from(["a", "b", "c", "d", "e", "no label"])


@given(st.lists(st.tuples(gold_labels, answers), min_size=1, max_size=30))
def test_equal_to_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="parity with scikit-learn")
    scores, _ = scored(pairs, suite("classification"))
    gold, given_ = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = sorted(set(gold))
    found = values(scores)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(gold, given_))
    for average in ("micro", "macro", "weighted"):
        expected = metrics.f1_score(gold, given_, labels=labels, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected)
    rows = metrics.precision_recall_fscore_support(
        gold, given_, labels=labels, zero_division=math.nan
    )
    for label, precision, recall, f1, support in zip(labels, *rows, strict=True):
        table = scores.slices[f"label={label}"]
        assert table["f1"].value == pytest.approx(0.0 if math.isnan(f1) else f1)
        assert table["recall"].value == pytest.approx(recall)
        assert table["precision"].value == pytest.approx(precision, nan_ok=True)
        assert table["f1"].n == support


@given(st.lists(st.tuples(gold_labels, answers), min_size=1, max_size=30))
def test_answers_outside_the_labels_as_scikit_learn_counts_them(
    pairs: list[tuple[str, str]],
) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="parity with scikit-learn")
    scores, _ = scored(pairs, suite({"kind": "classification", "outside": "as_sklearn"}))
    gold, given_ = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for average in ("micro", "macro", "weighted"):
        expected = metrics.f1_score(gold, given_, average=average, zero_division=0)
        assert values(scores)[f"{average}_f1"] == pytest.approx(expected)


def test_any_accepted_label_will_do_and_spelling_is_normalised() -> None:
    chosen = suite("classification", normalize=["case", "whitespace"])
    scores, _ = scored([("Card", "refund", ["Refund"]), ("refund", "REFUND ")], chosen)
    assert values(scores) == {"accuracy": 1, "micro_f1": 1, "macro_f1": 1, "weighted_f1": 1}
    assert set(scores.slices) == {"label=Refund"}


def test_free_text_is_refused_with_a_way_out() -> None:
    pairs = [(f"text {index}", "x") for index in range(1001)]
    with pytest.raises(ConfigError, match=r"1001 different targets(.|\n)*token_f1"):
        scored(pairs, suite("classification"))


def test_the_table_shows_the_most_frequent_labels() -> None:
    pairs = [("often", "often")] * 3 + [(f"l{index:03d}", "x") for index in range(150)]
    scores, _ = scored(pairs, suite("classification"))
    assert len(scores.slices) == 100
    assert scores.slices["label=often"]["f1"].value == 1
    rare = scores.slices["label=l000"]["f1"]
    assert rare.n == 1
    assert math.isnan(rare.low), "fewer rows than slice_min get no interval"
