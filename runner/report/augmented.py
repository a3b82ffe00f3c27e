"""New training rows on the data card: how many by which rule, some of them, where all stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.plural import plural
from runner.report.places import link
from runner.report.reasons import in_words
from runner.report.wording import count, share


@dataclass(frozen=True, slots=True)
class Pair:
    """A text before and after."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One new row: the row it was made of, its input, and its answer where that changed too."""

    id: str
    of: str
    rule: str
    input: Pair
    answer: Pair | None


@dataclass(frozen=True, slots=True)
class Augmented:
    """What the card says about new rows."""

    about: str
    rules: list[str]
    """``18 × entity swap`` ..., most first."""
    samples: list[Sample]
    file: str
    """Link to all of them; empty when there is no file."""


def augmented(summary: Mapping[str, Any], rendered: Path, page: Path) -> Augmented | None:
    """From the summary of a rendered folder; None when no new rows were asked for."""
    told = summary.get("augmented")
    if not told:
        return None
    rules: Mapping[str, int] = told["rows"]
    path = rendered / "augmented.jsonl"
    return Augmented(
        about=f"{plural(sum(rules.values()), 'new row')}, {share(told['share'])} of train",
        rules=[f"{count(rows)} × {in_words(rule)}" for rule, rows in rules.items()],
        samples=[_sample(raw) for raw in told["samples"]],
        file=link(path, page) if path.is_file() else "",
    )


def _sample(raw: Mapping[str, Any]) -> Sample:
    answer = Pair(raw["target_before"], raw["target_after"]) if "target_after" in raw else None
    rule = in_words(raw["rule"])
    return Sample(raw["id"], raw["of"], rule, Pair(raw["before"], raw["after"]), answer)
