"""The rows of one split between the steps: text on disk, a few numbers a row in memory.

A million rows are 73 MB here, whatever they hold; decisions are made on the numbers, and
the text is passed through a second time only to be written where the decisions say. Normalised
inputs, which several steps compare, are kept too, so that no row is normalised twice.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, SupportsIndex

import orjson

from runner.prepare.encode import row_line
from runner.prepare.keys import asked_text, hash64, input_text
from runner.prepare.texts import Texts, TextsWriter
from runner.records import Origin, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

IN_MEMORY = 4 << 20
"""Bytes of inputs of one split beyond which they go to a file; few, as every split has them."""
MOST_LABELS = 1000
"""More different targets than this are no labels, and are not counted by name."""


@dataclass(frozen=True, slots=True)
class Spill:
    """The cleaned rows of one split. Arrays are parallel, one entry a row."""

    split: str
    path: Path
    start: NDArray[np.int64]
    """Byte offset of each row's line, and the end of the last one."""
    inputs: Texts
    """Each row's normalised input (`runner.prepare.keys.input_text`)."""
    key: Hashes
    """`hash64` of the normalised input."""
    asked: Hashes
    """`hash64` of what the user says in a conversation (`runner.prepare.keys.asked_text`); the
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


class SpillWriter:
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

    def done(self) -> Spill:
        """The rows, when all are added."""
        import numpy as np

        self._out.flush()
        return Spill(
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
