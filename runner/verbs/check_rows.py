"""What `sft check` found, row by row, in words: faults, conflicts, worked examples in prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.report.format import in_words, is_leak, one_line, share
from runner.report.leaks import Looks, look_lines, nothing_found

if TYPE_CHECKING:
    from runner.records.check_report import AddedRows, CheckReport
    from runner.records.summaries import Conflict, LintCount

SHOWN = 5
"""Conflicts, and places of one lint rule, that are listed."""
SHORT = 100
NEW_CHARACTERS = 300
"""Of a new row: it may differ from its origin late in the text."""


def check_warnings(report: CheckReport) -> Iterator[str]:
    """The lines below the numbers; none for what is all right."""
    data = report.data
    yield from (f"\nwarning: {one_line(line, 500)}" for line in data.warnings)
    yield from _faults(data.faults, data.first_faults)
    yield from _conflicts(data.conflicts, data.conflicting_texts)
    yield from _leaks(data.leakage, data.augmented, data.leak_looks)
    yield from _augmented(data.augmented)
    yield from _lint(data.lint)
    yield from _skew(report.skew, report.skew_refused)
    yield from _listed("gemini faults", report.gemini_faults)
    yield from _listed("gemini warnings", report.gemini_warnings)
    yield from _listed("suite faults", report.suite_faults)
    yield from _listed("suite warnings", report.suite_warnings)


def _faults(
    counts: Mapping[str, Mapping[str, int]], first: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for split, rules in counts.items():
        shown, total = first.get(split, ()), sum(rules.values())
        named = ", ".join(f"{count:,} × {rule}" for rule, count in rules.items())
        yield f"\nfaults of {split}: {total:,} ({named})"
        yield from (f"  {one_line(fault, 500)}" for fault in shown)
        if shown and total > len(shown):
            yield f"  ... and {total - len(shown):,} more"


def _conflicts(conflicts: Sequence[Conflict], total: int) -> Iterator[str]:
    """Texts that stand with different targets, each with two of its rows."""
    if not conflicts:
        return
    yield f"\nconflicts: {plural(total, 'text')} with different targets"
    for conflict in conflicts[:SHOWN]:
        yield f"  {one_line(conflict.text, SHORT)}"
        for row in conflict.rows:
            target = one_line(row.target, SHORT)
            yield f"    {one_line(row.file, 500)}:{row.line} {target}"
    if total > SHOWN:
        yield f"  ... and {total - SHOWN:,} more"


def _leaks(leakage: Mapping[str, int], augmented: AddedRows | None, looks: Looks) -> Iterator[str]:
    """The pairs of splits that share rows, and the new rows that were left out for it; what came
    of it stands in dropped.jsonl. Then what was looked at, and what was not."""
    found = {name.replace("_", " "): count for name, count in leakage.items() if count}
    for reason, count in (augmented.refused if augmented else {}).items():
        if is_leak(reason):
            found[f"new rows left out, {in_words(reason)}"] = count
    yield "\nleaks" if found else f"\nleaks: {nothing_found(looks)}"
    yield from (f"  {name}: {count:,}" for name, count in found.items())
    yield from (f"  {line}" for line in look_lines(looks))


def _augmented(told: AddedRows | None) -> Iterator[str]:
    """New training rows by rule, and some of them; nothing when none were asked for."""
    if not told:
        return
    total = sum(told.rows.values())
    yield f"\nnew rows: {total:,}, {share(told.share)} of train"
    yield from (f"  {in_words(rule)}: {count:,}" for rule, count in told.rows.items())
    for new in told.samples:
        yield f"  {one_line(new.id, SHORT)}"
        pairs = [(new.before, new.after)]
        if new.target_before is not None and new.target_after is not None:
            pairs.append((new.target_before, new.target_after))
        for before, after in pairs:
            yield f"    {one_line(before, NEW_CHARACTERS)}"
            yield f"    → {one_line(after, NEW_CHARACTERS)}"


def _lint(lint: Sequence[LintCount]) -> Iterator[str]:
    for broken in lint:
        yield f"\nlint {broken.rule}: {broken.message}"
        for example in broken.examples[:SHOWN]:
            yield f"  {one_line(example.id, 100)}: {one_line(example.note, 200)}"


def _skew(warnings: Sequence[str] | None, refused: Sequence[str]) -> Iterator[str]:
    """Where production differs from the tuning prompts; nothing when it was not asked."""
    if warnings is None:
        return
    yield "\nskew" if warnings else "\nskew: none"
    yield from (f"  {one_line(line, 500)}" for line in warnings)
    yield from (f"  refused: {one_line(line, 500)}" for line in refused)


def _listed(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"\n{heading}"
        yield from (f"  {one_line(line, 500)}" for line in lines)
