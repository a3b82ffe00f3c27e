"""Many texts as one run of bytes: in memory when they are few, else in a file that the system
pages in and out, so that a corpus may be larger than memory.
"""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IN_MEMORY = 64 << 20
"""Bytes of text beyond which they go to a file."""


@dataclass(frozen=True, slots=True)
class Texts:
    """UTF-8 texts, end to end."""

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    """Where each text begins in `data`, and where the last one ends."""
    pages: mmap.mmap | None = None
    """The file they lie in."""

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.start[row] : self.start[row + 1]].tobytes()

    def text(self, row: int) -> str:
        return decoded(self[row])

    @property
    def size(self) -> int:
        """Bytes of text."""
        return int(self.start[-1] - self.start[0])

    def part(self, low: int, high: int) -> Texts:
        """The texts from `low` up to `high`, which is left out, where they lie."""
        return Texts(self.data, self.start[low : high + 1], self.pages)

    def batches(self, rows: int) -> Iterator[tuple[int, Texts]]:
        """Parts of so many texts, each with the number of its first one."""
        for low in range(0, len(self), rows):
            yield low, self.part(low, min(low + rows, len(self)))

    def where(self, mask: NDArray[np.bool_], folder: Path | None = None) -> Texts:
        """The texts that a mask keeps: these, when it keeps all, else a copy (see `gather`)."""
        import numpy as np

        if mask.all():
            return self
        edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
        with TextsWriter(folder, IN_MEMORY) as out:
            for low, high in zip(edges[::2], edges[1::2], strict=True):
                out.extend(self.part(low, high))
            return out.done()

    @contextmanager
    def scattered(self) -> Iterator[None]:
        """Within it texts are read here and there: what stands beside them is not wanted."""
        if self.pages:
            self.pages.madvise(mmap.MADV_RANDOM)
        try:
            yield
        finally:
            if self.pages:
                self.pages.madvise(mmap.MADV_NORMAL)


class TextsWriter:
    """Takes texts in; a context manager that lets go of its file.

    Args:
        folder: where the file is made, when one is needed; the system's place for temporary
            files without one. It has no name and goes with the last use of it.
        in_memory: bytes of text beyond which they go to a file.
    """

    def __init__(self, folder: Path | None, in_memory: int) -> None:
        place = str(folder) if folder else None
        self._spool = tempfile.SpooledTemporaryFile(in_memory, dir=place)  # noqa: SIM115
        self._in_memory = in_memory
        self._start = array("q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._spool.close()

    def add(self, text: str) -> None:
        """Take one text."""
        raw = text.encode("utf-8", "surrogatepass")
        self._spool.write(raw)
        self._start.append(self._start[-1] + len(raw))

    def extend(self, texts: Texts) -> None:
        """Take texts as they are."""
        shift = self._start[-1] - texts.start[0]
        self._spool.write(texts.data[texts.start[0] : texts.start[-1]].data)
        self._start.frombytes((texts.start[1:] + shift).tobytes())

    def done(self) -> Texts:
        """All of them, when all are there."""
        import numpy as np

        size, start = self._start[-1], np.frombuffer(self._start, np.int64)
        if size <= self._in_memory:
            self._spool.seek(0)
            return Texts(np.frombuffer(self._spool.read(), np.uint8), start)
        self._spool.flush()
        pages = mmap.mmap(self._spool.fileno(), size, access=mmap.ACCESS_READ)
        return Texts(np.frombuffer(pages, np.uint8), start, pages)


def gather(texts: Iterable[str], folder: Path | None = None) -> Texts:
    """Take texts in, one pass, into memory or into a file in `folder` (see `TextsWriter`)."""
    with TextsWriter(folder, IN_MEMORY) as out:
        for text in texts:
            out.add(text)
        return out.done()


def decoded(raw: bytes) -> str:
    """The characters of a text, or of a part of it; lone surrogates, which JSON can hold, are
    kept as they are."""
    return raw.decode("utf-8", "surrogatepass")


def from_arrow(column: Any) -> Texts:
    """The texts of a pyarrow column (string, large_string, chunked or not), its buffers as they
    are when they are one large_string chunk. A null is an empty text."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if not pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
    if column.null_count:
        column = pc.fill_null(column, "")
    _, offsets, data = column.buffers()
    low, high = column.offset, column.offset + len(column) + 1
    start = np.frombuffer(offsets, np.int64)[low:high] if offsets else np.zeros(1, np.int64)
    return Texts(np.frombuffer(data or b"", np.uint8), start)
