"""The second pass over the text: every row to the file its fate names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from runner.config import Dedup
from runner.kernels.minhash import Cluster, DuplicateClusters
from runner.prepare.dedup import NearRepeats
from runner.prepare.drop_log import DropLog, input_excerpt
from runner.prepare.repeated_spans import Cuts, cut_line
from runner.prepare.row_status import (
    GROUP_TEST,
    GROUP_VALIDATION,
    REASONS,
    TO_TEST,
    TO_VALIDATION,
    RowStatus,
)
from runner.prepare.row_table import RowTable
from runner.prepare.split import merged_line, merges
from runner.records import SPLITS, Dropped, Row, Tally, record_line
from runner.records.clusters import CLUSTERS, ClusterRow, NearCluster
from runner.records.summaries import ClusterCounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUPED = (GROUP_VALIDATION, GROUP_TEST)
MOVES = {TO_VALIDATION: "validation", TO_TEST: "test"}


def members(
    tables: Mapping[str, RowTable], status: Mapping[str, RowStatus], split: str
) -> tuple[RowTable, NDArray[np.bool_]] | None:
    """Where the rows that ended in a split were read, and which of those they are."""
    if split in status:
        return tables[split], status[split].stays
    moved = next((reason for reason, name in MOVES.items() if name == split), None)
    return (tables["train"], status["train"].of(moved)) if moved else None


@dataclass(slots=True)
class Written:
    """What went where."""

    rows: Counter[str] = field(default_factory=Counter)
    merged: Counter[str] = field(default_factory=Counter)
    """Rows moved into a split that became a reference of an earlier row with their input."""


def write_splits(
    tables: Mapping[str, RowTable],
    status: Mapping[str, RowStatus],
    config: Dedup,
    out: Path,
    drop_log: DropLog,
    cuts: Cuts,
) -> Written:
    """Write the three split files and the dropped rows; take down the tallies of all steps.
    `tables` may hold more than `status` (suites): rows that others matched. `cuts` is for train."""
    written = Written()
    with ExitStack() as stack:
        files = {
            split: stack.enter_context((out / f"{split}.jsonl").open("wb")) for split in SPLITS
        }
        for split in status:
            _route(tables[split], status[split], files, written, cuts if split == "train" else {})
            for dropped in _dropped(tables, split, status[split], config):
                drop_log.drop(dropped)
    _tallies(status, written, drop_log)
    return written


def _route(
    table: RowTable, status: RowStatus, files: Mapping[str, IO[bytes]], written: Written, cuts: Cuts
) -> None:
    """Lines that stay, as they are, to their own file; moved ones to their new split's."""
    moved = {reason: merges(table, status, reason) for reason in MOVES}
    for index, (line, code) in enumerate(zip(table.lines(), status.code.tolist(), strict=True)):
        reason = REASONS[code]
        if reason is None:
            files[table.split].write(cut_line(line, cuts[index]) if index in cuts else line)
            written.rows[table.split] += 1
        elif reason in MOVES:
            split = MOVES[reason]
            merged = moved[reason].get(index, [index])
            if merged[0] != index:
                written.merged[split] += 1
                continue
            files[split].write(line if len(merged) == 1 else merged_line(table, merged))
            written.rows[split] += 1


def _dropped(
    tables: Mapping[str, RowTable], split: str, status: RowStatus, config: Dedup
) -> Iterator[Dropped]:
    """The rows of a split that were dropped (moved ones were not), each with what it matched."""
    import numpy as np

    method = "normalised" if config.normalize else "exact"
    for reason in REASONS:
        if reason is None or reason in MOVES or not status.count(reason):
            continue
        places = np.flatnonzero(status.of(reason))
        matches = _matched(tables[reason.against or split], status.match[places])
        for place, row, match in zip(
            places.tolist(), tables[split].rows(places), matches, strict=True
        ):
            score = status.score.get(place)
            yield Dropped(
                row.id,
                split,
                reason.step,
                reason.name,
                row.origin,
                matched=match.id if match else "",
                matched_origin=match.origin if match else None,
                method=_method(status, place, method) if match else "",
                score=score,
                span=row.group if reason in GROUPED else input_excerpt(row),
            )


def _method(status: RowStatus, place: int, equal: str) -> str:
    return status.method.get(place) or ("minhash" if place in status.score else equal)


def _matched(table: RowTable, match: NDArray[np.int64]) -> Iterator[Row | None]:
    found = table.rows(match[match >= 0])
    return (next(found) if at >= 0 else None for at in match.tolist())


def _tallies(status: Mapping[str, RowStatus], written: Written, drop_log: DropLog) -> None:
    """The tallies of dedup, split and leakage; those of split count rows moved in."""
    arrived = {split: status["train"].count(reason) for reason, split in MOVES.items()}
    for split in SPLITS:
        mine = status[split].tallies(split) if split in status else []
        if split in arrived and not mine:
            dropped = Counter({"merged_reference": written.merged[split]})
            kept = arrived[split] - written.merged[split]
            mine = [Tally("split", split, arrived[split], kept, +dropped)]
        for tally in mine:
            drop_log.tally(tally)
        if (mine[-1].kept if mine else 0) != written.rows[split]:
            raise AssertionError(f"{split}: {written.rows[split]} rows written, tally {mine[-1:]}")


# ``clusters.jsonl``: what nearly repeats what, for people to judge before they trust it.

TARGET = 200
"""Characters of a target."""


def write_clusters(out: Path, rows: RowTable, status: RowStatus, near: NearRepeats) -> None:
    """One line a cluster, the largest first: `kept` (id, origin, text, target) and `members`, each
    with its `similarity` to the kept row. Rows that are left say in which split, as `stays`."""
    largest = sorted(near.clusters, key=lambda one: -len(one.members))
    with (out / CLUSTERS).open("wb") as stream:
        for cluster in largest:
            stream.write(record_line(_told(cluster, rows, status, near.places)))


def cluster_counts(found: DuplicateClusters) -> ClusterCounts:
    """How many clusters, rows in them, the largest, and clusters by size."""
    sizes = Counter(len(one.members) + 1 for one in found)
    return ClusterCounts(
        clusters=len(found),
        rows=sum(size * count for size, count in sizes.items()),
        largest=max(sizes, default=0),
        sizes={str(size): sizes[size] for size in sorted(sizes)},
    )


def _told(
    cluster: Cluster, rows: RowTable, status: RowStatus, places: NDArray[np.int64]
) -> NearCluster:
    wanted = places[[cluster.kept, *(near.row for near in cluster.members)]]
    kept, *others = zip(rows.rows(wanted), wanted.tolist(), strict=True)
    members = [
        _row(row, _stays(status, place), round(near.score, 4))
        for near, (row, place) in zip(cluster.members, others, strict=True)
    ]
    return NearCluster(_row(kept[0], _stays(status, kept[1])), tuple(members), rows.split)


def _stays(status: RowStatus, place: int) -> str:
    """The split a row is left in; empty for one that was dropped."""
    reason = REASONS[status.code[place]]
    return "train" if reason is None else MOVES.get(reason, "")


def _row(row: Row, stays: str, similarity: float | None = None) -> ClusterRow:
    target = row.target[:TARGET]
    return ClusterRow(row.id, row.origin, input_excerpt(row), target, stays or None, similarity)
