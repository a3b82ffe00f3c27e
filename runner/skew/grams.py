"""Texts as vectors of their 1-, 2- and 3-character pieces, and how near they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BUCKETS = 1 << 18
FACTORS = (2654435761, 40503, 2246822519)
"""Odd multipliers; a collision only blurs two rare pieces into one."""
LOOKED_AT = 4000
"""Characters of a text that count: its first and last 2,000."""


def gram_matrix(texts: Sequence[str]) -> Any:
    """Cosines of all pairs of texts (n x n, float32) over TF-IDF of character pieces.

    Casing, blanks and signs count. The weights go by all texts together, never by their side.
    """
    import numpy as np
    from scipy.sparse import csr_array

    indices, values, starts = [], [], [0]
    for text in texts:
        found, counts = np.unique(_pieces(text), return_counts=True)
        indices.append(found)
        values.append(1 + np.log(counts))
        starts.append(starts[-1] + len(found))
    column = np.concatenate(indices)
    seen = np.bincount(column, minlength=BUCKETS)
    weights = np.concatenate(values) * np.log((1 + len(texts)) / (1 + seen[column])) + 1e-12
    rows = csr_array((weights, column, np.array(starts)), shape=(len(texts), BUCKETS))
    norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = csr_array((weights / np.repeat(norms, np.diff(starts)), column, np.array(starts)),
                     shape=(len(texts), BUCKETS))  # fmt: skip
    return (rows @ rows.T).toarray().astype(np.float32)


def _pieces(text: str) -> Any:
    """Bucket of every piece, with the text's ends marked."""
    import numpy as np

    if len(text) > LOOKED_AT:
        text = text[: LOOKED_AT // 2] + text[-LOOKED_AT // 2 :]
    framed = f"\x02{text}\x03".encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(framed, dtype=np.uint32).astype(np.uint64)
    pieces = []
    for size in (1, 2, 3):
        total = np.full(max(len(codes) - size + 1, 0), size, dtype=np.uint64)
        for at in range(size):
            total = total * np.uint64(FACTORS[at]) + codes[at : len(codes) - size + 1 + at]
        pieces.append((total * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(46))
    return np.concatenate(pieces).astype(np.int64)
