"""How the answers' labels are spread over the splits, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner.report.markup import percent, tag
from runner.report.profile import Profile, are_labels
from runner.report.wording import count, share

MAX_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Part:
    """One value in one split."""

    rows: str
    share: str
    bar: Markup


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a field, in the splits' order."""

    name: str
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Spread:
    """One field; no `values` where it is free text, `known` counts all of them."""

    field: str
    values: list[Value]
    known: int
    free_text: bool


def spreads(found: Mapping[str, Profile], *, slices: bool = False) -> list[Spread]:
    """Every field of the answers, or every slice column, over the splits that have rows."""
    full = [profile for profile in found.values() if profile.rows]
    tables = [dict(p.slices) if slices else dict(p.values) for p in full]
    names = dict.fromkeys(name for table in tables for name in table)
    return [_spread(name, [table.get(name, Counter()) for table in tables]) for name in names]


def _spread(name: str, counts: Sequence[Counter[str] | None]) -> Spread:
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or not are_labels(sum(known, Counter())):
        return Spread(name, [], 0, free_text=True)
    total = sum(known, Counter[str]())
    # By the first split that has it: train, so that the others show how they differ.
    order = sorted(total, key=lambda value: (*(-c[value] for c in known), value))
    values = [Value(value, [_part(c, value, known) for c in known]) for value in order[:MAX_SHOWN]]
    return Spread(name, values, len(order), free_text=False)


def _part(counts: Counter[str], value: str, known: Sequence[Counter[str]]) -> Part:
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
    return Part(count(rows), share(part) if total else "", bar)
