"""The data card: what the prepared and rendered rows are worth, on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.base.text import plural
from runner.records import SPLITS, Example
from runner.records.summaries import (
    NAME,
    Conflict,
    PreparedSummary,
    RenderedSummary,
    read_prepared,
    read_rendered,
)
from runner.report.card_lengths import SplitLengths, are_labels, lengths, profiles, spreads, tokens
from runner.report.card_maps import clusters, row_map
from runner.report.card_rows import (
    MAX_SHOWN,
    LossKind,
    augmented,
    dropped_total,
    faults,
    flow,
    losses,
    mixes,
    read_tallies,
    set_aside_total,
)
from runner.report.format import MISSING, clip, count, one_line, share
from runner.report.leaks import leaks_page, look_lines, write_leaks
from runner.report.page import link, where, write_page

MAX_TEXT = 1200
MAX_FILES = 8


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """One example row as the model sees it."""

    split: str
    id: str
    where: str
    parts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CardFact:
    """One of the numbers at the top."""

    name: str
    value: str
    note: str = ""


def write_card(prepared: Path, rendered: Path, version: str, out: Path) -> None:
    """Write the data card of the two artifact folders to `out`."""
    found = profiles(rendered, SPLITS)
    tallies, kinds = read_tallies([prepared, rendered]), losses([prepared, rendered])
    faulty, fault_count = faults(prepared)
    summary = read_prepared(prepared) if (prepared / NAME).is_file() else PreparedSummary()
    numbers = read_rendered(rendered) if (rendered / NAME).is_file() else RenderedSummary()
    dropped = dropped_total(tallies) if tallies else sum(kind.rows for kind in kinds)
    values = {
        "version": version,
        "title": "Data card",
        "headline": _headline(found, kinds, dropped),
        "state": "won" if found and not (kinds[0].rows or kinds[1].rows) else "open",
        "facts": _facts(found, dropped, set_aside_total(tallies), kinds, fault_count),
        "notes": _notes(summary, numbers),
        "files": {profile.split: _files(profile) for profile in found.values()},
        "profiles": list(found.values()),
        "mixes": mixes(summary.mix),
        "flows": flow(tallies),
        "lengths": lengths(found),
        "tokens": tokens(numbers.tokens),
        "spreads": spreads(found),
        "slices": spreads(found, slices=True),
        "splits": [profile.split for profile in found.values() if profile.rows],
        "coverage": coverage(found),
        "augmented": augmented(numbers.augmented, rendered, out),
        "map": row_map(rendered),
        "kinds": kinds,
        "conflicts": _conflicts(summary.conflicts),
        "clusters": clusters(summary.near_clusters, prepared),
        "faults": faulty,
        "fault_count": fault_count,
        "max_shown": MAX_SHOWN,
        "examples": [_shown(p.split, item) for p in found.values() for item in p.examples],
    }
    page = leaks_page(out)
    values["leaks"] = link(page, out) if write_leaks(prepared, version, page) else ""
    write_page("card.html", values, out)


def _headline(found: Mapping[str, SplitLengths], kinds: Sequence[LossKind], dropped: int) -> str:
    if not found:
        return "There are no rendered rows to describe."
    rows = found["train"].rows if "train" in found else 0
    start = f"{plural(rows, 'training row')} to tune on"
    if not dropped:
        return f"{start}; nothing had to be dropped."
    known = [(kind.rows, kind.heading.lower()) for kind in kinds[:3] if kind.rows]
    named = ", ".join(
        f"{count(n)} {name.removesuffix('s') if n == 1 else name}" for n, name in known
    )
    return f"{start}; {plural(dropped, 'row')} dropped{f', among them {named}' if named else ''}."


def _facts(
    found: Mapping[str, SplitLengths],
    dropped: int,
    aside: int,
    kinds: Sequence[LossKind],
    faulty: int,
) -> list[CardFact]:
    rows = [CardFact(f"{profile.split} rows", count(profile.rows)) for profile in found.values()]
    dropped_kinds = [CardFact(kind.heading.lower(), count(kind.rows)) for kind in kinds[:3]]
    others = [CardFact("faults", count(faulty))]
    others += [CardFact("set aside", count(aside))] if aside else []
    return [*rows, CardFact("dropped", count(dropped)), *dropped_kinds, *others]


def _files(profile: SplitLengths) -> list[tuple[str, int]]:
    return [(Path(file).name, rows) for file, rows in profile.files.most_common(MAX_FILES)]


def _notes(prepared: PreparedSummary, rendered: RenderedSummary) -> list[str]:
    """What the data steps had to say, and the numbers on leaks that no dropped row shows."""
    leaks = [f"{name.replace('_', ' ')}: {rows}" for name, rows in prepared.leakage.items() if rows]
    looks = [f"leaks, {line}" for line in look_lines(prepared.leak_looks)]
    lint = [broken.message for broken in rendered.lint if broken.message]
    return [*prepared.warnings, *prepared.notes, *rendered.notes, *leaks, *looks, *lint]


def _conflicts(conflicts: Sequence[Conflict]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Texts with more than one answer: the text, then place and answer of each row."""
    return [
        (clip(item.text, 200), [(where(row), row.target) for row in item.rows])
        for item in conflicts
    ]


