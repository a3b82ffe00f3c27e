"""What a stage writes about itself: dropped rows, faults, tallies, summary."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from runner.base.errors import RowFault
from runner.prepare.row_table import dropped_line
from runner.records import Dropped, Origin, Row, SplitFault, Tally, record_file, record_line
from runner.records.summaries import PreparedSummary, RenderedSummary

SPAN = 200
"""Characters of a dropped row's text that are written down."""


class DropLog:
    """``dropped.jsonl``, ``faults.jsonl``, ``tally.json`` and ``summary.json`` of one folder."""

    def __init__(self, out: Path, *, faults: bool) -> None:
        self._out = out
        self._dropped = (out / "dropped.jsonl").open("wb")
        self._faults = (out / "faults.jsonl").open("wb") if faults else None
        self._tallies: list[Tally] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._dropped.close()
        if self._faults:
            self._faults.close()

    def fault(self, split: str, fault: RowFault) -> None:
        """A row that could not be read: its fault in full, and its place among the dropped."""
        assert self._faults
        self._faults.write(record_line(SplitFault.of(split, fault)))
        origin = Origin(fault.file, fault.line)
        name, span = f"{split}-{fault.line}", fault.message[:SPAN]
        self.drop(Dropped(name, split, "read", fault.rule, origin, span=span))

    def drop(self, dropped: Dropped) -> None:
        self._dropped.write(dropped_line(dropped))

    def tally(self, tally: Tally) -> None:
        """Take down a step's count. Raises AssertionError when a row was lost or made up."""
        tally.check()
        self._tallies.append(tally)

    def losses(self, split: str) -> str:
        """What every step has dropped of a split so far, a line a step."""
        return "\n".join(
            f"  {tally.step}: " + ", ".join(f"{n:,} × {why}" for why, n in tally.dropped.items())
            for tally in self._tallies
            if tally.split == split and tally.dropped
        )

    def finish(self, summary: PreparedSummary | RenderedSummary) -> None:
        """Write tallies and summary."""
        (self._out / "tally.json").write_bytes(record_file(self._tallies))
        (self._out / "summary.json").write_bytes(record_file(summary))


def input_excerpt(row: Row) -> str:
    """The row's input as people recognise it, cut short."""
    texts = (row.history[-1].text,) if row.history else row.fields.values()
    return " | ".join(texts)[:SPAN]
