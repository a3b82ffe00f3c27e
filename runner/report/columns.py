"""Which columns the terminal's leaderboard has room for, and what stands in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runner.report.arms import KINDS, verdict_of
from runner.report.scoreboard import Line
from runner.report.wording import (
    MISSING,
    count,
    decimals,
    dollars,
    interval,
    number,
    p_value,
    seconds,
    share,
    signed,
)
from runner.results import Score

WIDE = 125
"""From this many characters on, everything about an arm stands on one line."""
WIDEST = 160
"""From this many on, also the share of rows without an answer."""
MEDIUM = 72
"""From this many on, all but kind and status; intervals stand below their values."""

STATUS_TINTS = {"failed": "red", "incomplete": "yellow", "running": "cyan", "pending": "dim"}
GAIN_TINTS = {"better": "green", "worse": "red", "open": "default"}


def _plain(line: Line) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `text` gets the arm and the decimals of the primary metric."""

    heading: str
    text: Callable[[Line, int], str]
    tint: Callable[[Line], str] = _plain
    justify: Literal["left", "right"] = "right"


def columns_for(width: int, *, priced: bool = False, gaps: bool = False) -> list[Column]:
    """The columns behind the arm's name for a terminal of `width` characters; US dollars only
    where something was paid, unanswered rows only where there are some."""
    gain = Column("gain", _gain_below, _gain_tint)
    test = Column("test", lambda line, digits: _below(line.test, digits))
    if width < MEDIUM:
        return [test, gain]
    rows = Column("rows", lambda line, _: _examples(line))
    p = Column("p", lambda line, _: _p(line))
    time = Column(
        "time", lambda line, _: "".join(seconds(line.seconds).replace("min", "m").split())
    )
    cost = [Column("USD", lambda line, _: dollars(line.arm.usd))] if priced else []
    # The lines below the table say who left what unanswered; the column needs some room.
    lost = [Column("unanswered", _unanswered)] if gaps and width >= WIDEST else []
    if width < WIDE:
        return [rows, Column("validation", _validation_below), test, gain, p, time, *cost]
    return [
        Column("kind", lambda line, _: KINDS[line.arm.kind], justify="left"),
        rows,
        Column("best", lambda line, _: line.best or MISSING),
        Column("validation", lambda line, digits: _beside(line.validation, digits)),
        Column("test", lambda line, digits: _beside(line.test, digits)),
        *lost,
        Column("gain", _gain_beside, _gain_tint),
        p,
        time,
        *cost,
        Column("status", lambda line, _: line.arm.status, _status_tint, "left"),
    ]


def _examples(line: Line) -> str:
    tuned = line.arm.kind == "tuned" and line.arm.train_examples
    return count(line.arm.train_examples) if tuned else MISSING


def _unanswered(line: Line, _: int) -> str:
    return share(line.arm.test.share_unanswered) if line.arm.test else MISSING


def _beside(score: Score | None, digits: int) -> str:
    if score is None:
        return MISSING
    return f"{number(score.value, digits)} {interval(score.low, score.high, digits)}".rstrip()


def _below(score: Score | None, digits: int) -> str:
    """Intervals below the value get one decimal less, to keep the column narrow."""
    if score is None:
        return MISSING
    around = interval(score.low, score.high, max(1, digits - 1))
    return f"{number(score.value, digits)}\n{around}".rstrip()


def _validation_below(line: Line, digits: int) -> str:
    if line.validation is None:
        return MISSING
    return f"{number(line.validation.value, digits)}\n{line.best}".rstrip()


def _gain_beside(line: Line, _: int) -> str:
    found = line.difference
    if found is None:
        return MISSING
    digits = decimals([found])
    return f"{signed(found.value, digits)} {interval(found.low, found.high, digits)}".rstrip()


def _gain_below(line: Line, _: int) -> str:
    found = line.difference
    if found is None:
        return MISSING
    digits = decimals([found])
    around = interval(found.low, found.high, max(1, digits - 1))
    return f"{signed(found.value, digits)}\n{around}".rstrip()


def _p(line: Line) -> str:
    return p_value(line.difference.p_holm) if line.difference else MISSING


def _gain_tint(line: Line) -> str:
    return GAIN_TINTS[verdict_of(line)]


def _status_tint(line: Line) -> str:
    return STATUS_TINTS.get(line.arm.status, "")
