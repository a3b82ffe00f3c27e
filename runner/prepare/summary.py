"""The numbers of a prepared folder: counts, labels, lengths, repeats, conflicts, leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.prepare.cluster_file import cluster_counts
from runner.prepare.dedup import NearRepeats, Repeats, find_repeats
from runner.prepare.fates import NEAR, Fates
from runner.prepare.journal import shown
from runner.prepare.leakage import SUITES, Leak, shares
from runner.prepare.spill import Spill
from runner.prepare.write import Written, members
from runner.records import SPLITS, Mixed
from runner.records.leaks import LeakLook
from runner.records.summaries import (
    Conflict,
    ConflictingRow,
    EvaluationCounts,
    PreparedSummary,
    Spread,
    TrainCounts,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 20
"""Conflicts listed with both rows."""


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """All that was found out about the rows of one source."""

    spills: Mapping[str, Spill]
    fates: Mapping[str, Fates]
    repeats: Repeats
    leaks: Mapping[str, Leak]
    written: Written
    notes: list[str]
    near: NearRepeats | None = None
    suites: tuple[str, ...] = ()
    """Names of external suites."""
    mix: Mapping[str, list[Mixed]] = field(default_factory=dict)
    """Per split, what was taken of each of its sources; empty for one source."""
    between: Sequence[tuple[str, Leak]] = ()
    """An evaluation split, and what it shares with the other one or with suites."""
    looks: Sequence[LeakLook] = ()
    """What the search for leaks looked at (`runner.prepare.leak_looks`)."""
    warnings: Sequence[str] = ()
    """What people should see before they go on."""


def summarize(found: PreparedRows) -> PreparedSummary:
    """The summary. Counts of repeats, conflicts and leaks describe the rows as read
    (after cleaning), whatever was then done about them."""
    train, repeats = found.spills["train"], found.repeats
    return PreparedSummary(
        rows={split: found.written.rows[split] for split in SPLITS},
        train=TrainCounts(
            rows=len(train),
            exact_duplicates=int(repeats.again.sum()),
            conflicting_rows=int(repeats.conflict.sum()),
            near_duplicates=found.fates["train"].count(NEAR),
        ),
        mix={split: tuple(told) for split, told in found.mix.items() if told},
        near_clusters=cluster_counts(found.near.clusters) if found.near else None,
        evaluation={
            split: _own_repeats(found.spills[split]) for split in found.fates if split != "train"
        },
        conflicting_texts=repeats.conflicting_texts,
        conflicts=_conflicts(train, repeats),
        leakage=_leakage(found),
        leak_looks=tuple(found.looks),
        labels={split: _labels(found, split) for split in SPLITS},
        lengths={split: _lengths(found, split) for split in SPLITS},
        columns=tuple(
            dict.fromkeys(c for split in found.fates for c in found.spills[split].columns)
        ),
        notes=tuple(found.notes),
        warnings=tuple(found.warnings),
    )


def _own_repeats(rows: Spill) -> EvaluationCounts:
    """Evaluation rows that repeat each other: protected, so only reported."""
    repeats = find_repeats(rows)
    return EvaluationCounts(len(rows), int(repeats.again.sum()), repeats.conflicting_texts)


def _conflicts(train: Spill, repeats: Repeats) -> tuple[Conflict, ...]:
    import numpy as np

    later = np.flatnonzero(repeats.conflict)[:SHOWN]
    pairs = zip(train.rows(repeats.first[later]), train.rows(later), strict=True)
    return tuple(
        Conflict(
            shown(first),
            tuple(
                ConflictingRow(row.id, row.origin.file, row.origin.line, row.target)
                for row in (first, other)
            ),
        )
        for first, other in pairs
    )


def _leakage(found: PreparedRows) -> dict[str, int]:
    import numpy as np

    out = {}
    for split in ("validation", "test"):
        leak = found.leaks.get(split)
        copies = found.spills["train"].copy
        out[f"{split}_rows_in_train"] = int(leak.eval_rows.sum()) if leak else 0
        out[f"{split}_rows_nearly_in_train"] = int(leak.eval_like.sum()) if leak else 0
        out[f"{split}_rows_in_train_with_another_target"] = leak.contradicted if leak else 0
        out[f"train_rows_in_{split}"] = int(((leak.match >= 0) & ~copies).sum()) if leak else 0
    both = [found.spills[split] for split in ("validation", "test") if split in found.spills]
    shared = np.isin(both[0].key, both[1].key).sum() if len(both) == 2 else 0
    out["validation_rows_in_test"] = int(shared)
    if suites := found.leaks.get(SUITES):
        rows = found.spills[SUITES]
        for share in shares(rows, suites, found.suites):
            out[f"{share.name.replace(' ', '_')}_rows_in_train"] = share.found
    for side, leak in found.between:
        if leak.split == SUITES:
            for share in shares(found.spills[SUITES], leak, found.suites):
                out[f"{share.name.replace(' ', '_')}_rows_in_{side}"] = share.found
    return out


def _members(found: PreparedRows, split: str) -> list[tuple[Spill, NDArray[np.bool_]]]:
    side = members(found.spills, found.fates, split)
    return [side] if side else []


def _labels(found: PreparedRows, split: str) -> dict[str, int] | None:
    """Rows by target, most frequent first; None when targets are no labels."""
    import numpy as np

    counts: dict[str, int] = {}
    for rows, mask in _members(found, split):
        if rows.labels is None:
            return None
        targets, times = np.unique(rows.target[mask], return_counts=True)
        for target, count in zip(targets.tolist(), times.tolist(), strict=True):
            counts[rows.labels[target]] = count
    if 2 * len(counts) > sum(counts.values()):
        return None
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _lengths(found: PreparedRows, split: str) -> dict[str, Spread]:
    """Characters of input and target."""
    out = {}
    for rows, mask in _members(found, split):
        for name, values in zip(("input", "target"), rows.lengths[mask].T, strict=True):
            if lengths := Spread.of(values):
                out[name] = lengths
    return out
