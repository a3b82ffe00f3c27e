"""The leaderboard and the verdict in a terminal, however narrow, and as plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runner.base.errors import INCOMPLETE
from runner.base.text import plural
from runner.records.experiments import ExperimentResult
from runner.records.results import Score
from runner.report.arms import KINDS, verdict_of
from runner.report.format import (
    MISSING,
    count,
    decimals,
    dollars,
    interval,
    number,
    one_line,
    p_value,
    seconds,
    share,
    signed,
    visible,
)
from runner.report.scoreboard import ScoreboardLine, board, confidence, places, to_beat

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PLAIN_WIDTH = 140

TINTS = {"winner": "bold green", "strongest": "bold", "baseline": "dim", "tuned": ""}
MARKS = {"winner": " (winner)", "strongest": " (to beat)"}
STATES = {"failed": "red", "incomplete": "yellow", "running": "cyan", "pending": "dim"}

REFUSED = 4
"""Exit code of arms that a gate or the budget stopped."""
TRACEBACK_LINES = 6
"""Last lines of a failed arm's traceback; the log has all of it."""


def print_leaderboard(result: ExperimentResult, console: Console) -> None:
    """Print all arms, best first, and below them why the failed ones failed."""
    lines = board(result)
    console.print(_table(lines, console.width))
    console.print()
    bar = next((line for line in lines if line.role == "strongest"), None)
    if any(line.test for line in lines):
        level = f"{100 * confidence(result):g} %"
        lower = "" if result.scale.higher_is_better else " (lower is better)"
        words = f"{visible(result.primary)}{lower} with {level} intervals{_how(lines)}"
        if bar:
            against = f"{one_line(bar.arm.name, 80)}, {to_beat(result, bar)}"
            words += f"; gain is paired, against {against}; p after Holm's correction"
        console.print(words, style="dim", markup=False, highlight=False)
    if result.rehearsal and any(line.arm.spent for line in lines):
        words = "USD: a rehearsal on the emulator; what it would have cost, nothing was paid"
        console.print(words, style="dim", markup=False, highlight=False)
    if skipped := sum(arm.status == "skipped" for arm in result.arms):
        words = (
            f"{plural(skipped, 'replicate')} skipped: by one run each, no chance to win any more"
        )
        console.print(words, style="dim", markup=False, highlight=False)
    if sealed := sum(arm.sealed for arm in result.arms):
        who = "only the winner on validation and its baselines answer test"
        words = f"{plural(sealed, 'arm')} sealed: {who}"
        console.print(words, style="dim", markup=False, highlight=False)
    for line in lines:
        if line.unanswered:
            words = f"{one_line(line.arm.name, 80)} left {line.unanswered}"
            console.print(words, style="yellow", markup=False, highlight=False)
    for line in lines:
        if line.arm.status in ("failed", "incomplete"):
            console.print(_failure(line), soft_wrap=True)


def print_verdict(result: ExperimentResult, console: Console) -> None:
    """Print the verdict and its reasons; nothing when there is no verdict yet."""
    from rich.panel import Panel
    from rich.text import Text

    verdict = result.verdict
    if verdict is None:
        return
    words = Text(visible(verdict.headline), style="bold")
    for reason in verdict.reasons:
        words.append(f"\n- {visible(reason)}", style="not bold")
    style = "green" if verdict.winner else "yellow"
    console.print(Panel(words, title="verdict", title_align="left", border_style=style))


def print_looks(result: ExperimentResult, console: Console) -> None:
    """Print how often the test splits have been looked at: dim, or yellow where that is a
    warning."""
    for each in result.looks:
        style = "yellow" if each.worn else "dim"
        console.print(visible(" ".join(each.said)), style=style, markup=False, highlight=False)


def plain_leaderboard(result: ExperimentResult) -> str:
    """The table without colours, as wide as `PLAIN_WIDTH`."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    plain = Console(file=out, width=PLAIN_WIDTH, color_system=None, highlight=False)
    print_leaderboard(result, plain)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _table(lines: list[ScoreboardLine], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    priced = any(line.arm.spent for line in lines)
    gaps = any(line.unanswered for line in lines)
    digits, columns = places(lines), columns_for(width, priced=priced, gaps=gaps)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("arm", overflow="fold", min_width=10)
    for column in columns:
        table.add_column(column.heading, justify=column.justify, no_wrap=True)
    for line in lines:
        tint = TINTS[line.role]
        cells = (Text(visible(c.text(line, digits)), style=c.tint(line) or tint) for c in columns)
        table.add_row(_name(line, shows_status="status" in [c.heading for c in columns]), *cells)
    return table


def _name(line: ScoreboardLine, *, shows_status: bool) -> Text:
    """The arm's name; where there is no column for it, also a status other than done."""
    from rich.text import Text

    status = line.arm.status
    style = STATES.get(status, "") or TINTS[line.role]
    name = one_line(line.arm.name, 80) + MARKS.get(line.role, "")
    tail = "" if shows_status or status == "done" else f"\n{status}"
    return Text(name + tail, style=style)


