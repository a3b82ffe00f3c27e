"""Many texts as one run of bytes: in memory when they are few, else in a file that the system
pages in and out, so that a corpus may be larger than memory."""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

    def scattered(self) -> None:
        """From now on texts are read here and there: what stands beside them is not wanted."""
        if self.pages:
            self.pages.madvise(mmap.MADV_RANDOM)


def gather(texts: Iterable[str], folder: Path | None = None) -> Texts:
    """Take texts in, one pass. A file, when one is needed, is made in `folder` (the system's
    place for temporary files without one), has no name and goes with the last use of it."""
    import numpy as np

    start = array("q", [0])
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder) if folder else None) as spool:
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            spool.write(raw)
            start.append(start[-1] + len(raw))
        size = start[-1]
        if size <= IN_MEMORY:
            spool.seek(0)
            return Texts(np.frombuffer(spool.read(), np.uint8), np.frombuffer(start, np.int64))
        spool.flush()
        pages = mmap.mmap(spool.fileno(), size, access=mmap.ACCESS_READ)
        return Texts(np.frombuffer(pages, np.uint8), np.frombuffer(start, np.int64), pages)


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
