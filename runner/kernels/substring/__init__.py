"""ExactSubstr: spans of tokens that stand more than once, within a text or across texts.

After Lee et al. 2021. A token lies in a repeated span of at least N tokens if, and only if, one of
the N-token windows over it stands twice, so hashes of windows find what a suffix array finds.

Memory, in bytes for a byte of text: 2 for the hashes of windows, 2 for their sorted copy, at most
2 for the table of those that repeat, a quarter for the marks. Beyond 32 million windows (140 MB of
English) hashes are made in parts of 270 MB, so that only the marks grow, and texts beyond 64 MB lie
in a temporary file that the system pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from runner.kernels.substring.tokens import CountedTokens, counted, text_kernels
from runner.kernels.texts import Texts, decoded, gather

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Marks = NDArray[np.uint8]

__all__ = ["CountedTokens", "Span", "counted", "cut", "repeated_spans"]


def repeated_spans(
    texts: Texts | Iterable[str],
    size: int = 50,
    *,
    keep_first: bool = True,
    backend: Literal["window_hash", "suffix_array"] = "window_hash",
) -> list[Span]:
    """Every longest span that windows of `size` repeated tokens cover, in order.

    Args:
        keep_first: no span for the first place at which a window stands.
        backend: `suffix_array` is the slow reference (package pydivsufsort); both find the same.

    Raises:
        MissingPackageError: `suffix_array` without its package.
    """
    from runner.kernels.substring import repeats, suffix_array

    held = texts if isinstance(texts, Texts) else gather(texts)
    hashed = backend == "window_hash"
    if hashed and keep_first:
        known = repeats.repeated_with_heads(held, size)
        if known:
            return known_spans(*known, size)
    tokens, engine = counted(held), repeats if hashed else suffix_array
    return spans_of(tokens, size, engine.repeated(tokens, size, keep_first))


def cut(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text without these spans (first character, end; in order), one blank in their place."""
    parts, at = [], 0
    for low, high in spans:
        parts.append(text[at:low].strip())
        at = high
    parts.append(text[at:].strip())
    return " ".join(part for part in parts if part)


# Repeated windows as spans of text, each with another place it stands at.

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


def spans_of(tokens: CountedTokens, size: int, marks: Marks) -> list[Span]:
    """The longest spans that marked windows cover."""
    numbers = tokens.windows(size)
    texts = text_kernels().marked_texts(numbers, marks)
    if not len(texts):
        return []
    found, keys = _runs(tokens, size, marks, texts, _begins(marks) + len(texts))
    return _as_spans(tokens.texts, found, _elsewhere(tokens, size, found, keys))


def _begins(marks: Marks) -> int:
    """Runs of marked windows: at least as many as the spans within texts."""
    import numpy as np

    parts = (marks[low : low + PART + 1] for low in range(0, len(marks), PART))
    return 1 + sum(int(np.count_nonzero(part[1:] > part[:-1])) for part in parts)


def known_spans(
    tokens: CountedTokens, marks: Marks, heads: NDArray[np.int64], size: int
) -> list[Span]:
    """The same, where the windows that spans begin with are known, and where they stood first."""
    import numpy as np

    numbers = tokens.windows(size)
    of, matched = (np.searchsorted(numbers, heads[:, side], side="right") - 1 for side in (0, 1))
    found, _ = _runs(tokens, size, marks, np.unique(of), len(heads))
    return _as_spans(tokens.texts, found, matched)


def _runs(
    tokens: CountedTokens, size: int, marks: Marks, texts: NDArray[np.int64], room: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Spans of these texts as lines of numbers, at most `room`, and the hash each begins with."""
    import numpy as np

    found, keys = np.empty((room, 5), np.int64), np.empty(room, np.uint64)
    view = tokens.texts.data, tokens.texts.start, tokens.first, tokens.windows(size)
    count = text_kernels().spans(*view, size, marks, texts, found, keys)
    return found[:count], keys[:count]


def _elsewhere(
    tokens: CountedTokens, size: int, found: NDArray[np.int64], keys: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Per span, the first text with its first window in another place."""
    import numpy as np

    kernel, table = text_kernels(), text_kernels().open_table(np.unique(keys))
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
