"""The skew page: how production prompts differ from those the model is tuned on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from runner.base.text import plural
from runner.records.skew import MatchedPair, SkewComparison, SkewTest
from runner.report.charts import Axis, Plot
from runner.report.format import clip, interval, number, p_value, share, signed
from runner.report.page import tag, write_page

MAX_TEXT = 500
MARKS = {"same": "span", "tuning": "del", "production": "ins"}


@dataclass(frozen=True, slots=True)
class SkewLine:
    """One test as the table has it."""

    name: str
    tuning: str
    production: str
    effect: str
    between: str
    p: str
    skewed: bool


@dataclass(frozen=True, slots=True)
class MarkedPair:
    """One content on both sides, with its differences marked."""

    ids: str
    by: str
    kinds: str
    texts: list[Markup]


def write_skew(
    found: SkewComparison, warnings: Sequence[str], refused: Sequence[str], out: Path
) -> None:
    """Write the page of what the skew stage found to `out`."""
    sides, told = found.sides, found.told_apart
    values = {
        "version": "1",
        "title": "Skew",
        "headline": _headline(warnings),
        "state": "open" if warnings else "won",
        "facts": [
            ("tuning prompts", _drawn(*sides["tuning"])),
            ("production prompts", _drawn(*sides["production"])),
            ("AUC of the classifier", number(told.production)),
            ("matched prompts", f"{found.matched.pairs:,}"),
            ("of these changed", f"{found.matched.changed:,}"),
        ],
        "warnings": warnings,
        "refused": refused,
        "notes": found.notes,
        "exact": found.exact,
        "lines": [_line(item) for item in sorted(found.findings, key=lambda test: test.p_holm)],
        "alpha": share(found.alpha),
        "lengths": _lengths(*found.lengths),
        "null": _null(found.classifier.null, told.production),
        "matched": found.matched,
        "pairs": [_pair(pair) for pair in found.matched.shown],
        "vocabulary": found.vocabulary,
        "languages": _languages(*found.languages),
        "extremes": {
            side: [(row.id, clip(row.text, MAX_TEXT)) for row in rows]
            for side, rows in found.extremes.items()
        },
    }
    write_page("skew.html", values, out)


def _headline(warnings: Sequence[str]) -> str:
    if not warnings:
        return "Nothing found: production prompts look like the tuning prompts."
    return f"{plural(len(warnings), 'finding')}: production differs from what is tuned on."


def _drawn(used: int, there: int) -> str:
    return f"{used:,}" if used == there else f"{used:,} of {there:,}"


def _line(item: SkewTest) -> SkewLine:
    shares = item.kind in ("share", "pairs")
    shown = share if shares else number
    sizes = item.kind == "size"
    one, other = (
        f"{value:,.6g}" if sizes else shown(value) for value in (item.tuning, item.production)
    )
    low, high = item.low, item.high
    between = "" if low is None or high is None else interval(low, high)
    names = {
        "size": f"{item.name} (median)",
        "words": "vocabulary (bits; by chance, found)",
        "classifier": "classifier (AUC; guessing, found)",
    }
    name = names.get(item.kind, item.name)
    p = p_value(item.p_holm)
    return SkewLine(name, one, other, signed(item.effect), between, p, item.skewed)


def _lengths(tuning: Sequence[int], production: Sequence[int]) -> Markup:
    """Share of the prompts that are at most so long: two lines that lie on each other when
    nothing is skewed."""
    x = Axis.over([*tuning, *production], may_log=min(*tuning, *production) > 0, whole=True)
    plot = Plot("Share of the prompts that are at most so many characters long.", x, _shares())
    for css, name, lengths in (("c0 d0", "tuning", tuning), ("c1 d1", "production", production)):
        ordered = sorted(lengths)
        steps = [(float(v), (at + 1) / len(ordered)) for at, v in enumerate(ordered)]
        plot.line([(steps[0][0], 0.0), *steps], css, name)
    return plot.markup()


def _shares() -> Axis:
    return Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))


def _null(areas: Sequence[float], found: float) -> Markup:
    """Areas under reshuffled labels as columns, and what was found as a dot."""
    x = Axis.over([*areas, found, 0.4, 0.6])
    width = (x.high - x.low) / 50
    bins = Counter(min(49, math.floor((area - x.low) / width)) for area in areas)
    y = Axis.over([0.0, *(n / len(areas) for n in bins.values())], around=3)
    plot = Plot(f"AUC of reshuffled sides, and the one found, {found:.3f}.", x, y, height=150)
    for at, n in bins.items():
        start = x.low + at * width
        title = f"{start:.3f} to {start + width:.3f}: {share(n / len(areas))} of reshuffles"
        plot.column(start, start + width, n / len(areas), title)
    plot.dot(found, y.high / 2, "c1", f"found: {found:.3f}", radius=6)
    return plot.markup()


def _pair(pair: MatchedPair) -> MarkedPair:
    return MarkedPair(
        ids=f"{pair.tuning} and {pair.production or 'a production prompt'}",
        by=pair.by,
        kinds=", ".join(pair.kinds),
        texts=[_diff(text) for text in (pair.system, pair.text) if text],
    )


def _diff(stretches: Sequence[tuple[str, str]]) -> Markup:
    """Both texts in one: what only tuning has is struck out, what only production has is
    underlined; blanks and line ends in these are signs, since they could not be seen."""
    return Markup("").join(
        tag(MARKS[side], text if side == "same" else _signs(text)) for side, text in stretches
    )


def _signs(text: str) -> str:
    return text.replace(" ", "␣").replace("\n", "⏎\n").replace("\t", "⇥")


def _languages(tuning: Mapping[str, int], production: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Language, share of tuning, share of production; the most frequent first."""
    both = Counter(tuning) + Counter(production)
    n, other = sum(tuning.values()), sum(production.values())
    return [
        (name, share(tuning.get(name, 0) / n), share(production.get(name, 0) / other))
        for name, _ in both.most_common(8)
    ]
