"""Validation and test: cut from train where the source gives none, capped where it gives many."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError, DataError, Problem
from runner.base.text import plural
from runner.config import Prepare, Split
from runner.prepare.dedup import first_of
from runner.prepare.row_status import CAP, TO_TEST, TO_VALIDATION, DropReason, RowStatus
from runner.prepare.row_table import RowTable, row_line
from runner.prepare.split_groups import draw, split_groups, swallowed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.row_status import Mask
    from runner.prepare.row_table import Hashes

EVALUATION = ("test", "validation")
"""Test first, so that asking for more validation rows never changes the test set."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """How many inputs a split takes from train."""

    split: str
    size: int


def cap_given(
    given: Mapping[str, RowTable], config: Split, status: Mapping[str, RowStatus], seed: int
) -> list[str]:
    """Drop evaluation rows beyond the caps, in proportion; return notes for people."""
    import numpy as np

    notes = []
    for split in EVALUATION:
        cap = config.max_validation if split == "validation" else config.max_test
        rows = given.get(split)
        if rows is None or cap is None or len(rows) <= cap:
            continue
        stratum, note = _strata(rows, np.ones(len(rows), np.bool_), config)
        notes.extend(note)
        ones = np.ones(len(rows), np.int64)
        kept = draw(rows.key, np.zeros_like(rows.group), stratum, ones, cap, seed)
        status[split].drop(~kept, CAP)
    return notes


def cut_missing(
    train: RowTable,
    pool: Mask,
    given: Mapping[str, RowTable],
    asked: Prepare,
    status: RowStatus,
    seed: int,
) -> tuple[list[str], list[str]]:
    """Move rows of `pool` to the evaluation splits that the source lacks; return notes and
    warnings.

    A split's size counts different inputs: rows with one input move together and become one
    evaluation row. Rows of one group move together as well, and those of one cluster of
    near-duplicates where `split.cluster` is set.
    """
    config, notes = asked.split, []
    cuts = _sizes(train, pool, given, config)
    together = split_groups(train, pool, asked) if cuts else train.group
    for number, cut in enumerate(cuts):
        free = pool & status.stays
        stratum, note = _strata(train, free, config)
        notes.extend(note)
        taken = _draw_inputs(train, free, together, stratum, cut, seed + number)
        status.drop(taken, TO_TEST if cut.split == "test" else TO_VALIDATION)
    if not cuts:
        return [], []
    assert_whole(together, pool, status)
    return sorted(set(notes)), swallowed(together, pool, config)


def assert_whole(together: Hashes, pool: Mask, status: RowStatus) -> None:
    """Raise AssertionError when rows that stay together ended in different splits."""
    import numpy as np

    marked = pool & (together != 0)
    pairs = np.unique(np.stack((together[marked], status.code[marked].astype(np.uint64))), axis=1)
    if len(np.unique(pairs[0])) != pairs.shape[1]:
        raise AssertionError("a cluster or a group straddles two splits")


def _draw_inputs(
    train: RowTable, free: Mask, together: Hashes, stratum: Hashes, cut: _Cut, seed: int
) -> Mask:
    import numpy as np

    places = np.flatnonzero(free)
    key, group = train.key[places], together[places]
    weight = (first_of(key) == np.arange(len(key))).astype(np.int64)
    drawn = draw(key, group, stratum[places], weight, cut.size, seed)
    if cut.size and not drawn.any():
        raise DataError(
            f"prepare.split.{cut.split} asks for {plural(cut.size, 'row')}, and every group of "
            "train that has to stay together is larger.\n"
            f"  raise prepare.split.{cut.split}, or give a file: source.{cut.split}=..."
        )
    taken = np.zeros(len(train), np.bool_)
    taken[places[drawn]] = True
    return taken


def _sizes(train: RowTable, pool: Mask, given: Mapping[str, RowTable], config: Split) -> list[_Cut]:
    """How many inputs each missing split takes. Raises ConfigError when train has too few."""
    import numpy as np

    inputs = len(np.unique(train.key[pool]))
    cuts = []
    for split in EVALUATION:
        if split in given:
            continue
        asked = config.validation if split == "validation" else config.test
        cap = config.max_validation if split == "validation" else config.max_test
        size = int(asked) if asked >= 1 else max(round(asked * inputs), int(asked > 0))
        cuts.append(_Cut(split, min(size, cap or size)))
    wanted = sum(cut.size for cut in cuts)
    if wanted and wanted >= inputs:
        each = " and ".join(f"{cut.size} {cut.split}" for cut in cuts if cut.size)
        message = f"{each} rows are to be cut from train, which has {inputs:,} different inputs"
        raise ConfigError([Problem("prepare.split", message, hint="ask for fewer, or give files")])
    return [cut for cut in cuts if cut.size]


def _strata(rows: RowTable, free: Mask, config: Split) -> tuple[NDArray[np.uint64], list[str]]:
    """The hashes to stratify by; all equal, with a note, when nearly every row has its own."""
    import numpy as np

    none = np.zeros(len(rows), np.uint64)
    if config.stratify is None:
        return none, []
    values = len(np.unique(rows.stratum[free]))
    if 2 * values > int(free.sum()):
        note = (
            f"prepare.split.stratify={config.stratify} is ignored: "
            f"{plural(values, 'value')} for {plural(int(free.sum()), 'row')}"
        )
        return none, [note]
    return rows.stratum, []


def check_stratify(rows: Mapping[str, RowTable], config: Split) -> None:
    """Raise ConfigError when no row has the column to stratify by."""
    name = config.stratify
    if name is None or any(table.has_stratum or not len(table) for table in rows.values()):
        return
    there = ["target", *dict.fromkeys(name for table in rows.values() for name in table.columns)]
    close = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {close[0]}?" if close else "columns of source.slices work as well"
    message = f"no row has {name!r}; there are: {', '.join(there)}"
    raise ConfigError([Problem("prepare.split.stratify", message, hint=hint)])


# Rows that were cut from train for an evaluation split, as that split has them: rows with one
# input are one row, whose other answers are references.


def cut_rows(
    train: RowTable, status: RowStatus, reason: DropReason, split: str, path: Path
) -> RowTable:
    """The rows of `train` that `reason` moved to `split`, as if they had been read from a file of
    their own: their lines are written to `path`."""
    import numpy as np

    merged = merges(train, status, reason)
    moved = np.flatnonzero(status.of(reason))
    places = np.array([at for at in moved.tolist() if merged.get(at, [at])[0] == at], np.int64)
    mask = np.zeros(len(train), np.bool_)
    mask[places] = True
    return RowTable(
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
    train: RowTable, places: NDArray[np.int64], merged: dict[int, list[int]], path: Path
) -> NDArray[np.int64]:
    """Write the lines; where each begins, and the end of the last one."""
    import numpy as np

    sizes = [0]
    with path.open("wb") as out:
        for place, line in zip(places.tolist(), train.some_lines(places), strict=True):
            together = merged.get(place)
            sizes.append(out.write(merged_line(train, together) if together else line))
    return np.array(list(accumulate(sizes)), np.int64)


def merges(table: RowTable, status: RowStatus, reason: DropReason) -> dict[int, list[int]]:
    """Moved rows that share an input, each with all of them."""
    import numpy as np

    places = np.flatnonzero(status.of(reason))
    first = first_of(table.key[places])
    together: dict[int, list[int]] = {}
    for at in np.flatnonzero(first != np.arange(len(first))).tolist():
        head = int(places[first[at]])
        together.setdefault(head, [head]).append(int(places[at]))
    return {row: rows for rows in together.values() for row in rows}


def merged_line(table: RowTable, members: list[int]) -> bytes:
    """One evaluation row for several rows with one input: the other answers are references."""
    head, *others = table.rows(members)
    answers = dict.fromkeys((*head.references, *(row.target for row in others)))
    answers.pop(head.target, None)
    return row_line(replace(head, references=tuple(answers)))
