"""The numbers of a prepared folder: counts, labels, lengths, repeats, conflicts, leaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runner.prepare.dedup import NearRepeats, RepeatedRows, find_repeats
from runner.prepare.drop_log import input_excerpt
from runner.prepare.leakage import SUITES, Leak, shares
from runner.prepare.row_status import NEAR, RowStatus
from runner.prepare.row_table import RowTable
from runner.prepare.write import Written, cluster_counts, members
from runner.records import SPLITS, MixedSource, SplitFault, Tally, read_record_list, read_records
from runner.records.check_report import AddedRows, DataReport, RowCounts
from runner.records.leaks import LeakCheck
from runner.records.summaries import (
    Conflict,
    ConflictingRow,
    EvaluationCounts,
    NewRows,
    PreparedSummary,
    RenderedSummary,
    Spread,
    TrainCounts,
    read_prepared,
    read_rendered,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 20
"""Conflicts listed with both rows."""


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """All that was found out about the rows of one source."""

    tables: Mapping[str, RowTable]
    status: Mapping[str, RowStatus]
    repeats: RepeatedRows
    leaks: Mapping[str, Leak]
    written: Written
    notes: list[str]
    near: NearRepeats | None = None
    suites: tuple[str, ...] = ()
    """Names of external suites."""
    mix: Mapping[str, list[MixedSource]] = field(default_factory=dict)
    """Per split, what was taken of each of its sources; empty for one source."""
    between: Sequence[tuple[str, Leak]] = ()
    """An evaluation split, and what it shares with the other one or with suites."""
    looks: Sequence[LeakCheck] = ()
    """What the search for leaks looked at (`runner.prepare.leak_checks`)."""
    warnings: Sequence[str] = ()
    """What people should see before they go on."""


def summarize(found: PreparedRows) -> PreparedSummary:
    """The summary. Counts of repeats, conflicts and leaks describe the rows as read
    (after cleaning), whatever was then done about them."""
    train, repeats = found.tables["train"], found.repeats
    return PreparedSummary(
        rows={split: found.written.rows[split] for split in SPLITS},
        train=TrainCounts(
            rows=len(train),
            exact_duplicates=int(repeats.again.sum()),
            conflicting_rows=int(repeats.conflict.sum()),
            near_duplicates=found.status["train"].count(NEAR),
        ),
        mix={split: tuple(told) for split, told in found.mix.items() if told},
        near_clusters=cluster_counts(found.near.clusters) if found.near else None,
        evaluation={
            split: _own_repeats(found.tables[split]) for split in found.status if split != "train"
        },
        conflicting_texts=repeats.conflicting_texts,
        conflicts=_conflicts(train, repeats),
        leakage=_leakage(found),
        leak_looks=tuple(found.looks),
        labels={split: _labels(found, split) for split in SPLITS},
        lengths={split: _lengths(found, split) for split in SPLITS},
        columns=tuple(
            dict.fromkeys(c for split in found.status for c in found.tables[split].columns)
        ),
        notes=tuple(found.notes),
        warnings=tuple(found.warnings),
    )


def _own_repeats(rows: RowTable) -> EvaluationCounts:
    """Evaluation rows that repeat each other: protected, so only reported."""
    repeats = find_repeats(rows)
    return EvaluationCounts(len(rows), int(repeats.again.sum()), repeats.conflicting_texts)


def _conflicts(train: RowTable, repeats: RepeatedRows) -> tuple[Conflict, ...]:
    import numpy as np

    later = np.flatnonzero(repeats.conflict)[:SHOWN]
    pairs = zip(train.rows(repeats.first[later]), train.rows(later), strict=True)
    return tuple(
        Conflict(
            input_excerpt(first),
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
        copies = found.tables["train"].copy
        out[f"{split}_rows_in_train"] = int(leak.eval_rows.sum()) if leak else 0
        out[f"{split}_rows_nearly_in_train"] = int(leak.eval_like.sum()) if leak else 0
        out[f"{split}_rows_in_train_with_another_target"] = leak.contradicted if leak else 0
        out[f"train_rows_in_{split}"] = int(((leak.match >= 0) & ~copies).sum()) if leak else 0
    both = [found.tables[split] for split in ("validation", "test") if split in found.tables]
    shared = np.isin(both[0].key, both[1].key).sum() if len(both) == 2 else 0
    out["validation_rows_in_test"] = int(shared)
    if suites := found.leaks.get(SUITES):
        rows = found.tables[SUITES]
        for share in shares(rows, suites, found.suites):
            out[f"{share.name.replace(' ', '_')}_rows_in_train"] = share.found
    for side, leak in found.between:
        if leak.split == SUITES:
            for share in shares(found.tables[SUITES], leak, found.suites):
                out[f"{share.name.replace(' ', '_')}_rows_in_{side}"] = share.found
    return out


def _members(found: PreparedRows, split: str) -> list[tuple[RowTable, NDArray[np.bool_]]]:
    side = members(found.tables, found.status, split)
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


# The numbers of a prepared and a rendered folder, gathered for `sft check`.

FIRST_FAULTS = 10
"""Faults of a split that are named; all of them stand in ``faults.jsonl``."""
STEPS = ("clean", "dedup", "split", "leakage", "select", "augment", "fit", "template")
"""Steps that drop rows; what cannot be read is a fault."""


def gather(prepared: Path, rendered: Path) -> DataReport:
    """Row counts from file to prompt, what was found, what was dropped where, tokens, lint."""
    data, prompts = read_prepared(prepared), read_rendered(rendered)
    tallies = [
        tally
        for folder in (prepared, rendered)
        for tally in read_record_list(folder / "tally.json", Tally)
    ]
    return DataReport(
        rows={split: _counts(split, tallies, data, prompts) for split in SPLITS},
        train=data.train,
        evaluation=data.evaluation,
        conflicting_texts=data.conflicting_texts,
        conflicts=data.conflicts,
        leakage=data.leakage,
        leak_looks=data.leak_looks,
        warnings=data.warnings,
        faults=_dropped(tallies, ["read"]),
        first_faults=_first_faults(prepared / "faults.jsonl"),
        dropped_by_reason=_dropped(tallies, STEPS),
        changed=_changed(tallies),
        augmented=_augmented(prompts.augmented, tallies),
        labels={split: len(labels or ()) for split, labels in data.labels.items()},
        tokens=prompts.tokens,
        too_long=prompts.too_long,
        lint=prompts.lint,
        notes=(*data.notes, *prompts.notes),
        rendered=prompts.rendered,
    )


def _counts(
    split: str, tallies: Iterable[Tally], data: PreparedSummary, prompts: RenderedSummary
) -> RowCounts:
    read = sum(t.rows_in for t in tallies if t.step == "read" and t.split == split)
    return RowCounts(read, data.rows.get(split, 0), prompts.rows.get(split, 0))


def _dropped(tallies: Iterable[Tally], steps: Collection[str]) -> dict[str, Counter[str]]:
    """Split to reason to rows, for the given steps."""
    out: dict[str, Counter[str]] = {}
    for tally in tallies:
        if tally.step in steps and tally.dropped:
            out.setdefault(tally.split, Counter()).update(tally.dropped)
    return out


def _first_faults(file: Path) -> dict[str, tuple[str, ...]]:
    """Split to its first faults, each as ``file:line [field] rule: message``."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in read_records(file, SplitFault):
        of_split = found[line.split]
        if len(of_split) < FIRST_FAULTS:
            of_split.append(str(line.fault))
    return {split: tuple(faults) for split, faults in found.items()}


def _changed(tallies: Iterable[Tally]) -> dict[str, Counter[str]]:
    """Split to rule to rows that were repaired; of ``augment`` the rules stand for new rows."""
    return {t.split: t.changed for t in tallies if t.changed and t.step != "augment"}


def _augmented(new: NewRows | None, tallies: Iterable[Tally]) -> AddedRows | None:
    """New rows as the summary tells of them, and those that stay out by reason."""
    if new is None:
        return None
    refused = _dropped(tallies, ["augment"]).get("train", Counter())
    return AddedRows(new.rows, new.share, new.samples, refused)
