"""Repeated windows as spans of text, each with another place it stands at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.prepare.substring.tokens import Tokens, kernels
from runner.prepare.texts import Texts, decoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Marks = NDArray[np.uint8]

PART = 1 << 22
"""Marks that are counted at a time."""


class Span(NamedTuple):
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


def spans_of(tokens: Tokens, size: int, marks: Marks) -> list[Span]:
    """The longest spans that marked windows cover."""
    numbers = tokens.windows(size)
    texts = kernels().marked_texts(numbers, marks)
    if not len(texts):
        return []
    found, keys = _runs(tokens, size, marks, texts, _begins(marks) + len(texts))
    return _as_spans(tokens.texts, found, _elsewhere(tokens, size, found, keys))


def _begins(marks: Marks) -> int:
    """Runs of marked windows: at least as many as the spans within texts."""
    import numpy as np

    parts = (marks[low : low + PART + 1] for low in range(0, len(marks), PART))
    return 1 + sum(int(np.count_nonzero(part[1:] > part[:-1])) for part in parts)


def known_spans(tokens: Tokens, marks: Marks, heads: NDArray[np.int64], size: int) -> list[Span]:
    """The same, where the windows that spans begin with are known, and where they stood first."""
    import numpy as np

    numbers = tokens.windows(size)
    of, matched = (np.searchsorted(numbers, heads[:, side], side="right") - 1 for side in (0, 1))
    found, _ = _runs(tokens, size, marks, np.unique(of), len(heads))
    return _as_spans(tokens.texts, found, matched)


def _runs(
    tokens: Tokens, size: int, marks: Marks, texts: NDArray[np.int64], room: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Spans of these texts as lines of numbers, at most `room`, and the hash each begins with."""
    import numpy as np

    found, keys = np.empty((room, 5), np.int64), np.empty(room, np.uint64)
    view = tokens.texts.data, tokens.texts.start, tokens.first, tokens.windows(size)
    count = kernels().spans(*view, size, marks, texts, found, keys)
    return found[:count], keys[:count]


def _elsewhere(
    tokens: Tokens, size: int, found: NDArray[np.int64], keys: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Per span, the first text with its first window in another place."""
    import numpy as np

    kernel, table = kernels(), kernels().open_table(np.unique(keys))
    places = np.full((len(table), 4), -1, np.int64)
    view = tokens.texts.data, tokens.texts.start, tokens.first
    kernel.locate(*view, size, table, kernel.sieve(table), places)
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
            text, raw = row, texts[row]
            plain = raw.isascii()
        if not plain:
            low, high = len(decoded(raw[:low])), len(decoded(raw[:high]))
        out.append(Span(row, low, high, first, tokens, other))
    return out
