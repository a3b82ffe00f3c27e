"""The page of leaks: every pair of a training row and an evaluation row it gives away."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup

from runner.base.text import plural
from runner.records import read_records
from runner.records.leaks import LeakCheck, LeakPair, RepeatedSpan
from runner.records.summaries import NAME, PreparedSummary, read_prepared
from runner.report.format import count, in_words, is_leak
from runner.report.page import tag, text, where

T = TypeVar("T")

SHOWN = 200
"""Pairs of a section that stand on the page; all of them stand in ``leaks.jsonl``."""
CLOSE = "semantic"
"""Not a leak, but a reason to look."""
METHODS = {
    "exact": ("equal", "Both inputs are the same, letter by letter."),
    "normalised": (
        "equal but for case and marks",
        "The same but for what prepare.dedup.normalize takes away.",
    ),
    "minhash": ("near-duplicates", "Score: Jaccard similarity of their shingles."),
    "substring": ("a shared span", "A long run of tokens stands in both."),
    CLOSE: (
        "near in meaning",
        "For you to judge: nothing is dropped for it, and no gate counts it. Score: cosine "
        "similarity of their vectors.",
    ),
}


@dataclass(frozen=True, slots=True)
class LeakLine:
    """One line of the table; texts with what both share marked."""

    id: str
    where: str
    target: str
    text: Markup
    matched: str
    matched_where: str
    matched_target: str
    matched_text: Markup
    score: str
    fate: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class SpanLine:
    """One repeated stretch of text."""

    id: str
    where: str
    matched: str
    matched_where: str
    tokens: str
    fate: str
    text: str


@dataclass(slots=True)
class LeakSection:
    """The pairs of two splits that one method found."""

    split: str
    against: str
    method: str
    rows: int = 0
    pairs: list[LeakLine] = field(default_factory=list)

    @property
    def heading(self) -> str:
        return f"{self.split} and {self.against}: {_name(self.method)}"

    @property
    def about(self) -> str:
        ngram = "Score: shared distinct n-grams over those of the shorter row."
        return METHODS.get(self.method, ("", ngram))[1]


def leaks_page(card: Path) -> Path:
    """Where the page of leaks stands that belongs to a data card."""
    return card.with_name(card.name.replace("data_card", "leaks", 1))


def keep_refused(refused: Path, page: Path) -> Path | None:
    """Write the page of what made the gate refuse, and beside it the file of the pairs, whose
    path is returned; None when `refused`, the folder that is given up, lists no leaks."""
    if not (refused / "leaks.jsonl").is_file():
        return None
    write_leaks(refused, "1", page, refused=True)
    return Path(shutil.copy(refused / "leaks.jsonl", page.with_suffix(".jsonl")))


def write_leaks(prepared: Path, version: str, out: Path, *, refused: bool = False) -> bool:
    """Write the page for a prepared folder; False, and no page, when there is nothing to list.
    With `refused`, nothing was prepared, and the rows' fates are what would become of them."""
    from runner.report.page import write_page

    sections = _sections(prepared)
    spans = list(_lines(prepared, "spans", RepeatedSpan))
    conflicts = list(_lines(prepared, "conflicts", LeakPair))
    if not (sections or spans or conflicts):
        return False
    summary = read_prepared(prepared) if (prepared / NAME).is_file() else PreparedSummary()
    values = {
        "version": version,
        "title": "Leaks and conflicts",
        "headline": _headline(sections, len(conflicts)),
        "facts": _facts(sections, len(conflicts), len(spans)),
        "leakage": [
            (name.replace("_", " "), count(rows)) for name, rows in summary.leakage.items() if rows
        ],
        "looks": list(look_lines(summary.leak_looks)),
        "state": "lost" if refused else "open" if sections or conflicts else "won",
        "refused": refused,
        "sections": sections,
        "conflicts": [_pair(raw) for raw in conflicts[:SHOWN]],
        "conflict_count": len(conflicts),
        "spans": [_span(raw) for raw in spans[:SHOWN]],
        "span_count": len(spans),
    }
    write_page("leaks.html", values, out)
    return True


def _sections(prepared: Path) -> list[LeakSection]:
    """Pairs by splits and method: train before validation, the surest method first."""
    found: dict[tuple[str, str, str], LeakSection] = {}
    for raw in _lines(prepared, "leaks", LeakPair):
        key = (raw.split, raw.against, raw.method)
        section = found.setdefault(key, LeakSection(*key))
        section.rows += 1
        if len(section.pairs) < SHOWN:
            section.pairs.append(_pair(raw))
    sure = [method for method in METHODS if method != CLOSE]
    for section in found.values():
        section.pairs.sort(key=lambda pair: pair.score, reverse=True)
    return sorted(
        found.values(),
        key=lambda s: (s.split, s.against, _rank(s.method, sure)),
    )


def _rank(method: str, sure: list[str]) -> int:
    """n-grams come after the methods that are `sure`, guesses last."""
    return sure.index(method) if method in sure else len(sure) + (method == CLOSE)


def _lines(folder: Path, name: str, kind: type[T]) -> Iterator[T]:
    path = folder / f"{name}.jsonl"
    yield from read_records(path, kind) if path.is_file() else ()


