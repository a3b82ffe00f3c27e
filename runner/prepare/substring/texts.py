"""Texts end to end in one array of bytes: what the kernels read."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Texts:
    """UTF-8 of all texts, and where each begins."""

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    """One more than there are texts: the last is the end of all."""

    def __len__(self) -> int:
        return len(self.start) - 1

    def bytes_of(self, text: int) -> bytes:
        return self.data[self.start[text] : self.start[text + 1]].tobytes()

    def text(self, text: int) -> str:
        return decoded(self.bytes_of(text))


def pack(texts: Iterable[str]) -> Texts:
    """Put texts end to end. Lone surrogates, which JSON can hold, are kept as they are."""
    import numpy as np

    data, start = bytearray(), array("q", [0])
    for text in texts:
        data += text.encode("utf-8", "surrogatepass")
        start.append(len(data))
    return Texts(np.frombuffer(data, np.uint8), np.frombuffer(start, np.int64))


def decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
