"""Training-serving skew: do production prompts look like those the model is tuned on?

`read_production` reads a sample of production prompts, `compare` holds the two sides against
each other byte by byte and in distribution, `check_limits` refuses what the config refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.skew import SkewLimits
from runner.records import Example
from runner.records.skew import SkewComparison

SKEW_VERSION = "4"
"""Bumped when `compare` gives other results for the same prompts; part of the digest."""

Counter = Callable[[Sequence[Example]], list[tuple[int, int]] | None]
"""Examples to (prompt, target) token counts; None when it cannot count."""


def read_production(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL sample of production prompts.

    Raises:
        ConfigError: there is no such file.
        DataError: rows that are not prompts, all at once; or none at all.
    """
    from runner.skew.prompts import read_file

    return read_file(path)


def compare(
    tuning: Iterable[Example],
    production: Iterable[Mapping[str, Any]],
    config: SkewLimits,
    seed: int,
    template: str,
    count_tokens: Counter | None = None,
) -> SkewComparison:
    """Everything that differs: `findings` (with effect, interval, p after Holm),
    `exact` (system instruction and template), `matched` (byte diffs of the same content),
    `classifier`, `vocabulary`, `extremes` (the rows that differ most) and `notes`.

    `template` is the Jinja source that the tuning prompts were made with: what it does not say
    is how they are worded. Of more than `config.sample` prompts a side a seeded draw is taken.
    1,000 a side: seconds. Raises DataError when a side has fewer than 20 prompts: nothing can
    be said about them.
    """
    from runner.skew.differences import compare_sides

    return compare_sides(tuning, production, config, seed, template, count_tokens)


def refusals(found: SkewComparison, config: SkewLimits) -> list[str]:
    """A sentence for each `max_` of the config that `found` crosses."""
    from runner.skew.shifts import crossed

    return crossed(found, config)


def warnings(found: SkewComparison) -> list[str]:
    """A line for each finding, for people."""
    from runner.skew.shifts import lines

    return lines(found)
