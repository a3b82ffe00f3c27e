"""The report of an experiment: every section worked out, then written as one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.base.text import plural
from runner.records.experiments import ExperimentResult
from runner.report.advice import advice
from runner.report.answers import read_answers, samples
from runner.report.arms import checkpoints, forest, rows, varying_keys, verdict_of
from runner.report.charts import looks
from runner.report.cost import cost
from runner.report.curves import curves
from runner.report.findings import findings_section
from runner.report.format import interval, number, signed
from runner.report.gates import gates
from runner.report.guard import guard
from runner.report.page import write_page
from runner.report.recipes import one_run_each, recipes
from runner.report.row_changes import row_changes
from runner.report.scoreboard import ScoreboardLine, board, confidence, featured, places
from runner.report.scores import labels, metrics, slices
from runner.report.treatment_effects import treatment_effects
from runner.report.treatments import treatments

MAX_BESIDE = 6
"""Arms that stand side by side in the tables by metric, slice and sample."""


@dataclass(frozen=True, slots=True)
class ResultFact:
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
        "test_chose": any(each.split == "test" for each in result.baselines),
        "level": f"{100 * confidence(result):g} %",
        "state": verdict_state(lines, result),
        "headline": _headline(result),
        "facts": _facts(lines, digits),
        "findings": findings_section(result),
        "ended": moment(result.ended_ms),
        "gates": gates(result.gates),
        "guard": guard(result, styles),
        "gate_level": f"{100 * (1 - confidence(result)):.3g} %",
        "keys": varying_keys(lines),
        "arms": rows(lines, styles, digits, out),
        "recipes": recipes(lines, result, styles, digits),
        "one_run_each": one_run_each(result),
        "forest": forest(lines, styles, digits, result),
        "curves": curves(lines, styles),
        "checkpoints": checkpoints(lines, result.primary, styles, digits),
        "slices": slices(shown, result.primary, styles, digits),
        "shown": shown,
        "scored": sum(line.arm.test is not None for line in lines),
        "metrics": metrics(shown, result.primary, fields=False),
        "fields": metrics(shown, result.primary, fields=True),
        "labels": labels(shown),
        "row_changes": row_changes(lines, result, styles, out),
        "samples": samples(answers, result.primary, styles),
        "unread": [item.line.arm.name for item in answers if item.outcomes is None],
        "treatments": treatments(lines, out),
        "bought": treatment_effects(lines, result, digits),
        "advice": advice(result.arms),
        "cost": cost(lines, result),
        "recipe": recipe(lines, result),
        "looks": styles,
    }


def verdict_state(lines: Sequence[ScoreboardLine], result: ExperimentResult) -> str:
    """``won``, ``lost`` (a tuned arm is surely worse and none is better), ``open`` when luck is
    not ruled out or arms are still to run, ``none`` when nothing was scored."""
    if any(line.role == "winner" for line in lines):
        return "won"
    done = [line for line in lines if line.arm.status == "done" and not line.arm.sealed]
    tuned = [line for line in done if line.arm.kind == "tuned"]
    if tuned and all(verdict_of(line) == "worse" for line in tuned):
        return "lost"
    return "open" if tuned or not result.ended_ms else "none"


def _headline(result: ExperimentResult) -> str:
    if result.verdict:
        return result.verdict.headline
    wanted = [arm for arm in result.arms if arm.status != "skipped"]
    done = sum(arm.status == "done" for arm in wanted)
    return f"Not finished: {done} of {plural(len(wanted), 'arm')} done, so no verdict yet."


def _facts(lines: Sequence[ScoreboardLine], digits: int) -> list[ResultFact]:
    facts = []
    winner = next((line for line in lines if line.role == "winner"), None)
    tuned = [line for line in lines if line.arm.kind == "tuned" and line.test]
    best = winner or next(iter(tuned), None)
    if best and best.test:
        note = interval(best.test.low, best.test.high, digits)
        facts.append(ResultFact(best.arm.name, number(best.test.value, digits), note))
    bar = next((line for line in lines if line.role == "strongest"), None)
    if bar and bar.test:
        note = interval(bar.test.low, bar.test.high, digits)
        facts.append(ResultFact(f"{bar.arm.name} (to beat)", number(bar.test.value, digits), note))
    if best and (found := best.difference):
        note = interval(found.low, found.high, digits)
        facts.append(ResultFact("difference", signed(found.value, digits), note))
    return facts


# What it takes to run the experiment again: command, versions, every arm's resolved config.

MAX_CONFIGS = 200


@dataclass(frozen=True, slots=True)
class Config:
    """One arm's resolved config as YAML, and what the backend made of it."""

    name: str
    digest: str
    varying: dict[str, str]
    yaml: str
    resolved: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything for the last section; `facts` are pairs of a name and a value."""

    command: str
    facts: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    configs: list[Config]
    arms: int


def recipe(lines: Sequence[ScoreboardLine], result: ExperimentResult) -> Recipe:
    """Facts that are not known are left out."""
    seeds = {str(line.arm.config["seed"]) for line in lines if "seed" in line.arm.config}
    facts = [
        ("Experiment file", result.file),
        ("Experiment digest", result.digest),
        ("Git commit", result.versions.get("git", "")),
        ("Seed", ", ".join(sorted(seeds))),
        ("Model", ", ".join(sorted({line.arm.model for line in lines if line.arm.model}))),
        ("Started", moment(result.started_ms)),
        ("Ended", moment(result.ended_ms)),
        ("Everything it wrote", result.home),
    ]
    return Recipe(
        command=result.command,
        facts=[(name, value) for name, value in facts if value],
        versions=sorted((k, v) for k, v in result.versions.items() if k != "git"),
        configs=[_config(line) for line in lines[:MAX_CONFIGS]],
        arms=len(lines),
    )


def moment(milliseconds: int) -> str:
    """``2026-11-03 14:05 UTC``; empty for 0."""
    if milliseconds <= 0:
        return ""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _config(line: ScoreboardLine) -> Config:
    arm = line.arm
    resolved = dict(arm.tuning.resolved) if arm.tuning else {}
    return Config(arm.name, arm.digest, dict(arm.varying), _yaml(arm.config), _yaml(resolved))


def _yaml(value: dict[str, object]) -> str:
    import yaml

    if not value:
        return ""
    plain: str = yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, width=96)
    return plain


def _plain(value: Any) -> Any:
    """Only what YAML's safe form knows; anything else as its text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
