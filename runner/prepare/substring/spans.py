"""Repeated windows as spans of text, each with another place it stands at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.prepare.substring.texts import Texts, decoded
from runner.prepare.substring.tokens import Tokens, kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens that stands elsewhere too, or several such runs that overlap."""

    text: int
    """Position of its text in the sequence given."""
    start: int
    """First character."""
    end: int
    """Character after the last."""
    first: int
    """Number of its first token in the text."""
    tokens: int
    matched: int
    """Another text (or the same) in which the span's first window stands."""


def spans_of(tokens: Tokens, size: int, marks: NDArray[np.uint8]) -> list[Span]:
    """The longest spans that marked windows cover."""
    import numpy as np

    kernel, numbers = kernels(), tokens.windows(size)
    texts = kernel.marked_texts(numbers, marks)
    if not len(texts):
        return []
    room = len(texts)
    while True:
        found, keys = np.empty((room, 5), np.int64), np.empty(room, np.uint64)
        view = tokens.texts.data, tokens.texts.start, tokens.first
        count = kernel.spans(*view, numbers, size, marks, texts, found, keys)
        if count >= 0:
            break
        room *= 2
    found, keys = found[:count], keys[:count]
    return _as_spans(tokens.texts, found, _elsewhere(tokens, size, found, keys))


def _elsewhere(
    tokens: Tokens, size: int, found: NDArray[np.int64], keys: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Per span, the first text with its first window in another place."""
    import numpy as np

    kernel, table = kernels(), kernels().open_table(np.unique(keys))
    places = np.full((len(table), 4), -1, np.int64)
    kernel.locate(tokens.texts.data, tokens.texts.start, tokens.first, size, table, places)
    slot = np.empty(len(keys), np.int64)
    kernel.slots(table, keys, slot)
    at = places[slot]
    itself = (at[:, 0] == found[:, 0]) & (at[:, 1] == found[:, 3])
    return np.where(itself, at[:, 2], at[:, 0])


def _as_spans(texts: Texts, found: NDArray[np.int64], matched: NDArray[np.int64]) -> list[Span]:
    """Bytes become characters, text by text."""
    out: list[Span] = []
    text, raw, plain = -1, b"", True
    for (row, low, high, first, tokens), other in zip(
        found.tolist(), matched.tolist(), strict=True
    ):
        if row != text:
            text, raw = row, texts.bytes_of(row)
            plain = raw.isascii()
        if not plain:
            low, high = len(decoded(raw[:low])), len(decoded(raw[:high]))
        out.append(Span(row, low, high, first, tokens, other))
    return out
