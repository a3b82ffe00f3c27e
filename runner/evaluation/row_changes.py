"""Two arms row by row: what each row scored before and after, without holding anyone's texts.

Rows are read off the files that scoring left, with the values that they were given there, so that
nothing is scored twice and a row without a usable answer is what `suite.unanswered` makes of it:
at its worst, or without a score and left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.records import UNKNOWN, Scale, ScoredRow
from runner.records.row_changes import Change, ChangedRow, RowChanges, RowLists
from runner.statistics.measure import group_ids
from runner.statistics.row_changes import directions, sign_test

if TYPE_CHECKING:
    from runner.statistics.measure import Ids, Matrix

STAND_INS = ("exact_match", "accuracy", "token_f1")
"""Row-wise scores that stand in where the one that is asked for exists only for a whole split."""


@dataclass(frozen=True)
class RowScores:
    """One arm's rows in the order of the split: who they are and what they scored."""

    ids: list[str]
    targets: list[int]
    """Hashes, to tell whether two rows of one id are the same."""
    groups: list[str]
    values: Mapping[str, Matrix]
    """Score to (n,) row values, nan where a row has none."""


def row_scores(rows: Iterable[ScoredRow], metric: str) -> RowScores:
    """The row values of `metric` and of what may stand in for it. Reads rows one by one."""
    import numpy as np

    ids: list[str] = []
    targets: list[int] = []
    groups: list[str] = []
    names = dict.fromkeys((metric, *STAND_INS))
    values: dict[str, list[float]] = {name: [] for name in names}
    for row in rows:
        ids.append(row.id)
        targets.append(hash(row.target))
        groups.append(row.group)
        for name, column in values.items():
            column.append(row.scores.get(name, float("nan")))
    arrays = {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    return RowScores(ids, targets, groups, arrays)


def row_lists(
    before: RowScores,
    after: RowScores,
    metric: str,
    scales: Mapping[str, Scale],
    *,
    tolerance: float = 0.0,
    seed: int = 0,
    among: Collection[str] | None = None,
    arm: str = "",
    against: str = "",
) -> RowLists:
    """Which rows `after` fixes and breaks that `before` got wrong and right.

    Rows are paired by id and target; `among` are the ids that count, None for all. Where `metric`
    has no row values, the first of `STAND_INS` that has some decides, and the note says so.
    `scales` say in which direction a score is better.
    """
    import numpy as np

    ours, theirs = _paired(before, after, among)
    found = RowChanges(arm=arm, against=against, tolerance=tolerance)
    everyone = len(set(before.ids) | set(after.ids)) if among is None else len(among)
    for name in dict.fromkeys((metric, *STAND_INS)):
        if name not in before.values or name not in after.values:
            continue
        then, now = before.values[name][theirs], after.values[name][ours]
        counted = np.isfinite(then) & np.isfinite(now)
        if not counted.any():
            continue
        then, now, kept = then[counted], now[counted], ours[counted]
        changes = directions(then, now, scales.get(name, UNKNOWN), tolerance)
        binary = bool(np.isin(then, (0, 1)).all() and np.isin(now, (0, 1)).all())
        groups = group_ids([after.groups[at] for at in kept.tolist()])
        p, test, units = sign_test(changes, groups, seed, binary=binary)
        told = f"{metric} has no value for a row by itself: rows go by {name}."
        lists = {
            sign: [after.ids[at] for at in kept[changes == sign].tolist()] for sign in (1, -1, 0)
        }
        update = {
            "metric": name,
            "primary": "" if name == metric else metric,
            "fixed": len(lists[1]),
            "regressed": len(lists[-1]),
            "unchanged": len(lists[0]),
            "left_out": everyone - len(kept),
            "p": p,
            "test": test,
            "groups": units,
            "note": "" if name == metric else told,
        }
        return RowLists(
            changes=found.model_copy(update=update),
            fixed=lists[1],
            regressed=lists[-1],
            unchanged=lists[0],
        )
    note = f"There is no row that both arms have a value of {metric} for"
    note += ", nor of a score that could stand in: nothing is said of rows."
    update = {"left_out": everyone, "note": note, "primary": metric}
    nothing = found.model_copy(update=update)
    return RowLists(changes=nothing, fixed=[], regressed=[], unchanged=[])


def _paired(before: RowScores, after: RowScores, among: Collection[str] | None) -> tuple[Ids, Ids]:
    """Places in `after` and in `before` of the rows that are in both, in the order of `after`."""
    import numpy as np

    places = {row: at for at, row in enumerate(before.ids)}
    kept = None if among is None else set(among)
    pairs = [
        (at, other)
        for at, row in enumerate(after.ids)
        if (other := places.get(row)) is not None
        and before.targets[other] == after.targets[at]
        and (kept is None or row in kept)
    ]
    both = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def shared_share(before: RowScores, after: RowScores) -> float:
    """The share of the larger side's rows that the other one has as well, with the same target."""
    most = max(len(before.ids), len(after.ids))
    return len(_paired(before, after, None)[0]) / most if most else 0.0


def changed_rows(
    before: Iterable[ScoredRow],
    after: Iterable[ScoredRow],
    wanted: Mapping[str, Change],
    metric: str,
) -> Iterator[ChangedRow]:
    """The `wanted` rows with their texts, in the order of `after`. Holds the answers of `before`
    to these rows, and nothing else."""
    known = {
        row.id: (row.scores.get(metric, float("nan")), said(row))
        for row in before
        if row.id in wanted
    }
    for row in after:
        if row.id not in wanted or row.id not in known:
            continue
        score, answer = known[row.id]
        yield ChangedRow(
            id=row.id,
            change=wanted[row.id],
            before=score,
            after=row.scores.get(metric, float("nan")),
            prompt=row.prompt,
            target=row.target,
            references=row.references,
            answer_before=answer,
            answer_after=said(row),
            slices=row.slices,
        )


def said(row: ScoredRow) -> str:
    """The answer; where there is none, why, in square brackets."""
    return f"[no answer: {row.error}]" if row.error else row.text
