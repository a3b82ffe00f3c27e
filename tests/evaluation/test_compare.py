"""Paired differences: exact where a formula exists, fair under the null, symmetric always."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from runner.config import Suite
from runner.evaluation import compare, holm, pick_checkpoint, tied
from runner.records import EDITS, POINTS, UNKNOWN, Scale, ScoredRow
from runner.records.results import CheckpointScores, Difference, Score, Scores
from tests.evaluation.make import scored, suite

Rows = list[ScoredRow]


def arms(answers: list[tuple[str, str, str]], chosen: Suite) -> tuple[Rows, Rows]:
    """Rows of two arms from (target, one's answer, the other's)."""
    _, one = scored([(target, left) for target, left, _ in answers], chosen)
    _, other = scored([(target, right) for target, _, right in answers], chosen)
    return one, other


METRICS = {
    "exact_match": suite("exact_match"),
    "token_f1": suite("token_f1"),
    "macro_f1": suite("classification"),
    "bleu": suite({"kind": "sacrebleu"}),
    "chrf": suite({"kind": "sacrebleu"}),
    "ter": suite({"kind": "sacrebleu", "scores": ["ter"]}, primary="ter"),
    "rougeL": suite("rouge"),
}
word = st.sampled_from(["a", "b", "a b", "b c d e", ""])
triples = st.lists(st.tuples(word, word, word), min_size=1, max_size=20)


@settings(max_examples=100)
@given(triples, st.sampled_from(sorted(METRICS)), st.integers(0, 9), st.randoms())
def test_a_difference_is_symmetric_and_knows_its_rows(
    answers: list[tuple[str, str, str]], metric: str, seed: int, rng: Any
) -> None:
    chosen = METRICS[metric]
    one, other = arms(answers, chosen)
    found = compare(one, other, metric, chosen, seed, arm="x", against="y")
    assert (found.arm, found.against, found.n) == ("x", "y", len(answers))
    # One row that is not 0 or 1 says nothing about spread.
    known = len(answers) > 1 or metric == "exact_match"
    assert (found.low <= found.value <= found.high) if known else math.isnan(found.low)
    assert 0 < found.p <= 1
    assert found.p_holm == found.p
    left = scored([(t, a) for t, a, _ in answers], chosen)[0].overall[metric].value
    right = scored([(t, b) for t, _, b in answers], chosen)[0].overall[metric].value
    assert found.value == pytest.approx(left - right, abs=1e-9)
    back = compare(other, one, metric, chosen, seed)
    assert back.value == -found.value
    assert back.p == found.p
    ends = pytest.approx((-found.high, -found.low), abs=1e-6, nan_ok=True)
    assert (back.low, back.high) == ends
    rng.shuffle(one)
    rng.shuffle(other)
    again = compare(one, other, metric, chosen, seed, arm="x", against="y")
    assert again.model_dump_json() == found.model_dump_json()


def test_an_arm_equals_itself() -> None:
    for metric, chosen in METRICS.items():
        one, _ = arms([("a b", "a b", ""), ("b", "a", ""), ("b c d e", "b c", "")], chosen)
        found = compare(one, one, metric, chosen, 1)
        assert (found.value, found.p, found.discordant) == (0, 1, 0)
        assert found.low <= 0 <= found.high


def test_all_right_twice_is_not_a_certain_tie() -> None:
    """No discordant row of 40 leaves room for a rare one; the percentile bootstrap gave [0, 0]."""
    for metric in ("exact_match", "token_f1"):
        one, other = arms([("a b", "a b", "a b")] * 40, METRICS[metric])
        found = compare(one, other, metric, METRICS[metric], 1)
        assert (found.value, found.discordant) == (0, 0)
        assert -0.2 < found.low < -0.05
        assert found.high == -found.low


def test_the_interval_of_a_difference_of_shares_is_newcombes() -> None:
    """The paired example of Newcombe 1998 (his table II a): 36, 12, 2 and 0 of 50 rows."""
    answers = [("a", "a", "a")] * 36 + [("a", "a", "b")] * 12 + [("a", "b", "a")] * 2
    one, other = arms(answers, METRICS["exact_match"])
    found = compare(one, other, "exact_match", METRICS["exact_match"], 1)
    assert found.method == "Newcombe"
    assert found.value == pytest.approx(0.2)
    # Method 8, without his correction of the correlation: 0.0562 to 0.3290.
    assert (found.low, found.high) == (
        pytest.approx(0.0569, abs=1e-4),
        pytest.approx(0.3404, abs=1e-4),
    )


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (9, 2), (30, 31), (400, 300)])
def test_shares_use_mcnemars_exact_test(wins: int, losses: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    answers = [("a", "a", "b")] * wins + [("a", "b", "a")] * losses + [("a", "a", "a")] * 3
    one, other = arms(answers, METRICS["exact_match"])
    found = compare(one, other, "exact_match", METRICS["exact_match"], 1)
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert found.p == pytest.approx(expected, rel=1e-12)
    assert found.discordant == wins + losses
    assert found.n == len(answers)


def test_few_discordant_rows_are_tested_exactly() -> None:
    """Five rows, all better: 2 of the 32 ways to hand out the answers are as extreme."""
    chosen = METRICS["token_f1"]
    one, other = arms([("a b c d", "a b c d", "a")] * 5 + [("a", "b", "b")] * 9, chosen)
    assert compare(one, other, "token_f1", chosen, 1).p == 2 / 32


def test_many_rows_agree_with_scipys_permutation_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(3)
    chosen = METRICS["token_f1"]
    vocabulary = ["a", "b", "c", "d", "e", "f"]
    answers = [
        (
            " ".join(rng.choices(vocabulary, k=6)),
            " ".join(rng.choices(vocabulary, k=5)),
            " ".join(rng.choices(vocabulary, k=6)),
        )
        for _ in range(120)
    ]
    one, other = arms(answers, chosen)
    differences = [
        left.scores["token_f1"] - right.scores["token_f1"]
        for left, right in zip(one, other, strict=True)
    ]
    expected = stats.permutation_test(
        (differences,),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        batch=500,
        rng=4,
    ).pvalue
    assert compare(one, other, "token_f1", chosen, 1).p == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("metric", "runs", "most"),
    # 5 % plus three standard deviations.
    [("exact_match", 200, 20), ("token_f1", 200, 20), ("macro_f1", 200, 20), ("bleu", 40, 7)],
)
def test_true_nulls_are_rarely_rejected(metric: str, runs: int, most: int) -> None:
    """Two arms whose answers come from one distribution: at most about 5 % have p <= 0.05."""
    rng = random.Random(11)
    chosen = METRICS[metric].model_copy(
        update={"bootstrap": METRICS[metric].bootstrap.model_copy(update={"samples": 100})}
    )
    pool = ["a b c d e", "a b c d f", "a b x y z", "q"]
    rejected = 0
    for _ in range(runs):
        answers = [("a b c d e", rng.choice(pool), rng.choice(pool)) for _ in range(25)]
        one, other = arms(answers, chosen)
        rejected += compare(one, other, metric, chosen, rng.randrange(2**31)).p <= 0.05
    assert rejected <= most


def test_a_real_difference_is_found() -> None:
    rng = random.Random(2)
    for metric in ("exact_match", "token_f1", "macro_f1", "bleu"):
        chosen = METRICS[metric]
        answers = []
        for _ in range(80):
            target = rng.choice(["a b c d", "e f g h"])
            wrong = "x y z w"
            answers.append((target, target if rng.random() < 0.9 else wrong, wrong))
        one, other = arms(answers, chosen)
        found = compare(one, other, metric, chosen, 1)
        assert found.p < 0.001
        assert found.low > 0


def blocked(row: ScoredRow) -> ScoredRow:
    return replace(row, text="", extracted=None, unanswered="blocked")


def test_unanswered_rows_are_wrong_for_whom_they_are_missing() -> None:
    chosen = METRICS["exact_match"]
    one, other = arms([("a", "a", "a")] * 6, chosen)
    one[0] = blocked(one[0])
    found = compare(one, other[:5], "exact_match", chosen, 1)
    assert (found.n, found.discordant) == (5, 1)
    assert (found.value, found.ours, found.theirs) == (pytest.approx(-0.2), 0.8, 1.0)


def test_on_common_rows_only_those_that_both_answered_count() -> None:
    chosen = METRICS["exact_match"].model_copy(update={"unanswered": "common"})
    one, other = arms([("a", "a", "b")] * 6, chosen)
    one[0], other[1] = blocked(one[0]), blocked(other[1])
    found = compare(one, other[:5], "exact_match", chosen, 1)
    assert found.n == 3
    nothing = compare(one[:1], other, "exact_match", chosen, 1)
    assert nothing.n == 0
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.p)


@pytest.mark.parametrize("metric", ["exact_match", "token_f1"])
def test_whole_groups_are_swapped(metric: str) -> None:
    """30 rows better in 3 groups are 3 groups better: 2 of the 8 ways to swap are as extreme."""
    answers = [("a b", "a b", "c")] * 30 + [("a b", "c", "c")] * 10
    one, other = (
        [replace(row, group=f"g{index // 10}") for index, row in enumerate(rows)]
        for rows in arms(answers, METRICS[metric])
    )
    found = compare(one, other, metric, METRICS[metric], 1)
    assert (found.value, found.p) == (0.75, 2 / 8)
    assert (found.n, found.groups, found.discordant) == (40, 4, 30)
    alone = compare(*arms(answers, METRICS[metric]), metric, METRICS[metric], 1)
    assert (alone.groups, alone.p < 1e-3) == (0, True)
    assert found.high - found.low > alone.high - alone.low
    single = [[replace(row, group=row.id) for row in rows] for rows in (one, other)]
    assert compare(*single, metric, METRICS[metric], 1) == alone


def test_a_true_null_with_groups_is_rarely_rejected() -> None:
    """Rows of a group are all right or all wrong, by luck of the arm: McNemar over rows rejects
    this in most cases."""
    rng = random.Random(4)
    chosen = METRICS["exact_match"]
    rejected = 0
    for _ in range(100):
        answers = [("a", rng.choice("ab"), rng.choice("ab")) for _ in range(12)]
        one, other = (
            [replace(row, group=f"g{index // 10}") for index, row in enumerate(rows)]
            for rows in arms([each for each in answers for _ in range(10)], chosen)
        )
        rejected += compare(one, other, "exact_match", chosen, 1).p <= 0.05
    assert rejected <= 11


def test_an_unknown_score_is_explained() -> None:
    chosen = METRICS["macro_f1"]
    one, other = arms([("a", "a", "b")], chosen)
    with pytest.raises(ConfigError, match="did you mean macro_f1"):
        compare(one, other, "macro-f1", chosen, 1)


def test_field_scores_can_be_compared() -> None:
    chosen = suite("json_fields", extract={"kind": "json"})
    answers = [('{"a":1}', '{"a":1}', '{"a":2}'), ('{"b":1}', "{}", '{"b":1}')]
    one, other = arms(answers, chosen)
    found = compare(one, other, "json_field/a", chosen, 1)
    assert (found.value, found.n, found.discordant) == (1, 1, 1)


def difference(p: float) -> Difference:
    return Difference(
        arm="a", against="b", metric="m", value=0, low=0, high=0, p=p, p_holm=p, n=9, discordant=9
    )


def test_holm_by_hand() -> None:
    found = holm([difference(p) for p in (0.04, 0.01, 0.03, math.nan)])
    assert [item.p_holm for item in found[:3]] == [0.06, 0.03, 0.06]
    assert math.isnan(found[3].p_holm)
    assert holm([]) == []


@given(st.lists(st.floats(1e-6, 1), max_size=12))
def test_holm_never_helps_and_keeps_the_order(ps: list[float]) -> None:
    found = holm([difference(p) for p in ps])
    assert [item.p for item in found] == ps
    for item in found:
        assert item.p <= item.p_holm <= 1
        assert item.p_holm <= max(item.p * len(ps), max(ps))
    by_p = sorted(found, key=lambda item: item.p)
    assert [item.p_holm for item in by_p] == sorted(item.p_holm for item in found)
    if ps:
        assert by_p[0].p_holm == pytest.approx(min(1, min(ps) * len(ps)))


def checkpoint(
    name: str, value: float, loss: float, metric: str = "exact_match", scale: Scale = UNKNOWN
) -> CheckpointScores:
    score = Score(value=value, low=value, high=value, n=10, scale=scale)
    validation = Scores(split="validation", rows=10, overall={metric: score})
    step = int(name)
    return CheckpointScores(
        id=name, epoch=step, step=step, eval_loss=loss, path="", validation=validation
    )


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([("1", 0.5, 2.0), ("2", 0.7, 3.0), ("3", 0.6, 1.0)], "2"),
        ([("1", 0.7, 2.0), ("2", 0.7, 1.0), ("3", 0.7, 1.5)], "2"),
        ([("2", 0.7, 1.0), ("1", 0.7, 1.0)], "1"),
        ([("1", 0.7, math.nan), ("2", 0.7, 5.0)], "2"),
        ([("1", math.nan, 1.0), ("2", 0.0, 5.0)], "2"),
        ([("1", math.nan, 2.0), ("2", math.nan, 1.0)], "2"),
    ],
)
def test_the_best_checkpoint(rows: list[tuple[str, float, float]], best: str) -> None:
    assert pick_checkpoint([checkpoint(*row) for row in rows], "exact_match") == best


def test_the_earliest_tied_checkpoint_and_the_last() -> None:
    rows = [checkpoint("1", 0.2, 1.0), checkpoint("2", 0.6, 2.0), checkpoint("3", 0.7, 3.0)]
    close = [item.model_copy(update={"tied": item.id == "2"}) for item in rows]
    assert pick_checkpoint(close, "exact_match", "tied") == "2"
    assert pick_checkpoint(rows, "exact_match", "tied") == "3"
    assert pick_checkpoint(rows[::-1], "exact_match", "last") == "3"


@pytest.mark.parametrize(
    ("fixed", "lost", "told_apart"), [(0, 0, False), (1, 0, False), (9, 6, False), (9, 2, True)]
)
def test_ties_are_within_one_standard_error_of_the_paired_difference(
    fixed: int, lost: int, told_apart: bool
) -> None:
    # Of a sum of +1 and -1 the error is the root of their number, about: 3 of 15, but 7 of 11.
    answers = [("a", "a", "b")] * fixed + [("a", "b", "a")] * lost + [("a", "a", "a")] * 40
    for metric in ("exact_match", "token_f1"):
        best, other = arms(answers, METRICS[metric])
        assert tied(best, other, metric, METRICS[metric], seed=1) is not told_apart, metric
        assert tied(other, best, metric, METRICS[metric], seed=1)


def test_of_edits_fewer_are_better_in_a_tie_too() -> None:
    answers = [("a b c d", "a b c d", "x y z w")] * 9 + [("a b c d", "a b c d", "a b c d")] * 9
    best, other = arms(answers, METRICS["ter"])
    assert not tied(best, other, "ter", METRICS["ter"], seed=1)


def test_the_best_checkpoint_by_ter_has_the_fewest_edits() -> None:
    rows = [checkpoint("1", 40.0, 1.0, "ter", EDITS), checkpoint("2", 30.0, 2.0, "ter", EDITS)]
    assert pick_checkpoint(rows, "ter") == "2"
    assert EDITS.better(30, 40)
    assert not POINTS.better(30, 40)
    assert not POINTS.better(30, 30)
    assert POINTS.better(30, math.nan)
    assert not POINTS.better(math.nan, 30)


def test_a_checkpoint_without_the_score_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"'bleu' was not measured.*exact_match"):
        pick_checkpoint([checkpoint("1", 1.0, 1.0)], "bleu")
    with pytest.raises(ValueError, match="no checkpoints"):
        pick_checkpoint([], "bleu")
