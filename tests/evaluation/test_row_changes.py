"""Rows fixed and regressed: directions, stand-ins, and p as the differences have it."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from runner.evaluation import changed_rows, compare, row_lists, row_scores
from runner.records import EDITS, SHARE, Scale, ScoredRow
from runner.records.row_changes import RowLists
from runner.statistics.row_changes import directions, sign_test
from tests.evaluation.make import scored, suite

SCALES = {"exact_match": SHARE, "token_f1": SHARE, "accuracy": SHARE, "ter": EDITS}


def rows(metric: str, *values: float | None, error: str = "") -> list[ScoredRow]:
    return [
        ScoredRow(
            f"r{n}",
            f"asked {n}",
            f"t{n}",
            text=f"said {value}",
            error=error,
            scores={} if value is None else {metric: value},
        )
        for n, value in enumerate(values)
    ]


def lists(metric: str, before: list[ScoredRow], after: list[ScoredRow], **more: object) -> RowLists:
    then, now = row_scores(before, metric), row_scores(after, metric)
    return row_lists(then, now, metric, SCALES, **more)  # type: ignore[arg-type]


def test_better_and_worse_go_by_the_scale_and_the_tolerance() -> None:
    before, after = rows("token_f1", 0.2, 0.5, 0.5, 0.1), rows("token_f1", 0.3, 0.5, 0.1, 0.4)
    found = lists("token_f1", before, after)
    assert (found.fixed, found.regressed, found.unchanged) == (["r0", "r3"], ["r2"], ["r1"])
    assert found.changed() == {"r0": "fixed", "r3": "fixed", "r2": "regressed"}
    assert found.changes.test == "exact sign test on changed rows"
    assert found.changes.p == 1.0
    # 0.3 - 0.2 is a little less than 0.1 in floating point, 0.4 - 0.1 a little more than 0.3.
    wide = lists("token_f1", before, after, tolerance=0.3)
    assert (wide.fixed, wide.regressed) == ([], ["r2"])
    fewer = lists("ter", rows("ter", 10.0, 50.0), rows("ter", 20.0, 0.0))
    assert (fewer.fixed, fewer.regressed) == (["r1"], ["r0"])


def test_rows_pair_by_id_and_target_and_need_two_scores() -> None:
    before = rows("exact_match", 0.0, 1.0, None, 1.0)
    after = rows("exact_match", 1.0, 1.0, 1.0, 0.0)[::-1]
    after[0] = replace(after[0], target="another")
    found = lists("exact_match", before, after)
    assert (found.fixed, found.regressed, found.unchanged) == (["r0"], [], ["r1"])
    assert found.changes.left_out == 2
    assert lists("exact_match", before, after, among={"r1"}).changes.rows == 1


def test_a_score_of_a_whole_split_has_a_stand_in_which_is_said() -> None:
    found = lists("macro_f1", rows("accuracy", 0.0, 1.0), rows("accuracy", 1.0, 1.0)).changes
    assert (found.metric, found.primary, found.fixed) == ("accuracy", "macro_f1", 1)
    assert found.note == "macro_f1 has no value for a row by itself: rows go by accuracy."
    none = lists("corpus", rows("other", 0.0), rows("other", 1.0)).changes
    assert (none.rows, none.metric, none.left_out) == (0, "", 1)
    assert math.isnan(none.p)
    assert none.note.startswith("There is no row that both arms have a value of corpus for")


def test_bleu_goes_by_sentence() -> None:
    chosen = suite({"kind": "sacrebleu"})
    _, before = scored([("the cat sat on the mat", "a dog"), ("it rains", "it rains")], chosen)
    _, after = scored([("the cat sat on the mat", "the cat sat"), ("it rains", "it is")], chosen)
    found = lists("bleu", before, after)
    assert (found.fixed, found.regressed, found.changes.metric) == (["r00000"], ["r00001"], "bleu")


@pytest.mark.parametrize("grouped", [False, True])
def test_p_is_that_of_the_difference(grouped: bool) -> None:
    """0/1 rows: exact McNemar, or whole groups swapped, as the verdict's table has it."""
    rng, chosen = random.Random(5), suite("exact_match")
    answers = [("x", rng.choice("xxy"), rng.choice("xyy")) for _ in range(60)]
    _, one = scored([(target, left) for target, left, _ in answers], chosen)
    _, other = scored([(target, right) for target, _, right in answers], chosen)
    if grouped:
        one, other = (
            [replace(row, group=f"g{n // 4}") for n, row in enumerate(arm)] for arm in (one, other)
        )
    wanted = compare(one, other, "exact_match", chosen, 3)
    found = lists("exact_match", other, one, seed=3).changes
    assert (found.p, found.groups) == (wanted.p, wanted.groups)
    assert found.fixed + found.regressed == wanted.discordant
    assert found.p < 1


def test_graded_rows_that_hang_together_are_flipped_together() -> None:
    """By rows 12 to 0 would be p = 0.0005; but they are two groups."""
    changes = np.ones(12, dtype=np.int64)
    alone, two = np.arange(12), np.repeat([0, 1], 6)
    assert sign_test(changes, alone, 1, binary=False)[0] == pytest.approx(2 / 2**12)
    assert sign_test(changes, two, 1, binary=False) == (0.5, "sign flips of whole groups", 2)
    nothing = directions(np.empty(0), np.empty(0), Scale(), 0.0)
    assert math.isnan(sign_test(nothing, nothing, 1, binary=True)[0])


def test_texts_come_for_the_rows_that_are_wanted() -> None:
    before, after = rows("exact_match", 0, 1, error="blocked"), rows("exact_match", 1, 1)
    (row,) = changed_rows(before, after, {"r0": "fixed"}, "exact_match")
    assert (row.before, row.after, row.answer_after) == (0, 1, "said 1")
    assert row.answer_before == "[no answer: blocked]"
    assert row.to_json()["prompt"] == "asked 0"
