"""Evaluation rows that mean nearly what a train row, or a row of another evaluation split, means:
shown for a person to judge, never dropped, never counted by the gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, combinations, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.encoders.lexical import encode as encode_here
from runner.kernels.substring.alphabet import TOKEN
from runner.prepare.dedup import RepeatedRows
from runner.prepare.drop_log import SPAN, input_excerpt
from runner.prepare.leakage import SUITES, Leak
from runner.prepare.row_status import REASONS, RowStatus
from runner.prepare.row_table import RowTable, input_text
from runner.records import Row, record_line
from runner.records.leaks import LeakPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.encoders.lexical import Encode, Vectors
    from runner.prepare.row_status import Mask

BATCH = 65_536
"""Train rows that are encoded at a time: 134 MB with the default encoder."""
BLOCK = 256
"""Evaluation rows that a batch is multiplied with at a time."""


@dataclass(frozen=True, slots=True)
class ClosestRows:
    """The rows of one evaluation split, and for each the most similar row of another split; the
    most similar pairs first; arrays are parallel."""

    side: str
    """Train, or an evaluation split."""
    mine: RowTable
    """Its rows."""
    split: str
    rows: RowTable
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
class ComparedSide:
    """The rows of one split that are compared."""

    split: str
    rows: RowTable
    places: NDArray[np.int64]


def close_rows(
    train: RowTable,
    status: RowStatus,
    evaluation: Mapping[str, tuple[RowTable, Mask]],
    leaks: Mapping[tuple[str, str], Leak],
    config: Prepare,
    encode: Encode = encode_here,
) -> list[ClosestRows]:
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
    mine = ComparedSide("train", train, np.flatnonzero(status.stays & ~train.copy))
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


def _open(
    split: str, rows: RowTable, members: Mask, leaks: Mapping[tuple[str, str], Leak]
) -> ComparedSide:
    import numpy as np

    leak = leaks.get(("train", split))
    open_ = members & ~(leak.eval_rows | leak.eval_like) if leak else members
    return ComparedSide(split, rows, np.flatnonzero(open_))


def _between(
    sides: Sequence[ComparedSide],
    vectors: Vectors,
    leaks: Mapping[tuple[str, str], Leak],
    threshold: float,
) -> Iterator[ClosestRows]:
    """The pairs of evaluation splits; `vectors` are those of all their rows."""
    import numpy as np

    ends = list(accumulate((len(side.places) for side in sides), initial=0))
    parts = [vectors[low:high] for low, high in pairwise(ends)]
    for (mine, one), (theirs, other) in combinations(zip(sides, parts, strict=True), 2):
        leak, side = leaks.get((mine.split, theirs.split)), theirs
        if leak:
            open_ = ~(leak.eval_rows | leak.eval_like)[theirs.places]
            side, other = (
                ComparedSide(theirs.split, theirs.rows, theirs.places[open_]),
                other[open_],
            )
        best = np.full(len(other), -1, np.int64)
        score = np.full(len(other), -1, np.float32)
        if len(one):
            _improve(other, one, mine.places, best, score)
        yield _close(mine, side, best, score, threshold)


def _close(
    mine: ComparedSide,
    side: ComparedSide,
    best: NDArray[np.int64],
    score: NDArray[np.float32],
    threshold: float,
) -> ClosestRows:
    import numpy as np

    near = np.flatnonzero(score >= threshold)
    near = near[np.argsort(-score[near], kind="stable")]
    looked = np.zeros(len(side.rows), np.bool_)
    looked[side.places] = True
    at = side.places[near]
    return ClosestRows(
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


def semantic_note(found: Sequence[ClosestRows]) -> list[str]:
    """A line for people, when there is anything to look at."""
    with_train = [one for one in found if one.side == "train" and len(one.at)]
    told = ", ".join(f"{len(one.at):,} of {one.split}" for one in with_train)
    if not told:
        return []
    return [
        f"evaluation rows that nearly mean what a train row means: {told}; nothing was dropped, "
        "look at them on the page of leaks"
    ]


# ``leaks.jsonl`` and ``conflicts.jsonl``: every pair that was found, whatever is done about it.

COMPARED = 1000
"""Pairs of a split for which the longest shared run is looked up, and tokens of a text in it."""
LISTED = 1000
"""Pairs of a split that are close in meaning only."""
EQUAL = ("exact", "normalised")
"""Methods of pairs with the same input, to the letter or after `dedup.normalize`."""


def write_leaks(
    out: Path,
    tables: Mapping[str, RowTable],
    status: Mapping[str, RowStatus],
    leaks: Mapping[str, Leak],
    between: Sequence[tuple[str, Leak]],
    repeats: RepeatedRows,
    close: Sequence[ClosestRows] = (),
) -> None:
    """Write the pairs of train with every evaluation split and suite, those of evaluation splits
    with each other and with suites (`between`), those with one input but two answers, and the
    `LISTED` nearest of those that are only `close` in meaning."""
    with (out / "leaks.jsonl").open("wb") as pairs, (out / "conflicts.jsonl").open("wb") as torn:
        for line in _conflicts(tables["train"], repeats, status["train"]):
            torn.write(record_line(line))
        for side, leak in [*(("train", leak) for leak in leaks.values()), *between]:
            for line in _pairs(leak, side, tables, status[side]):
                pairs.write(record_line(line))
                if not line.agrees and line.method in EQUAL:
                    torn.write(record_line(line))
        for line in (line for one in close for line in _close_pairs(one)):
            pairs.write(record_line(line))


def _pairs(
    leak: Leak, side: str, tables: Mapping[str, RowTable], status: RowStatus
) -> Iterator[LeakPair]:
    import numpy as np

    rows, others, match = tables[side], tables[leak.split], leak.both
    places = np.flatnonzero((match >= 0) & ~rows.copy)
    pairs = zip(rows.rows(places), others.rows(match[places]), strict=True)
    for number, (place, (row, other)) in enumerate(zip(places.tolist(), pairs, strict=True)):
        equal = leak.match[place] >= 0
        method = EQUAL[shown_whole(row) != shown_whole(other)]
        yield _pair(
            row,
            other,
            side,
            leak.split,
            method=method if equal else leak.like.method[place],
            score=1.0 if equal else round(leak.like.score[place], 4),
            span="" if equal or number >= COMPARED else shared_run(row, other),
            fate=_fate(status, place),
        )


def _close_pairs(found: ClosestRows) -> Iterator[LeakPair]:
    rows, others = found.mine.rows(found.like[:LISTED]), found.rows.rows(found.at[:LISTED])
    for row, other, score in zip(rows, others, found.score[:LISTED].tolist(), strict=True):
        score = round(score, 4)
        yield _pair(row, other, found.side, found.split, method="semantic", score=score, span="")


def _conflicts(train: RowTable, repeats: RepeatedRows, status: RowStatus) -> Iterator[LeakPair]:
    import numpy as np

    places: NDArray[np.int64] = np.flatnonzero(repeats.conflict)
    pairs = zip(train.rows(places), train.rows(repeats.first[places]), strict=True)
    for place, (row, other) in zip(places.tolist(), pairs, strict=True):
        fate = _fate(status, place)
        yield _pair(row, other, "train", "train", method="normalised", fate=fate)


def _pair(
    row: Row,
    other: Row,
    side: str,
    split: str,
    *,
    method: str,
    score: float | None = None,
    span: str | None = None,
    fate: str = "",
) -> LeakPair:
    known = other.target if split != SUITES else row.target
    return LeakPair(
        split=side,
        id=row.id,
        origin=row.origin,
        text=input_excerpt(row),
        target=row.target[:SPAN],
        against=other.group if split == SUITES else split,
        matched=other.id,
        matched_origin=other.origin,
        matched_text=input_excerpt(other),
        matched_target=other.target[:SPAN] if split != SUITES else "",
        agrees=row.target == known or row.target in other.references,
        method=method,
        score=score,
        span=span,
        fate=fate,
    )


def _fate(status: RowStatus, place: int) -> str:
    """Why the row left its split; empty when it stays."""
    reason = REASONS[int(status.code[place])]
    return reason.name if reason else ""


def shown_whole(row: Row) -> tuple[str, ...]:
    """What a person compares: inputs, or turns."""
    return tuple(turn.text for turn in row.history) or tuple(row.fields.values())


def shared_run(row: Row, other: Row) -> str:
    """The longest run of tokens (case aside) that both inputs share, as the first has it."""
    here, there = (" ".join(shown_whole(one)) for one in (row, other))
    places = [found.span() for found in TOKEN.finditer(here)][:COMPARED]
    mine = [here[low:high].casefold() for low, high in places]
    theirs = [token.casefold() for token in TOKEN.findall(there)[:COMPARED]]
    run = SequenceMatcher(None, mine, theirs, autojunk=False).find_longest_match()
    if not run.size:
        return ""
    return here[places[run.a][0] : places[run.a + run.size - 1][1]][:SPAN]
