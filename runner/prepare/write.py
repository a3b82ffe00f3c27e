"""The second pass over the text: every row to the file its fate names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from runner.config import Dedup
from runner.prepare.cut_rows import merged_line, merges
from runner.prepare.fates import (
    GROUP_TEST,
    GROUP_VALIDATION,
    REASONS,
    TO_TEST,
    TO_VALIDATION,
    Fates,
)
from runner.prepare.journal import Journal, shown
from runner.prepare.span_cuts import Cuts, cut_line
from runner.prepare.spill import Spill
from runner.records import SPLITS, Dropped, Row, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUPED = (GROUP_VALIDATION, GROUP_TEST)
MOVES = {TO_VALIDATION: "validation", TO_TEST: "test"}


def members(
    spills: Mapping[str, Spill], fates: Mapping[str, Fates], split: str
) -> tuple[Spill, NDArray[np.bool_]] | None:
    """Where the rows that ended in a split were read, and which of those they are."""
    if split in fates:
        return spills[split], fates[split].stays
    moved = next((reason for reason, name in MOVES.items() if name == split), None)
    return (spills["train"], fates["train"].of(moved)) if moved else None


@dataclass(slots=True)
class Written:
    """What went where."""

    rows: Counter[str] = field(default_factory=Counter)
    merged: Counter[str] = field(default_factory=Counter)
    """Rows moved into a split that became a reference of an earlier row with their input."""


def write_splits(
    spills: Mapping[str, Spill],
    fates: Mapping[str, Fates],
    config: Dedup,
    out: Path,
    journal: Journal,
    cuts: Cuts,
) -> Written:
    """Write the three split files and the dropped rows; take down the tallies of all steps.
    `spills` may hold more than `fates` (suites): rows that others matched. `cuts` is for train."""
    written = Written()
    with ExitStack() as stack:
        files = {
            split: stack.enter_context((out / f"{split}.jsonl").open("wb")) for split in SPLITS
        }
        for split in fates:
            _route(spills[split], fates[split], files, written, cuts if split == "train" else {})
            for dropped in _dropped(spills, split, fates[split], config):
                journal.drop(dropped)
    _tallies(fates, written, journal)
    return written


def _route(
    spill: Spill, fates: Fates, files: Mapping[str, IO[bytes]], written: Written, cuts: Cuts
) -> None:
    """Lines that stay, as they are, to their own file; moved ones to their new split's."""
    moved = {reason: merges(spill, fates, reason) for reason in MOVES}
    for index, (line, code) in enumerate(zip(spill.lines(), fates.code.tolist(), strict=True)):
        reason = REASONS[code]
        if reason is None:
            files[spill.split].write(cut_line(line, cuts[index]) if index in cuts else line)
            written.rows[spill.split] += 1
        elif reason in MOVES:
            split = MOVES[reason]
            merged = moved[reason].get(index, [index])
            if merged[0] != index:
                written.merged[split] += 1
                continue
            files[split].write(line if len(merged) == 1 else merged_line(spill, merged))
            written.rows[split] += 1


def _dropped(
    spills: Mapping[str, Spill], split: str, fates: Fates, config: Dedup
) -> Iterator[Dropped]:
    """The rows of a split that were dropped (moved ones were not), each with what it matched."""
    import numpy as np

    method = "normalised" if config.normalize else "exact"
    for reason in REASONS:
        if reason is None or reason in MOVES or not fates.count(reason):
            continue
        places = np.flatnonzero(fates.of(reason))
        matches = _matched(spills[reason.against or split], fates.match[places])
        for place, row, match in zip(
            places.tolist(), spills[split].rows(places), matches, strict=True
        ):
            score = fates.score.get(place)
            yield Dropped(
                row.id,
                split,
                reason.step,
                reason.name,
                row.origin,
                matched=match.id if match else "",
                matched_origin=match.origin if match else None,
                method=_method(fates, place, method) if match else "",
                score=score,
                span=row.group if reason in GROUPED else shown(row),
            )


def _method(fates: Fates, place: int, equal: str) -> str:
    return fates.method.get(place) or ("minhash" if place in fates.score else equal)


def _matched(spill: Spill, match: NDArray[np.int64]) -> Iterator[Row | None]:
    found = spill.rows(match[match >= 0])
    return (next(found) if at >= 0 else None for at in match.tolist())


def _tallies(fates: Mapping[str, Fates], written: Written, journal: Journal) -> None:
    """The tallies of dedup, split and leakage; those of split count rows moved in."""
    arrived = {split: fates["train"].count(reason) for reason, split in MOVES.items()}
    for split in SPLITS:
        mine = fates[split].tallies(split) if split in fates else []
        if split in arrived and not mine:
            dropped = Counter({"merged_reference": written.merged[split]})
            kept = arrived[split] - written.merged[split]
            mine = [Tally("split", split, arrived[split], kept, +dropped)]
        for tally in mine:
            journal.tally(tally)
        if (mine[-1].kept if mine else 0) != written.rows[split]:
            raise AssertionError(f"{split}: {written.rows[split]} rows written, tally {mine[-1:]}")
