"""Worked examples inside tuning prompts. The guide advises against them: the row itself is the
example, and the served prompt will not carry any."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runner.prepare.keys import hash64
from runner.records import Example, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INPUTS = "input|question|query|text|message|sentence|user|human|customer|prompt|source"
ANSWERS = "output|answer|label|response|assistant|model|ai|bot|agent|completion|target|result"
LABEL = re.compile(
    rf"^[ \t>*#-]*(?:(?P<input>{INPUTS}|q)|(?P<answer>{ANSWERS}|a))[ \t]*\d*\**[ \t]*:"
    r"(?P<rest>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
NUMBERED = re.compile(r"^[ \t>*#-]*(?:example|sample|shot)[ \t]*#?\d+\b", re.I | re.M)
INLINE = re.compile(r"\bQ\d*: .+?\bA\d*: *[^\s:].*?\bQ\d*: ", re.DOTALL)

LONG_ENOUGH = 20
"""Characters of a line that make it telling; shorter ones meet by chance."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """One prompt with a worked example in it."""

    rule: str
    """``labelled_examples`` or ``other_row``."""
    note: str


class FewShotLint:
    """Looks for worked examples; counts what it finds by rule."""

    def __init__(self, train: Path) -> None:
        self._path = train
        self._first_lines, self._start = _index(train)
        self.found: Counter[str] = Counter()
        self.shown: list[dict[str, str]] = []

    def check(self, rows: Sequence[Row], examples: Sequence[Example]) -> list[Hit | None]:
        """One verdict for each pair of a row and its example."""
        strange = self._strange_lines(rows, examples)
        hits: list[Hit | None] = []
        for at, example in enumerate(examples):
            text = f"{example.system}\n{example.prompt}"
            hit = self._other_row(text, rows[at], strange.get(at, ()))
            if hit is None and (label := labelled_examples(text)):
                hit = Hit("labelled_examples", label)
            hits.append(hit)
            if hit:
                self._count(example, hit)
        return hits

    def findings(self, rows: int) -> list[dict[str, Any]]:
        """What was found in `rows` tuning rows, for the summary."""
        return [
            {
                "rule": f"few_shot/{rule}",
                "rows": count,
                "message": f"{count:,} of {rows:,} tuning prompts carry worked examples"
                + (" (they stand in the template itself)" if count == rows > 1 else ""),
                "examples": [item for item in self.shown if item["rule"] == rule],
            }
            for rule, count in self.found.most_common()
        ]

    def _count(self, example: Example, hit: Hit) -> None:
        self.found[hit.rule] += 1
        if self.found[hit.rule] <= SHOWN:
            self.shown.append({"rule": hit.rule, "id": example.id, "note": hit.note})

    def _strange_lines(
        self, rows: Sequence[Row], examples: Sequence[Example]
    ) -> dict[int, list[int]]:
        """Per prompt, the train rows whose first input line stands in it but not in its row."""
        import numpy as np

        asked = [
            (at, hash64(line))
            for at, (row, example) in enumerate(zip(rows, examples, strict=True))
            if "\n" in example.prompt
            for line in _lines(example.prompt).difference(*map(_lines, _inputs(row)))
        ]
        if not asked or not len(self._first_lines):
            return {}
        hashes = np.array([line for _, line in asked], np.uint64)
        place = np.searchsorted(self._first_lines, hashes)
        place = np.minimum(place, len(self._first_lines) - 1)
        found: dict[int, list[int]] = {}
        for which in np.flatnonzero(self._first_lines[place] == hashes).tolist():
            found.setdefault(asked[which][0], []).append(int(place[which]))
        return found

    def _other_row(self, text: str, row: Row, places: Iterable[int]) -> Hit | None:
        """Whether one of the train rows at `places` stands in the text, question and answer."""
        for place in places:
            with self._path.open("rb") as lines:
                lines.seek(int(self._start[place]))
                other = Row.from_json(orjson.loads(lines.readline()))
            asked = max(_inputs(other), key=len)
            after = text.partition(asked)[2]
            if other.id != row.id and other.target in after:
                return Hit("other_row", f"holds row {other.id} with its answer")
        return None


def labelled_examples(text: str) -> str:
    """The labels by which worked examples show, e.g. ``Input: ... Output:``; empty if none."""
    if text.count("\n") < 2 and " A" not in text:
        return ""
    if len(NUMBERED.findall(text)) > 1:
        return "numbered examples"
    if INLINE.search(text):
        return "Q: ... A: ... Q:"
    asked: set[str] = set()
    answered: dict[str, str] = {}
    for found in LABEL.finditer(text):
        label = (found["input"] or found["answer"]).lower()
        if found["answer"]:
            after = text[found.end() :].lstrip()
            if found["rest"].strip() or (after and not LABEL.match(after)):
                answered |= dict.fromkeys(asked - answered.keys(), label)
        elif label in answered:
            return f"{label}: ... {answered[label]}: ... {label}:"
        else:
            asked.add(label)
    return ""


def _lines(text: str) -> set[str]:
    """Telling lines, each also without a label before it."""
    stripped = (line.strip() for line in text.splitlines())
    parts = (part for line in stripped for part in (line, line.partition(": ")[2].strip()))
    return {part for part in parts if len(part) >= LONG_ENOUGH}


def _inputs(row: Row) -> Iterator[str]:
    return iter([row.history[-1].text] if row.history else row.fields.values())


def _index(train: Path) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The first telling line of every train row, hashed and sorted, and where the row stands."""
    import numpy as np

    hashes, starts, start = array("Q"), array("q"), 0
    with train.open("rb") as lines:
        for line in lines:
            row = Row.from_json(orjson.loads(line))
            text = max(_inputs(row), key=len).strip().partition("\n")[0].strip()
            if len(text) >= LONG_ENOUGH:
                hashes.append(hash64(text))
                starts.append(start)
            start += len(line)
    keys = np.frombuffer(hashes, np.uint64) if hashes else np.empty(0, np.uint64)
    order = np.argsort(keys, kind="stable")
    return keys[order], np.array(starts, np.int64)[order]
