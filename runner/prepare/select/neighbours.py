"""The most similar other rows of every row, by cosine similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.select.encoders import Vectors

EXACT = 50_000
"""Rows up to which every pair is looked at."""
BLOCK = 1024
PROBES = 16


def nearest(vectors: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """Per row, the `count` most similar other rows and their similarities, best first; -1 and 0
    where there are fewer. Exact up to `EXACT` rows, then by an inverted file (faiss)."""
    import numpy as np

    rows = len(vectors)
    kept = min(count, max(0, rows - 1))
    found = np.full((rows, count), -1, np.int64)
    score = np.zeros((rows, count), np.float32)
    if rows > EXACT:
        found[:, :kept], score[:, :kept] = _indexed(vectors, kept)
        return found, score
    for start in range(0, rows, BLOCK):
        block = vectors[start : start + BLOCK] @ vectors.T
        here = np.arange(len(block))
        block[here, start + here] = -np.inf
        best = np.argpartition(-block, kept - 1, axis=1)[:, :kept] if kept else found[:0, :0]
        if not kept:
            continue
        values = np.take_along_axis(block, best, axis=1)
        # Ties by row number, so that the answer does not depend on the partition.
        order = np.lexsort((best, -values), axis=1)
        found[start : start + BLOCK, :kept] = np.take_along_axis(best, order, axis=1)
        score[start : start + BLOCK, :kept] = np.take_along_axis(values, order, axis=1)
    return found, score


def _indexed(vectors: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    import numpy as np

    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "faiss-cpu", "data", f"comparing more than {EXACT:,} rows by similarity"
        ) from error
    lists = int(np.sqrt(len(vectors)))
    index: Any = faiss.index_factory(
        vectors.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors[:: max(1, len(vectors) // (lists * 64))])
    index.add(vectors)
    index.nprobe = PROBES
    score, found = index.search(vectors, count + 1)
    # A row is its own best match, except among rows that are alike to the last bit.
    own = found == np.arange(len(vectors))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(vectors), count)
    return found[~own].reshape(shape), score[~own].reshape(shape)
