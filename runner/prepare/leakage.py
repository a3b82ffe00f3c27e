"""Train rows that stand in validation, in test or in a named suite: found, counted, refused
beyond a share, dropped. Evaluation rows are protected: it is always the training row that goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.base.errors import GateError
from runner.config import Prepare
from runner.prepare.dedup import original
from runner.prepare.drop_log import input_excerpt
from runner.prepare.row_status import (
    GROUP_TEST,
    GROUP_VALIDATION,
    LEAK_SUITE,
    LEAK_TEST,
    LEAK_VALIDATION,
    RowStatus,
)
from runner.prepare.row_table import RowTable, RowTableWriter, hash64
from runner.prepare.similarity import MINHASH, Similarity, similar_rows
from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.row_status import Mask
    from runner.prepare.row_table import Hashes

SUITES = "suites"
"""The split that the rows of all `leakage.suites` are read as; the group is the suite's name."""
SHOWN = 10


@dataclass(slots=True)
class Leak:
    """Train against one evaluation split, as both were read (before caps)."""

    split: str
    match: NDArray[np.int64]
    """Per train row, the first evaluation row with the same input; -1 for none."""
    like: Similarity
    """Per train row, the evaluation row it is like."""
    group: NDArray[np.int64]
    """Per train row, the first evaluation row of its group; -1 for none."""
    eval_rows: Mask
    """Evaluation rows whose input also stands in train."""
    eval_like: Mask
    """Further evaluation rows that only resemble a train row."""
    contradicted: int = 0
    """Rows of `eval_rows` whose target differs from every train row's with the input."""
    compared: int = 0
    """Train rows whose inputs were compared."""
    any: Mask = field(init=False)
    """Train rows that must neither stay in train nor move to another evaluation split."""

    def __post_init__(self) -> None:
        self.any = (self.match >= 0) | (self.like.row >= 0) | (self.group >= 0)

    @property
    def both(self) -> NDArray[np.int64]:
        """Per train row, the evaluation row it equals, else the one it is like; -1 for none."""
        import numpy as np

        return np.where(self.match >= 0, self.match, self.like.row)


def find_leak(
    train: RowTable,
    status: RowStatus,
    evaluation: RowTable,
    config: Prepare,
    among: Mask | None = None,
) -> Leak:
    """Compare every train row, or those `among` it, with every row of an evaluation split. Rows
    that were cut from train stand in it still, so there `among` has to leave them out."""
    import numpy as np

    among = np.ones(len(train), np.bool_) if among is None else among
    like = similar_rows(train, status, evaluation, config)
    keys = [train.key, train.asked] if evaluation.split == SUITES else [train.key]
    eval_rows = np.isin(evaluation.key, np.concatenate([key[among] for key in keys]))
    eval_like = np.zeros(len(evaluation), np.bool_)
    eval_like[list(like.hit_but(None))] = True
    agrees = np.isin(evaluation.pair, train.pair[among])
    group = _match([train.group], evaluation.group)
    if evaluation.split == SUITES:  # whose groups are their names
        group[:] = -1
    return Leak(
        evaluation.split,
        np.where(among, _match(keys, evaluation.key), -1),
        like,
        np.where(among & (train.group != 0), group, -1),
        eval_rows,
        eval_like & ~eval_rows,
        int((eval_rows & ~agrees).sum()),
        int((among & ~train.copy).sum()),
    )


def drop_leaks(leaks: Mapping[str, Leak], config: Prepare, status: RowStatus) -> None:
    """Let the leaking train rows go; a row that stands in both splits counts for test."""
    import numpy as np

    for split, leaked, grouped in (
        ("test", LEAK_TEST, GROUP_TEST),
        ("validation", LEAK_VALIDATION, GROUP_VALIDATION),
        (SUITES, LEAK_SUITE, None),
    ):
        leak = leaks.get(split)
        if leak is None:
            continue
        if config.leakage.exact:
            status.drop(leak.match >= 0, leaked, leak.match)
        before = status.stays
        status.drop(leak.like.row >= 0, leaked, leak.like.row)
        fresh = before & ~status.stays
        for row in (row for row in leak.like.score if fresh[row]):
            status.score[row] = leak.like.score[row]
            status.method[row] = leak.like.method[row]
        if grouped:
            status.drop(leak.group >= 0, grouped, leak.group)
            status.method.update(
                dict.fromkeys(np.flatnonzero(status.of(grouped)).tolist(), "group")
            )


@dataclass(frozen=True, slots=True)
class LeakShare:
    """How much of an evaluation split, or of one suite, leaks."""

    name: str
    rows: Mask
    """Which rows of the split are meant."""
    total: int
    found: int


