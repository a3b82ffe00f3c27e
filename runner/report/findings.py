"""Findings as cards for the report: evidence, cause, what to type, and the curve with its point."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.records.experiments import ExperimentResult
from runner.records.findings import CheckResult, Finding, Findings, Mark
from runner.records.results import ArmResult
from runner.report.charts import Axis, Plot
from runner.report.curves import PICTURES
from runner.report.format import number

LOSSES = ("train_total_loss", "eval_total_loss")
TITLES: Mapping[str, str] = dict(PICTURES)
STYLES: Mapping[str, str] = {LOSSES[0]: "c0 d0", LOSSES[1]: "c1 d1"}


@dataclass(frozen=True, slots=True)
class FindingCard:
    """One finding, ready for the page."""

    finding: Finding
    confidence: str
    """``80 %``."""
    command: str
    """What to type; empty where no override does it."""
    picture: Markup | None
    caption: str


@dataclass(frozen=True, slots=True)
class FindingsSection:
    """The section "what to do next"."""

    first: list[FindingCard]
    """Of the arm in focus."""
    others: list[FindingCard]
    focus: str
    """Name of the arm in focus; empty where nothing was tuned."""
    clear: list[str]
    """Ids that were looked for in the arm in focus and not found."""
    unseen: list[CheckResult]
    """What could not be looked for in it."""


def findings_section(result: ExperimentResult) -> FindingsSection | None:
    """None where nothing was diagnosed: before the end, or in an older result."""
    findings = result.findings
    if findings is None:
        return None
    arms = {arm.digest: arm for arm in result.arms}
    cards = [_card(each, arms.get(each.arm), result) for each in findings.found]
    own = [check for check in findings.checks if check.arm == findings.focus]
    return FindingsSection(
        first=[card for card in cards if card.finding.arm == findings.focus],
        others=[card for card in cards if card.finding.arm != findings.focus],
        focus=_name(findings, arms),
        clear=[check.id for check in own if check.outcome == "not_found"],
        unseen=[check for check in own if check.outcome == "not_looked_at"],
    )


def _name(findings: Findings, arms: Mapping[str, ArmResult]) -> str:
    arm = arms.get(findings.focus)
    return arm.name if arm else ""


def _card(finding: Finding, arm: ArmResult | None, result: ExperimentResult) -> FindingCard:
    picture = _picture(finding, arm) if arm else None
    marked = ", ".join(f"{mark.label} {number(mark.value)}" for mark in finding.marks)
    return FindingCard(
        finding,
        f"{100 * finding.confidence:.0f} %",
        command(finding, result),
        picture,
        f"{_drawn(finding)}; marked: {marked}" if picture else "",
    )


def _drawn(finding: Finding) -> str:
    if any(mark.curve in LOSSES for mark in finding.marks):
        return "Loss by step, validation dashed"
    return f"{finding.marks[0].curve} on validation by step, with 95 % intervals"


def command(finding: Finding, result: ExperimentResult) -> str:
    """The whole command that alleviates it: as it was run, with the override. Empty where no one
    does."""
    if not finding.override:
        return ""
    plain = shlex.join(["sft", "run", result.file or result.name])
    as_run = result.command if result.command.startswith("sft run ") else plain
    return f"{as_run} {finding.override}"


def _picture(finding: Finding, arm: ArmResult) -> Markup | None:
    """The losses of the arm, with the finding's points; None for a finding without a curve."""
    marks = [mark for mark in finding.marks if mark.curve in LOSSES]
    if not marks:
        return _by_checkpoint(finding, arm)
    if arm.tuning is None:
        return None
    lines = {
        name: sorted((float(p.step), p.value) for p in arm.tuning.curves if p.name == name)
        for name in LOSSES
    }
    heights = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    steps = [x for points in lines.values() for x, _ in points]
    if not heights:
        return None
    x, y = Axis.over([0, *steps], whole=True), Axis.over(heights, may_log=True)
    plot = Plot(_about(finding, marks), x, y, height=140)
    for name, points in lines.items():
        plot.line(points, STYLES[name], TITLES[name])
    for mark in marks:
        title = f"{TITLES[mark.curve]}: {mark.label}, step {mark.step:g}, {number(mark.value)}"
        plot.dot(mark.step, mark.value, f"{STYLES[mark.curve]} ring", title, 6)
    return plot.markup()


def _by_checkpoint(finding: Finding, arm: ArmResult) -> Markup | None:
    """The suite's score on validation by checkpoint with its intervals, where that is what the
    finding is about."""
    marks = {mark.step: mark for mark in finding.marks}
    name = next((mark.curve for mark in finding.marks), "")
    scores = {
        float(each.step): score
        for each in arm.checkpoints
        if (score := each.validation.overall.get(name)) and math.isfinite(score.value)
    }
    if not scores or not marks:
        return None
    heights = [y for score in scores.values() for y in (score.low, score.value, score.high)]
    bounds = next(iter(scores.values())).scale
    y = Axis.over(heights).within(bounds.lowest, bounds.highest)
    plot = Plot(_about(finding, finding.marks), Axis.over([0, *scores], whole=True), y, height=140)
    plot.line([(step, score.value) for step, score in scores.items()], STYLES[LOSSES[0]], name)
    for step, score in scores.items():
        ring = " ring" if step in marks else ""
        plot.whisker(step, score.low, score.high, STYLES[LOSSES[0]])
        title = f"step {step:g}: {number(score.value)}"
        plot.dot(step, score.value, f"{STYLES[LOSSES[0]]}{ring}", title, 6 if ring else 3.5)
    return plot.markup()


def _about(finding: Finding, marks: Sequence[Mark]) -> str:
    points = "; ".join(f"{m.label} {number(m.value)} at step {m.step:g}" for m in marks)
    return f"{_drawn(finding)}. {finding.title}: {points}."