def _pair(raw: LeakPair) -> LeakLine:
    mine, theirs = _marked(raw.text, raw.matched_text)
    return LeakLine(
        id=raw.id,
        where=where(raw.origin),
        target=raw.target,
        text=mine,
        matched=raw.matched,
        matched_where=where(raw.matched_origin),
        matched_target=raw.matched_target,
        matched_text=theirs,
        score="" if raw.score in (None, 1.0) else f"{raw.score:.2f}",
        fate=_fate(raw.fate),
        agrees=raw.agrees,
    )


def _fate(reason: str) -> str:
    if is_leak(reason):
        return "dropped"
    return in_words(reason) or "stays"


def _marked(mine: str, theirs: str) -> tuple[Markup, Markup]:
    """Both texts, escaped, with the words that only one of them has marked."""
    left, right = mine.split(), theirs.split()
    matcher = SequenceMatcher(None, _folded(left), _folded(right), autojunk=False)
    here: list[str | Markup] = []
    there: list[str | Markup] = []
    for kind, low, high, start, end in matcher.get_opcodes():
        for words, out in ((left[low:high], here), (right[start:end], there)):
            if words:
                said = " ".join(words)
                out.append(text(said) if kind == "equal" else tag("mark", said))
    return Markup(" ").join(here), Markup(" ").join(there)


def _folded(words: list[str]) -> list[str]:
    return ["".join(filter(str.isalnum, word)).casefold() or word for word in words]


def _span(raw: RepeatedSpan) -> SpanLine:
    return SpanLine(
        id=raw.id,
        where=where(raw.origin),
        matched=raw.matched,
        matched_where=where(raw.matched_origin),
        tokens=count(raw.tokens),
        fate=raw.fate,
        text=raw.span,
    )


def _name(method: str) -> str:
    return METHODS.get(method, (f"{method}s in common", ""))[0]


def _headline(sections: list[LeakSection], conflicts: int) -> str:
    leaks = [one for one in sections if one.split == "train" and one.method != CLOSE]
    rows = sum(section.rows for section in leaks)
    start = f"{plural(rows, 'pair')} of a training row with an evaluation row"
    against = Counter[str]()
    for section in leaks:
        against[section.against] += section.rows
    named = ", ".join(f"{count(n)} with {name}" for name, n in against.items())
    torn = f"; {plural(conflicts, 'input')} with conflicting answers" if conflicts else ""
    return f"{start}{f' ({named})' if named else ''}{torn}."


def _facts(sections: list[LeakSection], conflicts: int, spans: int) -> list[tuple[str, str]]:
    by_method = Counter[str]()
    for section in sorted(sections, key=lambda section: section.method == CLOSE):
        by_method[_name(section.method)] += section.rows
    facts = [(name, count(rows)) for name, rows in by_method.items()]
    facts += [("conflicting answers", count(conflicts))] if conflicts else []
    return facts + ([("repeated spans in train", count(spans))] if spans else [])


# What the search for leaks looked at, in words: the methods, the splits, how many rows.

Looks = Sequence[LeakCheck]
"""``leak_looks`` of a summary."""
WORDS = {
    "exact": "equal inputs",
    "minhash": "near-duplicates",
    "n-gram": "n-grams",
    "substring": "shared spans",
    "semantic": "meaning",
}


def nothing_found(looks: Looks) -> str:
    """What to say pairs_named no leak is known: by which methods there is none."""
    methods = dict.fromkeys(_method_name(look) for look in looks if look.not_looked is None)
    return f"none by {', '.join(methods)}" if methods else "not looked for"


def look_lines(looks: Looks) -> Iterator[str]:
    """A line a pair of splits: what each method found there and among how many rows. Then what was
    not looked at, and why."""
    unlooked: dict[tuple[str, str], list[str]] = {}
    pairs = dict.fromkeys((look.split, look.against) for look in looks)
    for pair in pairs:
        of_pair = [look for look in looks if (look.split, look.against) == pair]
        told = [_found(look) for look in of_pair if look.not_looked is None]
        if told:
            yield f"{' and '.join(pair)}: {', '.join(told)}"
        for look in of_pair:
            if reason := look.not_looked:
                what = _method_name(look) if told else ""
                unlooked.setdefault((what, reason), []).append(" and ".join(pair))
    whole = {pair for what, pair in _flat(unlooked) if not what}
    for (what, reason), pairs_named in unlooked.items():
        named = ", ".join(dict.fromkeys(pairs_named))
        everywhere = what and len(pairs_named) == len(pairs) - len(whole)
        about = f"{what}: " if everywhere else f"{named}, {what}: " if what else f"{named}: "
        yield f"not looked at: {about}{reason}"


def _flat(unlooked: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[tuple[str, str]]:
    for (what, _), pairs in unlooked.items():
        yield from ((what, pair) for pair in pairs)


def _found(look: LeakCheck) -> str:
    found = count(look.found) if look.found else "none"
    rows, against = count(look.rows or 0), count(look.against_rows or 0)
    return f"{_method_name(look)} {found} ({rows} × {against} rows)"


def _method_name(look: LeakCheck) -> str:
    return WORDS.get(look.method, f"{look.method}s")