def shares(
    rows: RowTable, leak: Leak, suites: Sequence[str], without: str | None = None
) -> Iterator[LeakShare]:
    """The shares that the gate goes by: one a split, one a suite; `without` what only that method
    found."""
    import numpy as np

    leaking = leak.eval_rows.copy()
    leaking[list(leak.like.hit_but(without))] = True
    if leak.split != SUITES:
        yield LeakShare(leak.split, np.ones(len(rows), np.bool_), len(rows), int(leaking.sum()))
        return
    whole = original(rows.copy)  # readings of one row of a suite are one
    for name in suites:
        mine = rows.group == np.uint64(hash64(name) or 1)
        total = int((mine & ~rows.copy).sum())
        yield LeakShare(f"suite {name}", mine, total, len(np.unique(whole[leaking & mine])))


def check_gate(
    train: RowTable,
    rows: Mapping[str, RowTable],
    leaks: Mapping[str, Leak],
    config: Prepare,
    cut: bool = False,
) -> None:
    """Raise GateError when more than `leakage.max_share` of the rows of an evaluation split, or
    of a suite, leak; all of those at once. `cut` says that these were cut from train here: there
    near-duplicates do not count that are looked for because `dedup.fuzzy` is to drop them. The
    file repeats itself, and what repeats goes, as was asked for."""
    limit, lines, worst = config.leakage.max_share, [], 0.0
    without = MINHASH if cut and config.leakage.fuzzy is True else None
    for split, leak in leaks.items():
        for share in shares(rows[split], leak, tuple(config.leakage.suites), without):
            if share.found <= limit * share.total:
                continue
            part = share.found / share.total
            worst = max(worst, part)
            lines += [
                f"{share.found:,} of {share.total:,} {share.name} rows ({part:.1%}) also stand in "
                f"train, and prepare.leakage.max_share allows {limit:.1%}:",
                *_examples(train, rows[split], leak, share.rows),
            ]
    if lines:
        lines += [
            f"  {_advice(config, cut)}; or, knowing that such train rows are dropped anyway,",
            f"  go on with prepare.leakage.max_share={min(1.0, worst + 0.005):.2f}",
        ]
        raise GateError("\n".join(lines))


def _advice(config: Prepare, cut: bool) -> str:
    if not cut:
        return "take them out of the training file"
    if config.split.cluster is None:
        return "keep near-duplicates on one side of the cut with prepare/split=cluster"
    return "name what such rows have in common as source.group, which no cut parts"


def _examples(train: RowTable, evaluation: RowTable, leak: Leak, among: Mask) -> Iterator[str]:
    import numpy as np

    match = leak.both
    places = np.flatnonzero((match >= 0) & among[match])[:SHOWN]
    for place, row, other in zip(
        places.tolist(), train.rows(places), evaluation.rows(match[places]), strict=True
    ):
        here, there = (f"{r.origin.file}:{r.origin.line}" for r in (row, other))
        like = leak.match[place] < 0
        how = f"is like ({leak.like.method[place]} {leak.like.score[place]:.2f})" if like else "is"
        yield f"  {here} {how} {there}: {input_excerpt(row)[:100]}"


def _match(mine: Sequence[Hashes], theirs: Hashes) -> NDArray[np.int64]:
    """Per train row, the first evaluation row with one of its keys; -1 for none."""
    import numpy as np

    found = np.full(len(mine[0]), -1, np.int64)
    keys, first = np.unique(theirs, return_index=True)
    for own in mine if len(keys) else ():
        at = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
        found = np.where((found < 0) & (keys[at] == own), first[at], found)
    return found


# What train must not hold, kept whole in the prepared folder for rows that are made later.

FOLDER = "held_out"
PROTECTED = ("test", "validation", SUITES)
"""A row that stands in several counts for the first."""


def hold_out(against: Mapping[str, RowTable], out: Path) -> None:
    """Move the rows of these splits, as they were read and cleaned, to their place in `out`. The
    tables are of no use afterwards."""
    folder = out / FOLDER
    folder.mkdir()
    for split, rows in against.items():
        rows.path.rename(folder / f"{split}.jsonl")


def held_out(prepared: Path, normalize: Sequence[str], scratch: Path) -> Iterator[RowTable]:
    """Each evaluation split and the suites of a prepared folder that have rows, to be used before
    the next one is asked for. A split that was cut from train stands in its own file only."""
    for split in PROTECTED:
        places = (prepared / FOLDER / f"{split}.jsonl", prepared / f"{split}.jsonl")
        place = next((path for path in places if path.is_file()), None)
        if place:
            with place.open("rb") as lines:
                rows = (Row.from_json(orjson.loads(line)) for line in lines)
                with spilled(rows, split, normalize, scratch) as table:
                    if len(table):
                        yield table


@contextmanager
def spilled(
    rows: Iterable[Row], split: str, normalize: Sequence[str], scratch: Path
) -> Iterator[RowTable]:
    """The rows as they are compared; within it, their text is in a file in `scratch`."""
    path = scratch / f".{split}.again.table"
    try:
        with RowTableWriter(path, split, normalize, None) as writer:
            for row in rows:
                writer.add(row)
            found = writer.done()
        yield found
    finally:
        path.unlink(missing_ok=True)
