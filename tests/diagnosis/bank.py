"""The bank of really tuned runs (`benchmarks/curve_bank.py`) as the checks see it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.diagnosis.compared import Z95
from runner.diagnosis.tuned import Scored, Tuned, curves_by_name, guess_of
from runner.records import SHARE, CurvePoint
from runner.records.results import Score

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "banks" / "curves"


@dataclass(frozen=True)
class Banked:
    """One run and what was done to it."""

    name: str
    seed: int
    expected: tuple[str, ...]
    tuned: Tuned


def bank(folder: Path = FOLDER) -> Iterator[Banked]:
    """Every run, by name."""
    for file in sorted(folder.glob("*.json")):
        raw = json.loads(file.read_text(encoding="utf-8"))
        yield Banked(file.stem, raw["seed"], tuple(raw["expected"]), _tuned(raw))


def _tuned(raw: Mapping[str, Any]) -> Tuned:
    points = [
        CurvePoint(name, int(step), value, int(step), epoch)
        for name, curve in raw["curves"].items()
        for step, epoch, value in curve
    ]
    scored = [
        Scored(
            each["step"],
            each["epoch"],
            each["value"],
            (each["high"] - each["low"]) / (2 * Z95),
            each["n"],
        )
        for each in raw["checkpoints"]
    ]
    places = [(each["step"], each["epoch"]) for each in raw["checkpoints"]]
    return Tuned(
        **curves_by_name(points),
        scored=tuple(scored),
        metric=raw["primary"],
        scale=SHARE,
        steps_an_epoch=next((step / epoch for step, epoch in places if epoch), 0.0),
        multiplier=raw["multiplier"],
        epochs=raw["epochs"],
        score=_score(raw["test"]),
        bar=next(filter(None, map(_score, raw["untuned"])), None),
        guess=guess_of(raw["targets"], SHARE),
        error=raw["error"],
    )


def _score(raw: Mapping[str, float] | None) -> Score | None:
    return Score.model_validate({**raw, "scale": SHARE}) if raw else None
