"""Looks at a test split: which splits are the same rows, how many comparisons there were, and what
is said of them."""

from __future__ import annotations

import pytest

from runner.records import Scale
from runner.records.looks import (
    Look,
    LookBook,
    SplitLooks,
    SplitRows,
    count_looks,
    question_of,
)
from runner.records.results import ArmResult, Difference

DAY = 86_400_000


def rows(first: int, last: int) -> SplitRows:
    """Digests spread as those of real rows are."""
    import hashlib

    numbers = [hashlib.sha256(str(n).encode()).hexdigest()[:16] for n in range(first, last)]
    return SplitRows.of(numbers)


TEST = rows(0, 100)


def look(at: int, recipe: str, *, by: str = "first", sealed: bool = False, split: str = "") -> Look:
    """A look on the day `at`."""
    return Look(
        split=split or TEST.digest,
        question=f"{by} {recipe} {at}",
        experiment=f"digest of {by}",
        name=by,
        arm=f"{recipe} {at}",
        recipe=recipe,
        sealed=sealed,
        ms=at * DAY,
    )


def counted(
    *looks: Look, splits: tuple[SplitRows, ...] = (), sealed: bool = False, older: bool = False
) -> SplitLooks:
    known = {each.digest: each for each in (TEST, *splits)}
    book = LookBook(looks=list(looks), splits=known, older=older)
    return count_looks(book, TEST, level=0.05, warn=10, shared=0.5, sealed=sealed)


def test_the_same_rows_are_the_same_split_in_any_order() -> None:
    assert SplitRows.of(["b", "a"]) == SplitRows.of(["a", "b", "b"])
    assert SplitRows.of(["a"]).digest != SplitRows.of(["a", "b"]).digest


@pytest.mark.parametrize(
    ("ours", "theirs", "share"),
    [
        ((0, 100), (0, 100), 1.0),
        ((0, 100), (50, 150), 0.5),
        ((0, 100), (200, 300), 0.0),
        ((0, 100), (0, 5000), 1.0),  # all of ours stand in the larger one
        ((0, 5000), (0, 100), 0.02),
        ((0, 4000), (1000, 5000), 0.75),
    ],
)
def test_how_many_rows_another_split_has(
    ours: tuple[int, int], theirs: tuple[int, int], share: float
) -> None:
    assert rows(*ours).share_in(rows(*theirs)) == pytest.approx(share, abs=0.08)


def test_a_split_without_rows_shares_none() -> None:
    assert rows(0, 0).share_in(TEST) == TEST.share_in(rows(0, 0)) == 0.0


def test_replicates_of_one_experiment_are_one_comparison() -> None:
    found = counted(
        look(1, ""), look(1, "a"), look(2, "a"), look(3, "b"), look(4, "a", by="second")
    )
    assert (found.comparisons, found.untuned, found.experiments) == (3, 1, 2)
    assert found.since_ms == DAY
    assert found.count == (
        "This test split (100 rows) has answered 3 comparisons and scored 1 untuned model, in 2 "
        "experiments since 1970-01-02."
    )


def test_splits_with_half_of_the_rows_count() -> None:
    half, other = rows(50, 150), rows(60, 160)
    seen = [look(1, "a"), look(2, "b", split=half.digest), look(3, "c", split=other.digest)]
    found = counted(*seen, splits=(half, other))
    assert (found.comparisons, found.elsewhere) == (2, 1)
    assert "(1 of them on splits that share its rows)" in found.count


@pytest.mark.parametrize(("comparisons", "bound"), [(0, 0.0), (1, 0.05), (7, 0.35), (40, 1.0)])
def test_the_bound_is_bonferronis(comparisons: int, bound: float) -> None:
    found = counted(*(look(n, str(n)) for n in range(comparisons)))
    assert found.bound == pytest.approx(bound)


def test_many_comparisons_are_a_warning() -> None:
    few, many = (counted(*(look(n, str(n)) for n in range(count))) for count in (9, 10))
    assert not few.worn
    assert few.fresh == ""
    assert many.worn
    assert "can be as high as 50 % (Bonferroni)" in many.trust
    assert many.fresh.startswith("Decide on validation")


def test_a_split_that_nobody_has_looked_at() -> None:
    assert counted().said == ["This test split (100 rows) has not been looked at yet."]
    assert "before this ledger counted" in counted(older=True).count


def held(low: float, high: float, *, clear: bool) -> str:
    share = Scale("share", 0.0, 1.0)
    difference = Difference(
        arm="a", against="z", metric="exact_match", value=0.2, low=low, high=high, p=0.001,
        p_holm=0.001, n=100, discordant=30, clear=clear, scale=share,
    )  # fmt: skip
    found = counted(look(1, "a"), look(2, "b"))
    return found.model_copy(update={"held": difference}).trust


def test_the_interval_that_holds_for_all_of_them() -> None:
    assert held(0.05, 0.35, clear=True).endswith(
        "puts the winner's difference between +0.050 and +0.350, so it still holds."
    )
    assert held(-0.05, 0.45, clear=False).endswith("and +0.450, so it may be one of them.")


def test_a_seal_that_holds() -> None:
    found = counted(look(1, "", sealed=True), look(1, "a", sealed=True), look(2, "a", sealed=True))
    assert found.seal == ""
    assert not found.worn
    assert "The seal holds: it was opened once, on 1970-01-02." in found.said


@pytest.mark.parametrize(
    "again",
    [
        look(5, "b", by="second", sealed=True),
        look(5, "b", by="second"),
        look(5, "", by="second"),
        look(5, "b"),  # the same experiment with the seal taken off
        look(5, "b", sealed=True),  # or with another winner
    ],
)
def test_looking_again_is_said(again: Look) -> None:
    found = counted(look(1, "", sealed=True), look(1, "a", sealed=True), again)
    assert found.seal == (
        f"The seal of this test split was broken on 1970-01-06 by {again.name}: 3 looks."
    )
    assert found.worn
    assert found.said[0] == found.seal


def test_a_seal_on_rows_that_were_looked_at_before() -> None:
    found = counted(look(1, "a"), look(2, ""), look(3, "b", by="second", sealed=True))
    assert found.seal == (
        "This test split was no secret when it was sealed on 1970-01-04: 2 looks before that, "
        "3 looks in all."
    )
    late = counted(look(1, "a"), sealed=True)
    assert late.seal == "suite.sealed came too late for this test split: 1 look before it."
    assert counted(sealed=True).seal == ""


def test_intervals_and_margins_make_no_other_question() -> None:
    suite = {"primary": "exact_match", "metrics": [{"kind": "exact_match"}], "margin": None}
    arm = ArmResult(
        digest="d", name="a", kind="tuned", config={"suite": suite}, artifacts={"predict": "/s/p1"}
    )

    def asked(**changed: object) -> str:
        return question_of(arm.model_copy(update={"config": {"suite": suite | changed}}))

    assert asked() == asked(margin=0.1, bootstrap={"samples": 500}) == question_of(arm)
    assert asked(primary="token_f1") != asked()
    assert asked(normalize=["case"]) != asked()
    other = arm.model_copy(update={"artifacts": {"predict": "/s/p2"}, "digest": "e"})
    assert question_of(other) != asked()
