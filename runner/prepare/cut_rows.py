"""Rows that were cut from train for an evaluation split, as that split has them: rows with one
input are one row, whose other answers are references."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from runner.prepare.dedup import first_of
from runner.prepare.encode import row_line
from runner.prepare.fates import Fates, Reason
from runner.prepare.spill import Spill

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def cut_rows(train: Spill, fates: Fates, reason: Reason, split: str, path: Path) -> Spill:
    """The rows of `train` that `reason` moved to `split`, as if they had been read from a file of
    their own: their lines are written to `path`."""
    import numpy as np

    merged = merges(train, fates, reason)
    moved = np.flatnonzero(fates.of(reason))
    places = np.array([at for at in moved.tolist() if merged.get(at, [at])[0] == at], np.int64)
    mask = np.zeros(len(train), np.bool_)
    mask[places] = True
    return Spill(
        split=split,
        path=path,
        start=_write(train, places, merged, path),
        inputs=train.inputs.where(mask, path.parent),
        key=train.key[places],
        asked=train.asked[places],
        target=train.target[places],
        group=train.group[places],
        stratum=train.stratum[places],
        copy=np.zeros(len(places), np.bool_),
        lengths=train.lengths[places],
        labels=train.labels,
        columns=train.columns,
        has_stratum=train.has_stratum,
    )


def _write(
    train: Spill, places: NDArray[np.int64], merged: dict[int, list[int]], path: Path
) -> NDArray[np.int64]:
    """Write the lines; where each begins, and the end of the last one."""
    import numpy as np

    sizes = [0]
    with path.open("wb") as out:
        for place, line in zip(places.tolist(), train.some_lines(places), strict=True):
            together = merged.get(place)
            sizes.append(out.write(merged_line(train, together) if together else line))
    return np.array(list(accumulate(sizes)), np.int64)


def merges(spill: Spill, fates: Fates, reason: Reason) -> dict[int, list[int]]:
    """Moved rows that share an input, each with all of them."""
    import numpy as np

    places = np.flatnonzero(fates.of(reason))
    first = first_of(spill.key[places])
    together: dict[int, list[int]] = {}
    for at in np.flatnonzero(first != np.arange(len(first))).tolist():
        head = int(places[first[at]])
        together.setdefault(head, [head]).append(int(places[at]))
    return {row: rows for rows in together.values() for row in rows}


def merged_line(spill: Spill, members: list[int]) -> bytes:
    """One evaluation row for several rows with one input: the other answers are references."""
    head, *others = spill.rows(members)
    answers = dict.fromkeys((*head.references, *(row.target for row in others)))
    answers.pop(head.target, None)
    return row_line(replace(head, references=tuple(answers)))
