"""What it takes to run the experiment again: command, versions, every arm's resolved config."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runner.report.scoreboard import Line
from runner.results import ExperimentResult

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


def recipe(lines: Sequence[Line], result: ExperimentResult) -> Recipe:
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


def _config(line: Line) -> Config:
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
