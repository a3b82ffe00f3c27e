"""Which windows of tokens stand more than once: by hashes, in parts that bound the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.kernels.substring.tokens import CountedTokens, text_kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.kernels.texts import Texts

    Hashes = NDArray[np.uint64]
    Marks = NDArray[np.uint8]
    Whole = NDArray[np.int64]

PART = 1 << 24
"""Windows of a part: 270 MB of hashes and their sorted copy. Twice as many are one part still, for
every part reads all texts again."""


def repeated(tokens: CountedTokens, size: int, keep_first: bool, parts: int | None = None) -> Marks:
    """Per window (in the order of the texts), 1 where it stands elsewhere too.

    With `keep_first`, only where it stood before and does not overlap that first place. Hashes
    are compared, not tokens (see `alphabet`). A part works through all texts and holds its share
    of the windows, 16 bytes each; by default as few parts as keep each below `PART`, if they are
    more than two.
    """
    import numpy as np

    numbers = tokens.windows(size)
    total = int(numbers[-1])
    marks = np.zeros(total, np.uint8)
    if not total:
        return marks
    parts = parts or (1 if total <= 2 * PART else -(-total // PART))
    for part in range(parts):
        keys, places = _windows(tokens, size, parts, part, total)
        _mark(keys, places, numbers, size, keep_first, marks, np.empty((0, 2), np.int64))
        del keys, places
    return marks


def repeated_with_heads(texts: Texts, size: int) -> tuple[CountedTokens, Marks, Whole] | None:
    """`counted`, `repeated` (with `keep_first`) and, for every span in order, its first window and
    the first place of that window, in one pass over the texts; None where that asks for too much
    memory."""
    import numpy as np

    room = len(texts.data) // 2
    if room > 4 * PART:  # most texts have a window in four or five bytes
        return None
    counts, keys = np.zeros(len(texts), np.int64), np.empty(room, np.uint64)
    made = text_kernels().count_and_windows(texts.data, texts.start, size, counts, keys)
    if made < 0:
        return None
    tokens, keys = CountedTokens(texts, np.concatenate(([0], np.cumsum(counts)))), keys[:made]
    marks, heads = np.zeros(made, np.uint8), np.empty((made // size + len(texts), 2), np.int64)
    found = _mark(keys, np.empty(0, np.int64), tokens.windows(size), size, True, marks, heads)
    return tokens, marks, heads[:found]


def _mark(
    keys: Hashes,
    places: Whole,
    numbers: Whole,
    size: int,
    keep_first: bool,
    marks: Marks,
    heads: Whole,
) -> int:
    import numpy as np

    kernel = text_kernels()
    table = kernel.open_table(kernel.twice(np.sort(keys)))
    if not len(table):
        return 0
    seen = np.full(len(table), -1, np.int64)
    found: int = kernel.mark(
        keys, places, numbers, size, table, kernel.sieve(table), seen, keep_first, marks, heads
    )
    return found


def all_keys(tokens: CountedTokens, size: int) -> Hashes:
    """The hash of every window."""
    return _windows(tokens, size, 1, 0, int(tokens.windows(size)[-1]))[0]


def _windows(
    tokens: CountedTokens, size: int, parts: int, part: int, total: int
) -> tuple[Hashes, Whole]:
    """Hashes of the windows of a part, and their numbers (left out when all are wanted)."""
    import numpy as np

    kernel, room = text_kernels(), total if parts == 1 else int(1.05 * total / parts) + 4096
    texts = tokens.texts
    while True:
        keys, places = np.empty(room, np.uint64), np.empty(room if parts > 1 else 0, np.int64)
        which = np.uint64(parts), np.uint64(part)
        made = kernel.part_windows(
            texts.data, texts.start, tokens.first, size, *which, keys, places
        )
        if made >= 0:
            return keys[:made], places[:made]
        room = 2 * room  # one text repeated through the whole corpus falls into one part
