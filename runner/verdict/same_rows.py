"""Arms and checkpoints with scores over the same rows, before anyone says which is best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path

from runner.base.digests import digest_of
from runner.config import Suite
from runner.records import ScoredRow, read_rows
from runner.records.results import ArmResult, Scores
from runner.store.artifacts import sound

LEAST = 0.5
"""Arms that share fewer of their rows are not held against each other: what they share is no
sample of either's."""

APART = "The arms were validated on different rows, so the choice rests on those."


_kept: ContextVar[dict[Path, list[ScoredRow]] | None] = ContextVar("rows", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """While this lasts every file of rows is read and checked once: many questions are asked of the
    same rows at an experiment's end. They stay in memory until then, which asking all arms at once
    (`recipe_claims`) takes anyway."""
    if _kept.get() is not None:  # inside of another one
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def rows_by_split(arm: ArmResult, split: str = "test") -> list[ScoredRow]:
    """The arm's scored rows; empty where it has none of this split, or they are gone."""
    path, kept = Path(arm.predictions.get(split, "")), _kept.get()
    if kept is not None and path in kept:
        return kept[path]
    rows = list(read_rows(sound(path))) if path.is_file() else []
    if kept is not None:
        kept[path] = rows
    return rows


def same_rows(arms: Sequence[ArmResult], split: str = "test") -> list[list[ArmResult]]:
    """Arms by the rows they were asked: only answers to the same rows can be paired."""
    groups: dict[str, list[ArmResult]] = {}
    for arm in arms:
        asked = sorted((row.id, row.target) for row in rows_by_split(arm, split))
        groups.setdefault(digest_of(asked), []).append(arm)
    return list(groups.values())


def on_common_rows(arms: Sequence[ArmResult], suite: Suite, seed: int) -> list[ArmResult]:
    """The same arms; under ``suite.unanswered: common`` with scores over the rows that every
    finished arm which was asked them answered, so that whatever ranks them ranks alike.

    On validation tuned and untuned arms are each ranked among themselves, and share rows so."""
    if suite.unanswered != "common":
        return list(arms)
    done = [arm for arm in arms if arm.status == "done"]
    tuned = [arm for arm in done if arm.kind == "tuned"]
    untuned = [arm for arm in done if arm.kind != "tuned"]
    changes: dict[str, dict[str, Scores]] = {arm.digest: {} for arm in done}
    for split, able in (("validation", tuned), ("validation", untuned), ("test", done)):
        for peers in same_rows([arm for arm in able if split in arm.predictions], split):
            rows = {arm.digest: rows_by_split(arm, split) for arm in peers}
            for digest, scores in common_scores(rows, suite, split, seed).items():
                changes[digest][split] = scores
    return [arm.model_copy(update=changes.get(arm.digest, {})) for arm in arms]


def common_scores(
    candidates: Mapping[str, Sequence[ScoredRow]], suite: Suite, split: str, seed: int
) -> dict[str, Scores]:
    """The scores of every candidate over the rows that all of them are compared on."""
    from runner.evaluation import score_among, shared_rows

    shared = shared_rows(list(candidates.values()), suite)
    among = partial(score_among, ids=shared, suite=suite, split=split, seed=seed)
    return {name: among(rows) for name, rows in candidates.items()}


def chosen_on(arms: Sequence[ArmResult], suite: Suite, seed: int) -> tuple[dict[str, Scores], str]:
    """Validation scores by arm digest that may be held against each other, and what a reader
    should know about them; nothing where all arms were asked the same rows.

    Arms with other data may have other validation rows. They are ranked on the rows that all of
    them share, as long as that is at least `LEAST` of each one's.
    """
    found = {arm.digest: arm.validation for arm in arms if arm.validation}
    rows = {arm.digest: rows_by_split(arm, "validation") for arm in arms if arm.validation}
    if not all(rows.values()) or len(same_rows(arms, "validation")) == 1:
        return found, ""
    asked = [{(row.id, row.target) for row in each} for each in rows.values()]
    shared = set.intersection(*asked)
    if len(shared) < LEAST * max(map(len, asked)):
        return found, APART
    kept = {
        digest: [row for row in each if (row.id, row.target) in shared]
        for digest, each in rows.items()
    }
    said = f"The arms were validated on different rows; the {len(shared):,} shared ones chose."
    return common_scores(kept, suite, "validation", seed), said