def _state(line: ScoreboardLine) -> str:
    return "failed" if line.arm.status == "failed" else f"is {line.arm.status}"


def _failure(line: ScoreboardLine) -> Text:
    from rich.text import Text

    first = next(iter(line.arm.error.splitlines()), "")
    name, style = one_line(line.arm.name, 80), STATES[line.arm.status]
    words = Text(f"{name} {_state(line)}: {one_line(first, 300)}", style=style)
    # A refusal says in its own words what to type; where in our code it arose helps nobody.
    refused = line.arm.exit_code in (REFUSED, INCOMPLETE)
    trace = line.arm.error.splitlines()[1:] if refused else line.arm.traceback.splitlines()
    for text in trace[-TRACEBACK_LINES:]:
        words.append(f"\n  {one_line(text, 200)}", style="dim")
    if line.arm.log:
        words.append(f"\n  log: {one_line(line.arm.log, 1000)}", style="not bold default")
    return words


# Which columns the terminal's leaderboard has room for, and what stands in each.

WIDE = 125
"""From this many characters on, everything about an arm stands on one line."""
WIDEST = 160
"""From this many on, also the share of rows without an answer."""
MEDIUM = 72
"""From this many on, all but kind and status; intervals stand below their values."""

STATUS_TINTS = {"failed": "red", "incomplete": "yellow", "running": "cyan", "pending": "dim"}
GAIN_TINTS = {"better": "green", "worse": "red", "open": "default"}


def _plain(line: ScoreboardLine) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `text` gets the arm and the decimals of the primary metric."""

    heading: str
    text: Callable[[ScoreboardLine, int], str]
    tint: Callable[[ScoreboardLine], str] = _plain
    justify: Literal["left", "right"] = "right"


def columns_for(width: int, *, priced: bool = False, gaps: bool = False) -> list[Column]:
    """The columns behind the arm's name for a terminal of `width` characters; US dollars only
    where something was paid, unanswered rows only where there are some."""
    gain = Column("gain", _gain_below, _gain_tint)
    test = Column("test", _test_below)
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
        Column("test", _test_beside),
        *lost,
        Column("gain", _gain_beside, _gain_tint),
        p,
        time,
        *cost,
        Column("status", lambda line, _: line.arm.status, _status_tint, "left"),
    ]


def _examples(line: ScoreboardLine) -> str:
    tuned = line.arm.kind == "tuned" and line.arm.train_examples
    return count(line.arm.train_examples) if tuned else MISSING


def _how(lines: Sequence[ScoreboardLine]) -> str:
    """`` (Wilson; rows in 40 groups)``: how the intervals of the test scores were made."""
    scores = [line.test for line in lines if line.test]
    said = list(dict.fromkeys(score.method for score in scores if score.method))
    groups = max((score.groups for score in scores), default=0)
    said += [f"by group, {plural(groups, 'group')}"] if groups else []
    return f" ({'; '.join(said)})" if said else ""


def _unanswered(line: ScoreboardLine, _: int) -> str:
    return share(line.arm.test.share_unanswered) if line.arm.test else MISSING


def _test_beside(line: ScoreboardLine, digits: int) -> str:
    return "sealed" if line.arm.sealed else _beside(line.test, digits)


def _test_below(line: ScoreboardLine, digits: int) -> str:
    return "sealed" if line.arm.sealed else _below(line.test, digits)


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


def _validation_below(line: ScoreboardLine, digits: int) -> str:
    if line.validation is None:
        return MISSING
    return f"{number(line.validation.value, digits)}\n{line.best}".rstrip()


def _gain_beside(line: ScoreboardLine, _: int) -> str:
    found = line.difference
    if found is None:
        return MISSING
    digits = decimals([found])
    return f"{signed(found.value, digits)} {interval(found.low, found.high, digits)}".rstrip()


def _gain_below(line: ScoreboardLine, _: int) -> str:
    found = line.difference
    if found is None:
        return MISSING
    digits = decimals([found])
    around = interval(found.low, found.high, max(1, digits - 1))
    return f"{signed(found.value, digits)}\n{around}".rstrip()


def _p(line: ScoreboardLine) -> str:
    return p_value(line.difference.p_holm) if line.difference else MISSING


def _gain_tint(line: ScoreboardLine) -> str:
    return GAIN_TINTS[verdict_of(line)]


def _status_tint(line: ScoreboardLine) -> str:
    return STATUS_TINTS.get(line.arm.status, "")
