"""The rows of one split between the steps: text on disk, a few numbers a row in memory.

A million rows are 73 MB here, whatever they hold; decisions are made on the numbers, and
the text is passed through a second time only to be written where the decisions say. Normalised
inputs, which several steps compare, are kept too, so that no row is normalised twice.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, SupportsIndex

import orjson

from runner.base.text import normalize
from runner.kernels.texts import Texts, TextsWriter
from runner.records import Dropped, Example, Origin, Row, Turn, record_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

IN_MEMORY = 4 << 20
"""Bytes of inputs of one split beyond which they go to a file; few, as every split has them."""
MOST_LABELS = 1000
"""More different targets than this are no labels, and are not counted by name."""


@dataclass(frozen=True, slots=True)
class RowTable:
    """The cleaned rows of one split. Arrays are parallel, one entry a row."""

    split: str
    path: Path
    start: NDArray[np.int64]
    """Byte offset of each row's line, and the end of the last one."""
    inputs: Texts
    """Each row's normalised input (`runner.prepare.row_table.input_text`)."""
    key: Hashes
    """`hash64` of the normalised input."""
    asked: Hashes
    """`hash64` of what the user says in a conversation (`runner.prepare.row_table.asked_text`); the
    same as `key` for rows of columns."""
    target: Hashes
    group: Hashes
    """Of the group's name; 0 for none."""
    stratum: Hashes
    """Of the value whose proportions a split keeps."""
    copy: NDArray[np.bool_]
    """Rows that a file's weight repeated: same origin as the row before."""
    lengths: NDArray[np.int32]
    """Shape (rows, 2): characters of the inputs together, and of the target."""
    labels: dict[int, str] | None
    """Target hash to target; None when there are more than `MOST_LABELS`."""
    columns: tuple[str, ...]
    """Input columns of all rows with text for the template, in order of appearance."""
    has_stratum: bool
    """Whether any row has the column to stratify by."""

    def __len__(self) -> int:
        return len(self.key)

    @property
    def pair(self) -> Hashes:
        """One hash for input and target together."""
        import numpy as np

        # The target's hash times an odd constant, or input and target could trade places.
        return self.key ^ (self.target * np.uint64(0x9E3779B97F4A7C15))

    def lines(self) -> Iterator[bytes]:
        """All rows as JSON lines."""
        with self.path.open("rb") as stream:
            yield from stream

    def rows(self, indices: Iterable[SupportsIndex]) -> Iterator[Row]:
        """Some rows, by index."""
        return (Row.from_json(orjson.loads(line)) for line in self.some_lines(indices))

    def some_lines(self, indices: Iterable[SupportsIndex]) -> Iterator[bytes]:
        """Their lines."""
        with self.path.open("rb", buffering=0) as stream:
            for index in indices:
                start, end = (int(self.start[int(index) + step]) for step in (0, 1))
                yield os.pread(stream.fileno(), end - start, start)


class RowTableWriter:
    """Takes cleaned rows; a context manager that closes its file."""

    def __init__(
        self, path: Path, split: str, normalize: Sequence[str], stratify: str | None
    ) -> None:
        self.path = path
        self.split = split
        self._normalize = tuple(normalize)
        self._stratify = stratify
        self._out = path.open("wb")
        self._inputs = TextsWriter(path.parent, IN_MEMORY)
        self._start = array("q", [0])
        self._key, self._asked, self._target = array("Q"), array("Q"), array("Q")
        self._group, self._stratum = array("Q"), array("Q")
        self._copy, self._lengths = array("b"), array("i")
        self._labels: dict[int, str] | None = {}
        self._columns: dict[str, None] = {}
        self._last: Origin | None = None
        self._has_stratum = False
        self._small_hash = lru_cache(4096)(hash64)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._out.close()
        self._inputs.__exit__(kind, error, at)

    def add(self, row: Row) -> None:
        """Write the row's line and note its numbers."""
        line = row_line(row)
        self._out.write(line)
        self._start.append(self._start[-1] + len(line))
        target = hash64(row.target)
        text = input_text(row, self._normalize)
        self._inputs.add(text)
        key = hash64(text)
        self._key.append(key)
        self._asked.append(hash64(asked_text(row, self._normalize)) if row.history else key)
        self._target.append(target)
        self._group.append((self._small_hash(row.group) or 1) if row.group else 0)
        self._stratum.append(self._stratum_of(row, target))
        self._copy.append(row.origin == self._last)
        self._last = row.origin
        self._lengths.append(_input_length(row))
        self._lengths.append(len(row.target))
        if row.fields.keys() - self._columns.keys():
            texts = (name for name in row.fields if name not in row.media)
            self._columns.update(dict.fromkeys(texts))
        if self._labels is not None and target not in self._labels:
            self._labels[target] = row.target
            if len(self._labels) > MOST_LABELS:
                self._labels = None

    def done(self) -> RowTable:
        """The rows, when all are added."""
        import numpy as np

        self._out.flush()
        return RowTable(
            split=self.split,
            path=self.path,
            start=np.frombuffer(self._start, np.int64),
            inputs=self._inputs.done(),
            key=np.frombuffer(self._key, np.uint64),
            asked=np.frombuffer(self._asked, np.uint64),
            target=np.frombuffer(self._target, np.uint64),
            group=np.frombuffer(self._group, np.uint64),
            stratum=np.frombuffer(self._stratum, np.uint64),
            copy=np.frombuffer(self._copy, np.bool_),
            lengths=np.frombuffer(self._lengths, np.int32).reshape(-1, 2),
            labels=self._labels,
            columns=tuple(self._columns),
            has_stratum=self._has_stratum,
        )

    def _stratum_of(self, row: Row, target: int) -> int:
        name = self._stratify
        if name is None:
            return 0
        if name == "target":
            self._has_stratum = True
            return target
        value = row.slices.get(name, row.fields.get(name))
        self._has_stratum |= value is not None
        return self._small_hash(value or "")


