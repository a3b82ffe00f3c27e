"""The report of an experiment: every section worked out, then written as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.plural import plural
from runner.report.answers import read_answers
from runner.report.arms import forest, rows, varying_keys, verdict_of
from runner.report.bought import bought
from runner.report.checkpoints import checkpoints
from runner.report.cost import cost
from runner.report.curves import curves
from runner.report.labels import labels
from runner.report.metrics import metrics
from runner.report.page import write_page
from runner.report.palette import looks
from runner.report.reproduce import moment, recipe
from runner.report.samples import samples
from runner.report.scoreboard import Line, board, confidence, featured, places
from runner.report.slices import slices
from runner.report.treatments import treatments
from runner.report.wording import interval, number, signed
from runner.results import ExperimentResult

MAX_BESIDE = 6
"""Arms that stand side by side in the tables by metric, slice and sample."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One of the numbers beside the verdict."""

    name: str
    value: str
    note: str


def write_experiment(result: ExperimentResult, version: str, out: Path) -> None:
    """Write the report page of `result` to `out`."""
    write_page("report.html", _values(result, version, out), out)


def _values(result: ExperimentResult, version: str, out: Path) -> dict[str, object]:
    lines, styles = board(result), looks(result.arms)
    digits, shown = places(lines), featured(lines, MAX_BESIDE)
    answers = read_answers(shown, result.primary)
    return {
        "version": version,
        "result": result,
        "title": result.name,
        "primary": result.primary or "the primary metric",
        "lower": not result.scale.higher_is_better,
        "level": f"{100 * confidence(result):g} %",
        "state": verdict_state(lines, result),
        "headline": _headline(result),
        "facts": _facts(lines, digits),
        "ended": moment(result.ended_ms),
        "keys": varying_keys(lines),
        "arms": rows(lines, styles, digits, out),
        "forest": forest(lines, styles, digits),
        "curves": curves(lines, styles),
        "checkpoints": checkpoints(lines, result.primary, styles, digits),
        "slices": slices(shown, result.primary, styles, digits),
        "shown": shown,
        "scored": sum(line.arm.test is not None for line in lines),
        "metrics": metrics(shown, result.primary, fields=False),
        "fields": metrics(shown, result.primary, fields=True),
        "labels": labels(shown),
        "samples": samples(answers, result.primary, styles),
        "unread": [item.line.arm.name for item in answers if item.outcomes is None],
        "treatments": treatments(lines, out),
        "bought": bought(lines, result, digits),
        "cost": cost(lines, result),
        "recipe": recipe(lines, result),
        "looks": styles,
    }


def verdict_state(lines: Sequence[Line], result: ExperimentResult) -> str:
    """``won``, ``lost`` (a tuned arm is surely worse and none is better), ``open`` when luck is
    not ruled out or arms are still to run, ``none`` when nothing was scored."""
    if any(line.role == "winner" for line in lines):
        return "won"
    tuned = [line for line in lines if line.arm.kind == "tuned" and line.arm.status == "done"]
    if tuned and all(verdict_of(line) == "worse" for line in tuned):
        return "lost"
    return "open" if tuned or not result.ended_ms else "none"


def _headline(result: ExperimentResult) -> str:
    if result.verdict:
        return result.verdict.headline
    done = sum(arm.status == "done" for arm in result.arms)
    return f"Not finished: {done} of {plural(len(result.arms), 'arm')} done, so no verdict yet."


def _facts(lines: Sequence[Line], digits: int) -> list[Fact]:
    facts = []
    winner = next((line for line in lines if line.role == "winner"), None)
    tuned = [line for line in lines if line.arm.kind == "tuned" and line.test]
    best = winner or next(iter(tuned), None)
    if best and best.test:
        note = interval(best.test.low, best.test.high, digits)
        facts.append(Fact(best.arm.name, number(best.test.value, digits), note))
    bar = next((line for line in lines if line.role == "strongest"), None)
    if bar and bar.test:
        note = interval(bar.test.low, bar.test.high, digits)
        facts.append(Fact(f"{bar.arm.name} (to beat)", number(bar.test.value, digits), note))
    if best and (found := best.difference):
        note = interval(found.low, found.high, digits)
        facts.append(Fact("difference", signed(found.value, digits), note))
    return facts
