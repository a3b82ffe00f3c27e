"""Evaluation rows that mean nearly what a train row means: shown for a person to judge, never
dropped, never counted by the gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.prepare.fates import Fates
from runner.prepare.keys import input_text
from runner.prepare.leakage import Leak
from runner.prepare.select.encoders import encode as encode_here
from runner.prepare.spill import Spill

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.fates import Mask
    from runner.prepare.select.encoders import Encode, Vectors

BATCH = 65_536
"""Train rows that are encoded at a time: 134 MB with the default encoder."""
BLOCK = 256
"""Evaluation rows that a batch is multiplied with at a time."""


@dataclass(frozen=True, slots=True)
class Close:
    """The rows of one evaluation split with a train row at or above the threshold, the most
    similar pairs first; arrays are parallel."""

    split: str
    rows: Spill
    at: NDArray[np.int64]
    train: NDArray[np.int64]
    """The most similar train row of each."""
    score: NDArray[np.float32]
    """Cosine similarity of their vectors."""


def close_rows(
    train: Spill,
    fates: Fates,
    evaluation: Mapping[str, tuple[Spill, Mask]],
    leaks: Mapping[str, Leak],
    config: Prepare,
    encode: Encode = encode_here,
) -> list[Close]:
    """Per evaluation split, rows that are near a train row which stays.

    `evaluation` says which rows of which file a split has: its own, or some of train's. Rows
    that `leaks` knows to stand in train are left out: those are certain.

    Raises:
        ConfigError: the encoder is an unknown plug-in.
        DataError: it answers in another shape.
    """
    import numpy as np

    asked = config.leakage.semantic
    if asked is None:
        return []
    places = {split: _open(split, *side, leaks) for split, side in evaluation.items()}
    texts = [
        input_text(row, [])
        for split, (rows, _) in evaluation.items()
        for row in rows.rows(places[split])
    ]
    staying = np.flatnonzero(fates.stays & ~train.copy)
    if not texts or not len(staying):
        return []
    best, score = np.full(len(texts), -1, np.int64), np.full(len(texts), -1, np.float32)
    low = 0
    stream = (input_text(row, []) for row in train.rows(staying))
    while batch := list(islice(stream, BATCH)):
        # Together, so that both sides weigh their words alike.
        vectors = encode([*texts, *batch], asked.encoder, "prepare.leakage.semantic.encoder")
        _improve(vectors[: len(texts)], vectors[len(texts) :], staying[low:], best, score)
        low += len(batch)
    return list(_by_split(evaluation, places, best, score, asked.threshold))


def _open(split: str, rows: Spill, members: Mask, leaks: Mapping[str, Leak]) -> NDArray[np.int64]:
    import numpy as np

    leak = leaks.get(split)
    certain = leak.eval_rows | leak.eval_like if leak else np.zeros(len(rows), np.bool_)
    return np.flatnonzero(members & ~certain)


def _improve(
    evaluation: Vectors,
    train: Vectors,
    numbers: NDArray[np.int64],
    best: NDArray[np.int64],
    score: NDArray[np.float32],
) -> None:
    import numpy as np

    for low in range(0, len(evaluation), BLOCK):
        product = evaluation[low : low + BLOCK] @ train.T
        at = product.argmax(axis=1)
        found = product[np.arange(len(at)), at]
        better = found > score[low : low + BLOCK]
        best[low : low + BLOCK][better] = numbers[at[better]]
        score[low : low + BLOCK][better] = found[better]


def _by_split(
    evaluation: Mapping[str, tuple[Spill, Mask]],
    places: Mapping[str, NDArray[np.int64]],
    best: NDArray[np.int64],
    score: NDArray[np.float32],
    threshold: float,
) -> Iterator[Close]:
    import numpy as np

    low = 0
    for split, (rows, _) in evaluation.items():
        mine = slice(low, low + len(places[split]))
        low = mine.stop
        near = np.flatnonzero(score[mine] >= threshold)
        near = near[np.argsort(-score[mine][near], kind="stable")]
        if len(near):
            yield Close(split, rows, places[split][near], best[mine][near], score[mine][near])


def semantic_note(found: Sequence[Close]) -> list[str]:
    """A line for people, when there is anything to look at."""
    told = ", ".join(f"{len(one.at):,} of {one.split}" for one in found)
    if not told:
        return []
    return [
        f"evaluation rows that nearly mean what a train row means: {told}; nothing was dropped, "
        "look at them on the page of leaks"
    ]
