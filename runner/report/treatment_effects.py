"""What each data treatment took away, what it added, and what that bought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.base.text import plural
from runner.records import read_records
from runner.records.experiments import ExperimentResult
from runner.records.results import Difference, Score
from runner.records.summaries import NewRow
from runner.report.card_rows import read_tallies
from runner.report.format import (
    MISSING,
    count,
    decimals,
    in_words,
    interval,
    is_move,
    number,
    signed,
)
from runner.report.scoreboard import ScoreboardLine


@dataclass(frozen=True, slots=True)
class TreatmentEffect:
    """One treated arm as the table has it."""

    arm: str
    rows: str
    removed: list[str]
    """``25 × near-duplicate`` ..., ``changed: 3 × repeated span``: of the training rows."""
    added: list[str]
    score: str
    between: str
    gain: str
    gain_between: str
    shared: str
    """``on 12 of 15 rows``, where the two arms were not tested on the same rows."""
    clear: str
    """``better``, ``worse`` or ``open``; ``first`` for the arm the others are held against."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The arms that differ in their data only; the first of them is the untreated one."""

    against: str
    lines: list[TreatmentEffect]


def treatment_effects(
    lines: Sequence[ScoreboardLine], result: ExperimentResult, digits: int
) -> list[Comparison]:
    """One table for each arm that others are held against; none without swept treatments."""
    by_digest = {line.arm.digest: line for line in lines}
    found: dict[str, list[Difference]] = {}
    for difference in result.treatments:
        found.setdefault(difference.against, []).append(difference)
    return [
        Comparison(
            by_digest[first].arm.name,
            [_line(by_digest[first], None, digits)]
            + [_line(by_digest[each.arm], each, digits) for each in treated],
        )
        for first, treated in found.items()
    ]


def _line(line: ScoreboardLine, found: Difference | None, digits: int) -> TreatmentEffect:
    folders = [Path(line.arm.artifacts[name]) for name in ("prepare", "render")]
    shown = line.test
    places = decimals([found]) if found else digits
    return TreatmentEffect(
        arm=line.arm.name,
        rows=count(line.arm.train_examples),
        removed=_removed(folders),
        added=_added(folders[1] / "augmented.jsonl"),
        score=number(shown.value if shown else None, digits),
        between=interval(shown.low, shown.high, digits) if shown else "",
        gain=signed(found.value, places) if found and found.n else MISSING,
        gain_between=interval(found.low, found.high, places) if found and found.n else "",
        shared=_shared(found, shown),
        clear=_clear(found),
    )


def _shared(found: Difference | None, shown: Score | None) -> str:
    if found is None or shown is None or found.n == shown.n:
        return ""
    if not found.n:
        return "tested on other rows"
    return f"on {count(found.n)} of {plural(shown.n, 'row')}"


def _clear(found: Difference | None) -> str:
    if found is None:
        return "first"
    if not found.clear:
        return "open"
    return "better" if found.gain > 0 else "worse"


def _removed(folders: Sequence[Path]) -> list[str]:
    """Training rows by the reason they left for, most first, and those that were changed; rows
    that moved to evaluation did not leave."""
    gone, changed = Counter[str](), Counter[str]()
    for tally in read_tallies(folders):
        if tally.split == "train":
            gone.update({r: n for r, n in tally.dropped.items() if not is_move(r)})
            if tally.step != "augment":  # there new rows are counted by the rule that made them
                changed.update({r: n for r, n in tally.changed.items() if n})
    left = [f"{count(n)} × {in_words(reason)}" for reason, n in gone.most_common()]
    return left + [f"changed: {count(n)} × {in_words(rule)}" for rule, n in changed.most_common()]


def _added(path: Path) -> list[str]:
    """New rows by the rule that made them."""
    rules = Counter[str]()
    if path.is_file():
        rules.update(row.rule for row in read_records(path, NewRow))
    return [f"{count(n)} × {in_words(rule)}" for rule, n in rules.most_common()]
