"""Worked examples inside tuning prompts. The guide advises against them: the row itself is the
example, and the served prompt will not carry any.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.gemini_format.few_shot import labelled_examples
from runner.prepare.row_table import hash64
from runner.records import Example, Row
from runner.records.summaries import LintCount, LintExample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONG_ENOUGH = 20
"""Characters of a line that make it telling; shorter ones meet by chance."""
SHOWN = 5
OWN = "\0"
"""Stands in a frame for the row's own input."""
MOST_FRAMES = 1000
"""Frames (prompts without the row's own text) that are remembered as clean."""


@dataclass(frozen=True, slots=True)
class LintHit:
    """One prompt with a worked example in it."""

    rule: str
    """``labelled_examples`` or ``other_row``."""
    note: str


class FewShotLint:
    """Looks for worked examples; counts what it finds by rule."""

    def __init__(self, train: Path) -> None:
        self._path = train
        self._clean: set[str] = set()
        self.found: Counter[str] = Counter()
        self.shown: list[LintExample] = []

    def check(self, rows: Sequence[Row], examples: Sequence[Example]) -> list[LintHit | None]:
        """One verdict for each pair of a row and its example."""
        hits: list[LintHit | None] = [None] * len(rows)
        frames = [_frame(row, example) for row, example in zip(rows, examples, strict=True)]
        plain = [_plain(row) for row in rows]
        suspects = {
            at: frame
            for at, frame in enumerate(frames)
            if frame not in self._clean or not plain[at]
        }
        strange = self._strange_lines(suspects)
        for at, frame in suspects.items():
            text = f"{examples[at].system}\n{examples[at].prompt}"
            hit = self._other_row(text, rows[at], strange.get(at, ()))
            if hit is None and (label := labelled_examples(text)):
                hit = LintHit("labelled_examples", label)
            hits[at] = hit
            if hit:
                self._count(examples[at], hit)
            elif len(self._clean) < MOST_FRAMES and plain[at]:
                self._clean.add(frame)
        return hits

    def summary(self, rows: int) -> tuple[LintCount, ...]:
        """What was found in `rows` tuning rows, for the summary."""
        return tuple(
            LintCount(
                f"few_shot/{rule}",
                count,
                f"{count:,} of {rows:,} tuning prompts carry worked examples"
                + (" (they stand in the template itself)" if count == rows > 1 else ""),
                tuple(item for item in self.shown if item.rule == rule),
            )
            for rule, count in self.found.most_common()
        )

    def _count(self, example: Example, hit: LintHit) -> None:
        self.found[hit.rule] += 1
        if self.found[hit.rule] <= SHOWN:
            self.shown.append(LintExample(hit.rule, example.id, hit.note))

    @cached_property
    def _index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The first telling line of every train row, hashed and sorted, and the row's place."""
        return _index(self._path)

    def _strange_lines(self, frames: Mapping[int, str]) -> dict[int, list[int]]:
        """Per prompt, the places of train rows whose first telling line stands in its frame."""
        import numpy as np

        asked = [(at, hash64(line)) for at, frame in frames.items() for line in _lines(frame)]
        if not asked or not len(self._index[0]):
            return {}
        known, start = self._index
        hashes = np.array([line for _, line in asked], np.uint64)
        place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        found: dict[int, list[int]] = {}
        for which in np.flatnonzero(known[place] == hashes).tolist():
            found.setdefault(asked[which][0], []).append(int(start[place[which]]))
        return found

    def _other_row(self, text: str, row: Row, places: Iterable[int]) -> LintHit | None:
        """Whether a train row at one of `places` stands in the text, question and answer."""
        for place in places:
            with self._path.open("rb") as lines:
                lines.seek(place)
                other = Row.from_json(orjson.loads(lines.readline()))
            asked = max(_inputs(other), key=len)
            after = text.partition(asked)[2]
            if other.id != row.id and other.target in after:
                return LintHit("other_row", f"holds row {other.id} with its answer")
        return None


def _frame(row: Row, example: Example) -> str:
    """The prompt without the first line of the row's own inputs. Where they have no other line,
    a frame that is clean once is clean for every row."""
    frame = f"{example.system}\n{example.prompt}"
    for text in _inputs(row):
        first = _first_line(text)
        frame = frame.replace(first, OWN) if first else frame
    return frame


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()


def _plain(row: Row) -> bool:
    """Whether the row's inputs cannot look like worked examples themselves."""
    return not any("\n" in text or ":" in text for text in _inputs(row))


def _lines(frame: str) -> set[str]:
    """Telling lines without own input, each also without a label before it."""
    stripped = (line.strip() for line in frame.splitlines() if OWN not in line)
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
            text = max(_inputs(Row.from_json(orjson.loads(line))), key=len)
            text = _first_line(text)
            if len(text) >= LONG_ENOUGH:
                hashes.append(hash64(text))
                starts.append(start)
            start += len(line)
    keys = np.frombuffer(hashes, np.uint64) if hashes else np.empty(0, np.uint64)
    order = np.argsort(keys, kind="stable")
    return keys[order], np.array(starts, np.int64)[order]
