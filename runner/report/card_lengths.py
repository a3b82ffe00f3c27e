"""What the rendered rows of a split look like: lengths, answers, words. One pass, nothing kept
but counts of what is distinct, so that a million rows need little memory.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from runner.base.text import plural
from runner.records import Example, read_jsonl
from runner.records.summaries import SplitTokens, Spread
from runner.report.charts import Axis, Plot
from runner.report.format import MISSING, count, share
from runner.report.page import percent, tag

MAX_VALUES = 200
"""A field with more different values than this is free text, not a label."""
MAX_WORDS = 500_000
"""Beyond this many different words the vocabulary is not followed any further."""
EXAMPLES = 3
WORD = re.compile(r"\w+")
ANSWER = "answer"
"""Name of the only field of answers that are no JSON objects."""


@dataclass(slots=True)
class SplitLengths:
    """One split. Lengths are in characters; `prompt` counts system instruction and turns."""

    split: str
    rows: int = 0
    prompt: Counter[int] = field(default_factory=Counter)
    target: Counter[int] = field(default_factory=Counter)
    values: dict[str, Counter[str] | None] = field(default_factory=dict)
    """Answer field to rows by value; None where it is free text."""
    slices: dict[str, Counter[str]] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    words: set[str] | None = field(default_factory=set)
    """Of the user turns, folded; None when there are too many."""
    unseen: Counter[str] = field(default_factory=Counter)
    """Words that the training rows do not have."""
    spoken: int = 0
    """Words in all."""
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example, known: set[str] | None) -> None:
        """Count one row; `known` are the training words, None in training itself."""
        self.rows += 1
        turns = [turn.text for turn in example.contents]
        self.prompt[len(example.system) + sum(map(len, turns))] += 1
        self.target[len(example.target)] += 1
        self.files[example.origin.file] += 1
        for name, value in fields_of(example.target).items():
            self._value(name, value)
        for name, value in example.slices.items():
            self.slices.setdefault(name, Counter())[value] += 1
        self._words(turns, known)
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def _value(self, name: str, value: str) -> None:
        counts = self.values.setdefault(name, Counter())
        if counts is None:
            return
        counts[value] += 1
        if len(counts) > MAX_VALUES:
            self.values[name] = None

    def _words(self, turns: Iterable[str], known: set[str] | None) -> None:
        found = [word for turn in turns for word in WORD.findall(turn.casefold())]
        self.spoken += len(found)
        if known is not None:
            self.unseen.update(word for word in found if word not in known)
        elif self.words is not None:
            self.words.update(found)
            if len(self.words) > MAX_WORDS:
                self.words = None


def fields_of(target: str) -> Mapping[str, str]:
    """The answer's labels: the simple top-level fields of a JSON object, else the answer."""
    if target.startswith("{"):
        try:
            value: Any = json.loads(target)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return {
                str(key): item if isinstance(item, str) else json.dumps(item)
                for key, item in value.items()
                if not isinstance(item, dict | list)
            }
    return {ANSWER: target}


def are_labels(values: Counter[str]) -> bool:
    """Whether the values come back often enough to be labels: few rows hide free text."""
    return len(values) <= MAX_VALUES and 2 * len(values) <= values.total()


def profiles(rendered: Path, splits: Iterable[str]) -> dict[str, SplitLengths]:
    """The profile of every split that has a file, training first: the others are held
    against its words."""
    found: dict[str, SplitLengths] = {}
    for split in splits:
        path = rendered / f"{split}.jsonl"
        if not path.is_file():
            continue
        profile = found[split] = SplitLengths(split)
        train = found.get("train")
        known = None if train is profile else train.words if train else set[str]()
        for raw in read_jsonl(path):
            profile.add(Example.from_json(raw), known)
    return found


# How long prompts and answers are: one histogram a split on a shared scale, and the tokens.

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


def lengths(found: Mapping[str, SplitLengths]) -> list[Lengths]:
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
class TokenCounts:
    """One split's tokens as the summary of the rendered folder has them."""

    split: str
    total: str
    prompt: str
    target: str


def tokens(counted: Mapping[str, SplitTokens]) -> list[TokenCounts]:
    """Empty when nothing was counted."""
    return [
        TokenCounts(split, _total(item), _spread(item.prompt), _spread(item.target))
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


# How the answers' labels are spread over the splits, field by field.

MAX_SHOWN = 24


@dataclass(frozen=True, slots=True)
class ValueCount:
    """One value in one split."""

    rows: str
    share: str
    bar: Markup


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One value of a field, in the splits' order."""

    name: str
    parts: list[ValueCount]


@dataclass(frozen=True, slots=True)
class ValueShares:
    """One field; no `values` where it is free text, `known` counts all of them."""

    field: str
    values: list[FieldValue]
    known: int
    free_text: bool


def spreads(found: Mapping[str, SplitLengths], *, slices: bool = False) -> list[ValueShares]:
    """Every field of the answers, or every slice column, over the splits that have rows."""
    full = [profile for profile in found.values() if profile.rows]
    tables = [dict(p.slices) if slices else dict(p.values) for p in full]
    names = dict.fromkeys(name for table in tables for name in table)
    return [_spread_of(name, [table.get(name, Counter()) for table in tables]) for name in names]


def _spread_of(name: str, counts: Sequence[Counter[str] | None]) -> ValueShares:
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or not are_labels(sum(known, Counter())):
        return ValueShares(name, [], 0, free_text=True)
    total = sum(known, Counter[str]())
    # By the first split that has it: train, so that the others show how they differ.
    order = sorted(total, key=lambda value: (*(-c[value] for c in known), value))
    values = [
        FieldValue(value, [_part(c, value, known) for c in known]) for value in order[:MAX_SHOWN]
    ]
    return ValueShares(name, values, len(order), free_text=False)


def _part(counts: Counter[str], value: str, known: Sequence[Counter[str]]) -> ValueCount:
    rows, total = counts[value], counts.total()
    widest = max(
        (n / other.total() for other in known if other.total() for n in other.values()),
        default=1.0,
    )
    part = rows / total if total else 0.0
    bar = tag(
        "svg",
        tag("rect", width=percent(100 * part / widest), height="100%", class_="kept"),
        class_="meter",
        width="100%",
        height=6,
        aria_hidden="true",
    )
    return ValueCount(count(rows), share(part) if total else "", bar)
