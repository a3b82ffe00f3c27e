"""The page of leaks: every pair of a training row and an evaluation row it gives away."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from markupsafe import Markup

from runner.plural import plural
from runner.records import read_jsonl
from runner.report.leak_looks import look_lines
from runner.report.markup import tag, text
from runner.report.places import where
from runner.report.reasons import in_words, is_leak
from runner.report.wording import count

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
class Pair:
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


@dataclass(slots=True)
class Section:
    """The pairs of two splits that one method found."""

    split: str
    against: str
    method: str
    rows: int = 0
    pairs: list[Pair] = field(default_factory=list)

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

    sections, spans = _sections(prepared / "leaks.jsonl"), list(_lines(prepared, "spans"))
    conflicts = list(_lines(prepared, "conflicts"))
    if not (sections or spans or conflicts):
        return False
    counts = prepared / "summary.json"
    summary = json.loads(counts.read_text(encoding="utf-8")) if counts.is_file() else {}
    values = {
        "version": version,
        "title": "Leaks and conflicts",
        "headline": _headline(sections, len(conflicts)),
        "facts": _facts(sections, len(conflicts), len(spans)),
        "leakage": [
            (name.replace("_", " "), count(rows))
            for name, rows in summary.get("leakage", {}).items()
            if rows
        ],
        "looks": list(look_lines(summary.get("leak_looks") or ())),
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


def _sections(path: Path) -> list[Section]:
    """Pairs by splits and method: train before validation, the surest method first."""
    found: dict[tuple[str, str, str], Section] = {}
    for raw in read_jsonl(path) if path.is_file() else ():
        key = (str(raw["split"]), str(raw["against"]), str(raw["method"]))
        section = found.setdefault(key, Section(*key))
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


def _lines(folder: Path, name: str) -> Iterator[Mapping[str, Any]]:
    path = folder / f"{name}.jsonl"
    yield from read_jsonl(path) if path.is_file() else ()


def _pair(raw: Mapping[str, Any]) -> Pair:
    mine, theirs = _marked(str(raw.get("text", "")), str(raw.get("matched_text", "")))
    score = raw.get("score")
    return Pair(
        id=str(raw.get("id", "")),
        where=where(raw.get("origin")),
        target=str(raw.get("target", "")),
        text=mine,
        matched=str(raw.get("matched", "")),
        matched_where=where(raw.get("matched_origin")),
        matched_target=str(raw.get("matched_target", "")),
        matched_text=theirs,
        score="" if score in (None, 1.0) else f"{score:.2f}",
        fate=_fate(str(raw.get("fate", ""))),
        agrees=bool(raw.get("agrees", True)),
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


def _span(raw: Mapping[str, Any]) -> dict[str, str]:
    return {
        "id": str(raw["id"]),
        "where": where(raw["origin"]),
        "matched": str(raw["matched"]),
        "matched_where": where(raw["matched_origin"]),
        "tokens": count(int(raw["tokens"])),
        "fate": str(raw["fate"]),
        "text": str(raw["span"]),
    }


def _name(method: str) -> str:
    return METHODS.get(method, (f"{method}s in common", ""))[0]


def _headline(sections: list[Section], conflicts: int) -> str:
    leaks = [one for one in sections if one.split == "train" and one.method != CLOSE]
    rows = sum(section.rows for section in leaks)
    start = f"{plural(rows, 'pair')} of a training row with an evaluation row"
    against = Counter[str]()
    for section in leaks:
        against[section.against] += section.rows
    named = ", ".join(f"{count(n)} with {name}" for name, n in against.items())
    torn = f"; {plural(conflicts, 'input')} with conflicting answers" if conflicts else ""
    return f"{start}{f' ({named})' if named else ''}{torn}."


def _facts(sections: list[Section], conflicts: int, spans: int) -> list[tuple[str, str]]:
    by_method = Counter[str]()
    for section in sorted(sections, key=lambda section: section.method == CLOSE):
        by_method[_name(section.method)] += section.rows
    facts = [(name, count(rows)) for name, rows in by_method.items()]
    facts += [("conflicting answers", count(conflicts))] if conflicts else []
    return facts + ([("repeated spans in train", count(spans))] if spans else [])
