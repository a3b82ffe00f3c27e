"""Which rows every tuned arm fixes and breaks against the untuned arm it is held against.

The counts go into the result; the row ids lie beside the report as ``rows/ARM-AGAINST.json``, and
the changed rows of the arm that people look at first, with their texts, as JSONL beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.files import replace_text, replacing
from runner.config import Suite
from runner.records import Scale, read_rows, write_jsonl
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.records.row_changes import RowChanges, RowLists
from runner.store.artifacts import sound
from runner.verdict.same_rows import same_rows

if TYPE_CHECKING:
    from runner.evaluation import RowScores

FOLDER = "rows"
"""Beside the report."""
DIGITS = 12
"""Of an arm's digest, in a file name."""


def with_row_lists(
    result: ExperimentResult, suite: Suite, seed: int, folder: Path
) -> ExperimentResult:
    """The result with `row_changes`, whose lists are written below `folder`.

    They are of the same pairs as `differences`, and of the arm that people look at first against
    every other: of a recipe with replicates it is the one that would be shipped. Under
    ``suite.unanswered: common`` the rows count that all arms which were asked them answered, as in
    the differences.
    """
    from runner.evaluation import row_scores

    arms = {arm.digest: arm for arm in result.arms}
    known: dict[str, RowScores] = {}

    def scores(digest: str) -> RowScores:
        return row_scores(read_rows(_file(arms[digest])), suite.primary)

    among = _answered_by_all(result.arms) if suite.unanswered == "common" else {}
    found: list[RowChanges] = []
    for item in result.differences:
        if item.against not in known:  # one baseline for most arms: read it once, keep it alone
            known = {item.against: scores(item.against)}
        lists = compared(
            (arms[item.arm], scores(item.arm)),
            (arms[item.against], known[item.against]),
            suite,
            seed,
            among.get(item.arm),
        )
        found.append(_written(lists, arms, folder, texts=item.arm == result.leading))
    rivals: list[RowChanges] = []
    for digest in _rivals(result) if found else []:
        if not rivals:
            known = {result.leading: scores(result.leading)}
        lists = compared(
            (arms[result.leading], known[result.leading]),
            (arms[digest], scores(digest)),
            suite,
            seed,
            among.get(digest),
        )
        rivals.append(_written(lists, arms, folder, texts=False))
    return result.model_copy(update={"row_changes": found, "row_rivals": rivals})


def _rivals(result: ExperimentResult) -> list[str]:
    """The other finished arms that were asked the rows of the leading one, but for the one that it
    is held against anyway and for replicates that would not be shipped."""
    kept = {each.shipped for each in result.recipes}
    done = [arm for arm in result.arms if arm.status == "done"]
    held = {item.against for item in result.differences if item.arm == result.leading}
    for peers in same_rows(done):
        if any(arm.digest == result.leading for arm in peers):
            return [
                arm.digest
                for arm in peers
                if arm.digest not in held | {result.leading}
                and (arm.kind != "tuned" or arm.digest in kept or not kept)
            ]
    return []


def compared(
    after: tuple[ArmResult, RowScores],
    before: tuple[ArmResult, RowScores],
    suite: Suite,
    seed: int,
    among: set[str] | None = None,
) -> RowLists:
    """The row lists of one arm against another, by the suite's primary score."""
    from runner.evaluation import row_lists

    return row_lists(
        before[1],
        after[1],
        suite.primary,
        scales(after[0], before[0]),
        tolerance=suite.row_tolerance,
        seed=seed,
        among=among,
        arm=after[0].digest,
        against=before[0].digest,
    )


def scales(*arms: ArmResult) -> dict[str, Scale]:
    """What the scores of these arms mean, by name."""
    tests = (arm.test.overall for arm in reversed(arms) if arm.test)
    return {name: score.scale for overall in tests for name, score in overall.items()}


def _file(arm: ArmResult) -> Path:
    return sound(Path(arm.predictions["test"]))


def _answered_by_all(arms: Sequence[ArmResult]) -> dict[str, set[str]]:
    """Arm digest to the ids of the rows that every finished arm which was asked them answered."""
    found: dict[str, set[str]] = {}
    for peers in same_rows([arm for arm in arms if arm.status == "done"]):
        answered = [
            {row.id for row in read_rows(_file(arm)) if not row.unanswered} for arm in peers
        ]
        shared = set.intersection(*answered)
        found |= {arm.digest: shared for arm in peers}
    return found


def _written(
    lists: RowLists, arms: Mapping[str, ArmResult], folder: Path, *, texts: bool
) -> RowChanges:
    """Leave the ids of the lists, and with `texts` the changed rows, in `folder`."""
    from runner.evaluation import changed_rows

    changes = lists.changes
    ids = folder / FOLDER / f"{changes.arm[:DIGITS]}-{changes.against[:DIGITS]}.json"
    ids.parent.mkdir(parents=True, exist_ok=True)
    table = ids.with_suffix(".jsonl") if texts and changes.rows else None
    changes = changes.model_copy(update={"file": str(ids), "table": str(table or "")})
    replace_text(ids, lists.model_copy(update={"changes": changes}).model_dump_json())
    if table:
        before, after = (read_rows(_file(arms[d])) for d in (changes.against, changes.arm))
        rows = changed_rows(before, after, lists.changed(), changes.metric)
        with replacing(table) as partial:
            write_jsonl(partial, (row.to_json() for row in rows))
    return changes
