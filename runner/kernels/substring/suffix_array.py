"""The reference: repeated windows from a suffix array and its longest common prefixes.

What Lee et al. 2021 (Deduplicating Training Data Makes Language Models Better, section 4.1) do
on bytes, here on tokens, so that both backends answer the same question. Slow and large: about
30 bytes of memory a byte of text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.kernels.errors import MissingPackageError
from runner.kernels.substring.repeats import all_keys
from runner.kernels.substring.tokens import CountedTokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]


def repeated(tokens: CountedTokens, size: int, keep_first: bool) -> NDArray[np.uint8]:
    """As `repeats.repeated`. Raises MissingPackageError without pydivsufsort."""
    import numpy as np

    try:
        from pydivsufsort import divsufsort, kasai  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingPackageError("pydivsufsort") from error

    numbers = tokens.windows(size)
    marks = np.zeros(int(numbers[-1]), np.uint8)
    if not len(marks):
        return marks
    # A 0, smaller than every token, stands after each text, so that a common prefix that reaches it
    # could only be one of texts' ends, which is cut off by `window` below.
    ids = _ids(tokens)
    order = divsufsort(ids).astype(np.int64)
    shared = kasai(ids, order.astype(np.int32))[: len(order) - 1]
    window = _window_at(tokens, size, len(ids))[order]
    # Suffixes with the same first `size` tokens follow each other; those that a text's end cuts
    # short hold a separator within them, and so do all of their run.
    # In the order of suffixes those that share their first `size` tokens are neighbours, and the
    # common prefix with the next one falls below `size` exactly where such a run ends. The running
    # count of those places numbers the runs.
    run = np.concatenate(([0], np.cumsum(shared < size)))[window >= 0]
    window = window[window >= 0]
    sizes = np.bincount(run)
    first = np.full(len(sizes), len(marks), np.int64)
    np.minimum.at(first, run, window)
    again, earlier = sizes[run] > 1, first[run]
    if keep_first:
        text = np.searchsorted(numbers, window, side="right") - 1
        again &= (earlier < numbers[text]) | (window - earlier >= size)
    marks[window[again]] = 1
    return marks


def _ids(tokens: CountedTokens) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Dense numbers of all tokens, a 0 after every text."""
    import numpy as np

    _, ids = np.unique(all_keys(tokens, 1), return_inverse=True)
    small = int(ids.max(initial=0)) + 1 < 1 << 16
    whole = np.insert(ids + 1, tokens.first[1:], 0)
    return whole.astype(np.uint16) if small else whole.astype(np.uint32)


def _window_at(tokens: CountedTokens, size: int, places: int) -> Whole:
    """The number of the window that begins at each place of `_ids`; -1 for none."""
    import numpy as np

    out = np.full(places, -1, np.int64)
    numbers = tokens.windows(size)
    counts = np.diff(numbers)
    low = tokens.first[:-1] + np.arange(len(counts)) - numbers[:-1]
    out[np.repeat(low, counts) + np.arange(numbers[-1])] = np.arange(numbers[-1])
    return out
