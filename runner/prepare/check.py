"""The numbers of a prepared and a rendered folder, gathered for `sft check`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from runner.records import SPLITS, SplitFault, Tally, read_record_list, read_records
from runner.records.check_report import AddedRows, DataReport, RowCounts
from runner.records.summaries import (
    NewRows,
    PreparedSummary,
    RenderedSummary,
    read_prepared,
    read_rendered,
)

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