def _shown(split: str, example: Example) -> ExampleRow:
    parts = [("system", example.system)] if example.system else []
    parts += [(turn.role, turn.text) for turn in example.contents]
    parts.append(("answer", example.target))
    at = f"{Path(example.origin.file).name}:{example.origin.line}"
    return ExampleRow(split, example.id, at, [(name, clip(text, MAX_TEXT)) for name, text in parts])


# Where validation and test differ from what train covers.

NAMED = 5
"""Values and words given as examples."""


@dataclass(frozen=True, slots=True)
class SplitGap:
    """One comparison; `cells` are in the order of the evaluation splits."""

    what: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """All comparisons of the evaluation splits with train."""

    splits: list[str]
    gaps: list[SplitGap]


def coverage(found: Mapping[str, SplitLengths]) -> Coverage | None:
    """None without training rows or without rows to hold against them."""
    train = found.get("train")
    others = [p for p in found.values() if p.split != "train" and p.rows]
    if train is None or not train.rows or not others:
        return None
    gaps = []
    for name, counts in train.values.items():
        if counts is None or any(other.values.get(name) is None for other in others):
            continue
        if not are_labels(counts):
            continue
        pairs = [(counts, other.values[name] or Counter()) for other in others]
        gaps.append(SplitGap(f"{name}: values train never has", [_missing(a, b) for a, b in pairs]))
        gaps.append(SplitGap(f"{name}: largest shift", [_shift(a, b) for a, b in pairs]))
    gaps.append(
        SplitGap("prompt words train never has", [_words(train, other) for other in others])
    )
    gaps.append(SplitGap("prompts longer than any in train", [_longer(train, o) for o in others]))
    return Coverage([other.split for other in others], gaps)


def _missing(train: Counter[str], other: Counter[str]) -> str:
    missing = Counter({value: n for value, n in other.items() if value not in train})
    if not missing:
        return "none"
    names = ", ".join(one_line(value, 40) for value, _ in missing.most_common(NAMED))
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    rows = missing.total()
    return f"{plural(rows, 'row')} ({share(rows / other.total())}): {names}{more}"


def _shift(train: Counter[str], other: Counter[str]) -> str:
    """The value whose share differs most between the two."""
    shifts = {
        value: other[value] / other.total() - train[value] / train.total()
        for value in (train | other)
    }
    value = max(shifts, key=lambda name: (abs(shifts[name]), name))
    before, after = train[value] / train.total(), other[value] / other.total()
    return f"{one_line(value, 40)}: {share(before)} in train, {share(after)} here"


def _words(train: SplitLengths, other: SplitLengths) -> str:
    if train.words is None or not other.spoken:
        return MISSING
    part = share(other.unseen.total() / other.spoken)
    names = ", ".join(one_line(word, 30) for word, _ in other.unseen.most_common(NAMED))
    return f"{part} of {count(other.spoken)}: {names}" if names else "none"


def _longer(train: SplitLengths, other: SplitLengths) -> str:
    longest = max(train.prompt)
    rows = sum(n for length, n in other.prompt.items() if length > longest)
    return plural(rows, "row") if rows else "none"
