"""Where validation and test differ from what train covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from runner.plural import plural
from runner.report.profile import Profile, are_labels
from runner.report.wording import MISSING, count, one_line, share

NAMED = 5
"""Values and words given as examples."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One comparison; `cells` are in the order of the evaluation splits."""

    what: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """All comparisons of the evaluation splits with train."""

    splits: list[str]
    gaps: list[Gap]


def coverage(found: Mapping[str, Profile]) -> Coverage | None:
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
        gaps.append(Gap(f"{name}: values train never has", [_missing(a, b) for a, b in pairs]))
        gaps.append(Gap(f"{name}: largest shift", [_shift(a, b) for a, b in pairs]))
    gaps.append(Gap("prompt words train never has", [_words(train, other) for other in others]))
    gaps.append(Gap("prompts longer than any in train", [_longer(train, o) for o in others]))
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


def _words(train: Profile, other: Profile) -> str:
    if train.words is None or not other.spoken:
        return MISSING
    part = share(other.unseen.total() / other.spoken)
    names = ", ".join(one_line(word, 30) for word, _ in other.unseen.most_common(NAMED))
    return f"{part} of {count(other.spoken)}: {names}" if names else "none"


def _longer(train: Profile, other: Profile) -> str:
    longest = max(train.prompt)
    rows = sum(n for length, n in other.prompt.items() if length > longest)
    return plural(rows, "row") if rows else "none"
