"""Evaluation rows that mean nearly what a train row, or a row of another evaluation split, means:
shown for a person to judge, never dropped, never counted by the gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations, islice, pairwise
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
    """The rows of one evaluation split, and for each the most similar row of another split; the
    most similar pairs first; arrays are parallel."""

    side: str
    """Train, or an evaluation split."""
    mine: Spill
    """Its rows."""
    split: str
    rows: Spill
    at: NDArray[np.int64]
    """Rows of the evaluation split whose most similar one is at or above the threshold."""
    like: NDArray[np.int64]
    """The most similar row of each, in `side`."""
    score: NDArray[np.float32]
    """Cosine similarity of their vectors."""
    compared: int
    """Rows of `side` that were compared."""
    looked: Mask
    """Rows of the evaluation split that were compared."""


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one split that are compared."""

    split: str
    rows: Spill
    places: NDArray[np.int64]


def close_rows(
    train: Spill,
    fates: Fates,
    evaluation: Mapping[str, tuple[Spill, Mask]],
    leaks: Mapping[tuple[str, str], Leak],
    config: Prepare,
    encode: Encode = encode_here,
) -> list[Close]:
    """Per evaluation split, rows that are near a train row which stays; and per pair of evaluation
    splits, rows of the second that are near one of the first.

    `evaluation` says which rows of which file a split has. Rows that `leaks`, by the names of both
    splits, knows to stand in the other one are left out: those are certain.

    Raises:
        ConfigError: the encoder is an unknown plug-in.
        DataError: it answers in another shape.
    """
    import numpy as np

    asked = config.leakage.semantic
    if asked is None:
        return []
    sides = [_open(split, *rows, leaks) for split, rows in evaluation.items()]
    texts = [input_text(row, []) for side in sides for row in side.rows.rows(side.places)]
    mine = Side("train", train, np.flatnonzero(fates.stays & ~train.copy))
    if not texts or not len(mine.places):
        return []
    best, score = np.full(len(texts), -1, np.int64), np.full(len(texts), -1, np.float32)
    found, low = [], 0
    stream = (input_text(row, []) for row in train.rows(mine.places))
    while batch := list(islice(stream, BATCH)):
        # Together, so that both sides weigh their words alike.
        vectors = encode([*texts, *batch], asked.encoder, "prepare.leakage.semantic.encoder")
        theirs = vectors[: len(texts)]
        _improve(theirs, vectors[len(texts) :], mine.places[low:], best, score)
        if not low:
            found = list(_between(sides, theirs, leaks, asked.threshold))
        low += len(batch)
    ends = accumulate(len(side.places) for side in sides)
    parts = [slice(end - len(side.places), end) for side, end in zip(sides, ends, strict=True)]
    with_train = [
        _close(mine, side, best[part], score[part], asked.threshold)
        for side, part in zip(sides, parts, strict=True)
    ]
    return [*with_train, *found]


def _open(split: str, rows: Spill, members: Mask, leaks: Mapping[tuple[str, str], Leak]) -> Side:
    import numpy as np

    leak = leaks.get(("train", split))
    open_ = members & ~(leak.eval_rows | leak.eval_like) if leak else members
    return Side(split, rows, np.flatnonzero(open_))


def _between(
    sides: Sequence[Side],
    vectors: Vectors,
    leaks: Mapping[tuple[str, str], Leak],
    threshold: float,
) -> Iterator[Close]:
    """The pairs of evaluation splits; `vectors` are those of all their rows."""
    import numpy as np

    ends = list(accumulate((len(side.places) for side in sides), initial=0))
    parts = [vectors[low:high] for low, high in pairwise(ends)]
    for (mine, one), (theirs, other) in combinations(zip(sides, parts, strict=True), 2):
        leak, side = leaks.get((mine.split, theirs.split)), theirs
        if leak:
            open_ = ~(leak.eval_rows | leak.eval_like)[theirs.places]
            side, other = Side(theirs.split, theirs.rows, theirs.places[open_]), other[open_]
        best = np.full(len(other), -1, np.int64)
        score = np.full(len(other), -1, np.float32)
        if len(one):
            _improve(other, one, mine.places, best, score)
        yield _close(mine, side, best, score, threshold)


def _close(
    mine: Side,
    side: Side,
    best: NDArray[np.int64],
    score: NDArray[np.float32],
    threshold: float,
) -> Close:
    import numpy as np

    near = np.flatnonzero(score >= threshold)
    near = near[np.argsort(-score[near], kind="stable")]
    looked = np.zeros(len(side.rows), np.bool_)
    looked[side.places] = True
    at = side.places[near]
    return Close(
        mine.split, mine.rows, side.split, side.rows, at, best[near], score[near],
        len(mine.places), looked,
    )  # fmt: skip


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


def semantic_note(found: Sequence[Close]) -> list[str]:
    """A line for people, when there is anything to look at."""
    with_train = [one for one in found if one.side == "train" and len(one.at)]
    told = ", ".join(f"{len(one.at):,} of {one.split}" for one in with_train)
    if not told:
        return []
    return [
        f"evaluation rows that nearly mean what a train row means: {told}; nothing was dropped, "
        "look at them on the page of leaks"
    ]
