"""Which rows dropped, by kind, with the row each one matched and the text they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from runner.records import Dropped, SplitFault, read_records
from runner.report.places import where
from runner.report.reasons import in_words, is_conflict, is_duplicate, is_leak, is_set_aside
from runner.report.wording import clip, number

MAX_SHOWN = 40
SPAN = 240


@dataclass(frozen=True, slots=True)
class Loss:
    """One dropped row."""

    id: str
    where: str
    split: str
    reason: str
    matched: str
    matched_where: str
    method: str
    score: str
    span: str


@dataclass(slots=True)
class Kind:
    """Rows that dropped for related reasons: the first `MAX_SHOWN` of `rows`."""

    heading: str
    about: str
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[Loss] = field(default_factory=list)

    @property
    def matches(self) -> bool:
        return any(loss.matched for loss in self.shown)


def losses(folders: Iterable[Path]) -> list[Kind]:
    """All kinds in the order leaks, conflicts, duplicates, the rest; empty ones included. Rows
    that were only set aside are none of them."""
    leaks = Kind("Leaks", "Training rows that also stand in an evaluation split.")
    conflicts = Kind("Conflicts", "Rows that repeat another one's input with another answer.")
    repeats = Kind("Duplicates", "Rows that repeat one that stays.")
    rest = Kind("Other dropped rows", "Rows that could not be used.")
    for folder in folders:
        path = folder / "dropped.jsonl"
        for row in read_records(path, Dropped) if path.is_file() else ():
            reason = row.reason
            if is_set_aside(reason):
                continue
            tests = ((is_leak, leaks), (is_conflict, conflicts), (is_duplicate, repeats))
            kind = next((kind for test, kind in tests if test(reason)), rest)
            kind.rows += 1
            kind.reasons[reason] += 1
            if len(kind.shown) < MAX_SHOWN:
                kind.shown.append(_loss(row))
    return [leaks, conflicts, repeats, rest]


def _loss(row: Dropped) -> Loss:
    return Loss(
        id=row.id,
        where=where(row.origin),
        split=row.split,
        reason=in_words(row.reason),
        matched=row.matched,
        matched_where=where(row.matched_origin),
        method=row.method,
        score="" if row.score is None else number(row.score, 2),
        span=clip(row.span, SPAN),
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One faulty row of a source file."""

    where: str
    split: str
    field: str
    rule: str
    message: str


def faults(folder: Path) -> tuple[list[Fault], int]:
    """The first faults by file and line, and how many there are."""
    path = folder / "faults.jsonl"
    shown: list[Fault] = []
    total = 0
    for row in read_records(path, SplitFault) if path.is_file() else ():
        total += 1
        if len(shown) < MAX_SHOWN:
            message = clip(row.message, SPAN)
            shown.append(Fault(where(row), row.split, row.field, row.rule, message))
    return shown, total
