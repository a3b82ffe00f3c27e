"""How long prompts and answers are: one histogram a split on a shared scale, and the tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.plural import plural
from runner.records.summaries import SplitTokens, Spread
from runner.report.axis import Axis
from runner.report.plot import Plot
from runner.report.profile import Profile
from runner.report.wording import MISSING, count, share

TAIL = 0.995
"""The scale ends where this share of the rows does; the last bar holds the rest."""
BINS = 30


@dataclass(frozen=True, slots=True)
class Histogram:
    """One split's lengths."""

    split: str
    picture: Markup
    summary: str


@dataclass(frozen=True, slots=True)
class Lengths:
    """All splits of one kind of text (`name`: prompt or answer)."""

    name: str
    histograms: list[Histogram]
    beyond: int
    """Rows longer than the scale, counted in the last bars."""


def lengths(found: Mapping[str, Profile]) -> list[Lengths]:
    """Prompts and answers; splits without rows are left out."""
    full = [profile for profile in found.values() if profile.rows]
    if not full:
        return []
    prompts = {profile.split: profile.prompt for profile in full}
    return [
        _lengths("Prompts", prompts),
        _lengths("Answers", {profile.split: profile.target for profile in full}),
    ]


def _lengths(name: str, counts: Mapping[str, Counter[int]]) -> Lengths:
    everything = sum(counts.values(), Counter[int]())
    low, high = min(everything), max(quantile(everything, TAIL), min(everything) + 1)
    x = Axis.over([low, high], whole=True, around=6)
    shares = {split: _bins(lengths, x) for split, lengths in counts.items()}
    y = Axis.over([0.0, *(part for parts in shares.values() for part in parts)], around=2)
    histograms = [
        Histogram(split, _picture(name, split, shares[split], x, y), summary(lengths))
        for split, lengths in counts.items()
    ]
    beyond = sum(n for length, n in everything.items() if length > x.high)
    return Lengths(name, histograms, beyond)


def _bins(lengths: Counter[int], x: Axis) -> list[float]:
    """Share of the rows in each of `BINS` equal stretches of the scale."""
    parts = [0.0] * BINS
    total = lengths.total()
    for length, n in lengths.items():
        at = int((length - x.low) / (x.high - x.low) * BINS)
        parts[min(max(at, 0), BINS - 1)] += n / total
    return parts


def _picture(name: str, split: str, parts: Sequence[float], x: Axis, y: Axis) -> Markup:
    plot = Plot(f"{name} of {split}: share of rows by number of characters.", x, y, height=84)
    width = (x.high - x.low) / BINS
    for index, part in enumerate(parts):
        start = x.low + index * width
        last = " and more" if index == BINS - 1 else ""
        title = f"{start:.0f} to {start + width:.0f} characters{last}: {share(part)} of the rows"
        plot.column(start, start + width, part, title)
    return plot.markup()


def summary(lengths: Counter[int]) -> str:
    """``median 112, 9 of 10 below 180, longest 243``."""
    return (
        f"median {count(quantile(lengths, 0.5))}, "
        f"9 of 10 up to {count(quantile(lengths, 0.9))}, longest {count(max(lengths))}"
    )


def quantile(lengths: Counter[int], part: float) -> int:
    """The smallest length that at least `part` of the rows do not exceed."""
    wanted, seen = part * lengths.total(), 0
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= wanted:
            return length
    raise ValueError("no lengths")


@dataclass(frozen=True, slots=True)
class Tokens:
    """One split's tokens as the summary of the rendered folder has them."""

    split: str
    total: str
    prompt: str
    target: str


def tokens(counted: Mapping[str, SplitTokens]) -> list[Tokens]:
    """Empty when nothing was counted."""
    return [
        Tokens(split, _total(item), _spread(item.prompt), _spread(item.target))
        for split, item in counted.items()
    ]


def _total(item: SplitTokens) -> str:
    if item.exact is not None:
        return plural(item.exact, "token")
    return f"{count(item.low)} to {count(item.high)} tokens (estimate)"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return MISSING
    names = {
        "mean": spread.mean,
        "median": spread.p50,
        "9 of 10 up to": spread.p90,
        "99 of 100 up to": spread.p99,
        "longest": spread.max,
    }
    return ", ".join(f"{name} {value:,.4g}" for name, value in names.items())