def _input_length(row: Row) -> int:
    if row.history:
        return len(row.system) + sum(len(turn.text) for turn in row.history)
    return sum(map(len, row.fields.values()))


# What counts as the same input: its normalised text, and 64 bits that stand for it.

SEPARATOR = "\x1f"


def input_text(row: Row, steps: Sequence[str]) -> str:
    """The normalised input: columns in name order, or system instruction and turns.

    A text of which `steps` leave nothing (an emoji, a row of dots) is compared to the letter.
    """
    clear: Callable[[str], str] = partial(_normalised, steps)
    if row.history:
        return SEPARATOR.join(map(clear, (row.system, *(turn.text for turn in row.history))))
    if len(row.fields) == 1:
        (text,) = row.fields.values()
        return clear(text)
    return SEPARATOR.join(clear(row.fields[name]) for name in sorted(row.fields))


def asked_text(row: Row, steps: Sequence[str]) -> str:
    """What the user says in a conversation, normalised: no system instruction, no answers."""
    said = (turn.text for turn in row.history if turn.role == "user")
    return SEPARATOR.join(_normalised(steps, text) for text in said)


def hash64(text: str) -> int:
    """64 bits of BLAKE2b. Two different texts among a million meet with a chance of 3e-8."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _normalised(steps: Sequence[str], text: str) -> str:
    return normalize(text, steps) or text


# Records to JSON lines, fast: what `to_json` and `to_gemini` say, without reflection.
#
# A million rows pass through here three times; tests hold these against the records' own methods.

LINE_BREAKS = (
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
    (b"\xc2\x85", b"\\u0085"),
)
"""Valid in JSON strings, but some readers end a line there."""

GEMINI_ONLY = ("target_parts", "rejected", "extras")
"""Fields of rows that came in Gemini's own format."""


def row_line(row: Row) -> bytes:
    """`Row.to_json` as one line."""
    out: dict[str, object] = {
        "id": row.id,
        "fields": row.fields,
        "target": row.target,
        "origin": {"file": row.origin.file, "line": row.origin.line},
    }
    for name in ("references", "slices", "group", "system"):
        if value := getattr(row, name):
            out[name] = value
    if row.history:
        out["history"] = list(map(_turn, row.history))
    for name in (*GEMINI_ONLY, "media"):
        if value := getattr(row, name):
            out[name] = value
    return orjson.dumps(out) + b"\n"


def example_line(example: Example) -> bytes:
    """`Example.to_json` as one line."""
    out: dict[str, object] = {
        "id": example.id,
        "contents": list(map(_turn, example.contents)),
        "target": example.target,
        "origin": {"file": example.origin.file, "line": example.origin.line},
    }
    for name in ("system", "references", "slices", *GEMINI_ONLY):
        if value := getattr(example, name):
            out[name] = value
    return orjson.dumps(out) + b"\n"


def gemini_line(example: Example) -> bytes:
    """The tuning row as one line, whatever the reader takes for a line's end: with two answers
    a row for preference tuning, else one for supervised tuning."""
    row = example.to_preference() if example.rejected else example.to_gemini()
    line = orjson.dumps(row)
    for raw, escaped in LINE_BREAKS:
        if raw in line:
            line = line.replace(raw, escaped)
    return line + b"\n"


def dropped_line(dropped: Dropped) -> bytes:
    return record_line(dropped)


def _turn(turn: Turn) -> dict[str, object]:
    said: dict[str, object] = {"role": turn.role, "text": turn.text}
    if turn.parts:
        said["parts"] = turn.parts
    return said
