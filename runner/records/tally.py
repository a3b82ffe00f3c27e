"""What became of every row: dropped ones with their reason, counts that add up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from runner.base.errors import GateError, RowFault
from runner.records.rows import Origin


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that left the flow: why, and for duplicates and leaks what it matched."""

    id: str
    split: str
    step: str
    """``read``, ``clean``, ``dedup``, ``split``, ``leakage``, ``select``, ``template``."""
    reason: str
    """Stable name, counted in the tally: ``bad_json``, ``exact_duplicate``, ``leak_test`` ..."""
    origin: Origin
    matched: str = ""
    """Id of the row it repeats."""
    matched_origin: Origin | None = None
    method: str = ""
    """``exact``, ``normalised``, ``minhash`` ..."""
    score: float | None = None
    span: str = ""
    """The shared text (cut at 200 characters), or the faulty value."""

    def to_json(self) -> dict[str, object]:
        """Without what is empty. Spelled out, as is `from_json`: as many pass through here as
        rows are dropped."""
        out: dict[str, object] = {
            "id": self.id,
            "split": self.split,
            "step": self.step,
            "reason": self.reason,
            "origin": {"file": self.origin.file, "line": self.origin.line},
        }
        if self.matched:
            out["matched"] = self.matched
        if at := self.matched_origin:
            out["matched_origin"] = {"file": at.file, "line": at.line}
        if self.method:
            out["method"] = self.method
        if self.score is not None:
            out["score"] = self.score
        if self.span:
            out["span"] = self.span
        return out

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        here, there = raw["origin"], raw.get("matched_origin")
        return cls(
            raw["id"],
            raw["split"],
            raw["step"],
            raw["reason"],
            Origin(here["file"], here["line"]),
            raw.get("matched", ""),
            Origin(there["file"], there["line"]) if there else None,
            raw.get("method", ""),
            raw.get("score"),
            raw.get("span", ""),
        )


@dataclass(frozen=True, slots=True)
class SplitFault:
    """A faulty row of a split: a line of ``faults.jsonl``."""

    split: str = ""
    file: str = ""
    line: int = 0
    rule: str = ""
    message: str = ""
    field: str = ""

    @classmethod
    def of(cls, split: str, fault: RowFault) -> Self:
        return cls(split, fault.file, fault.line, fault.rule, fault.message, fault.field)

    @property
    def fault(self) -> RowFault:
        return RowFault(self.file, self.line, self.rule, self.message, self.field)


@dataclass(slots=True)
class Tally:
    """Row counts of one step, obeying: rows in = rows kept + rows dropped by reason."""

    step: str
    split: str
    rows_in: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    """Rows kept but altered, by rule (``unicode``, ``whitespace`` ...)."""

    def check(self) -> None:
        """Raise AssertionError when a row was lost or made up (the conservation law)."""
        if self.rows_in != self.kept + self.dropped.total():
            raise AssertionError(
                f"{self.step}/{self.split}: {self.rows_in} rows in, {self.kept} kept, "
                f"{self.dropped.total()} dropped {dict(self.dropped)}"
            )

    def to_json(self) -> dict[str, object]:
        return {
            "step": self.step,
            "split": self.split,
            "in": self.rows_in,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "changed": dict(sorted(self.changed.items())),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            raw["step"],
            raw["split"],
            raw["in"],
            raw["kept"],
            Counter(raw.get("dropped", {})),
            Counter(raw.get("changed", {})),
        )


@dataclass(slots=True)
class MixedSource:
    """What a split takes of one of several sources; tokens are estimates."""

    name: str
    weight: float
    rows_in: int = 0
    tokens_in: float = 0.0
    rows: int = 0
    tokens: float = 0.0

    def count(self, tokens: float, copies: int) -> None:
        """One more row was read, and is taken `copies` times."""
        self.rows_in += 1
        self.tokens_in += tokens
        self.rows += copies
        self.tokens += copies * tokens


@dataclass(slots=True)
class FaultLog:
    """What reading one split came to: rows seen and kept, faults by rule.

    A source calls `good`, `bad` and `skip` as it reads; whoever asked for the rows calls
    `check` when all are read, and takes `tally` as the conservation record of the step.
    """

    SHOWN = 20

    split: str
    max_bad_share: float = 1.0
    sink: Callable[[RowFault], None] | None = None
    """Told of every fault as it is found; the log itself keeps only the first of each rule."""
    kept: int = 0
    faulty: Counter[str] = field(default_factory=Counter)
    """Rows by the rule they break."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Good rows not passed on, by reason: ``weight``, ``merged_reference``."""
    first: dict[str, list[RowFault]] = field(default_factory=dict)

    mix: list[MixedSource] = field(default_factory=list)
    """What is taken of each of several sources; empty for one source."""

    def good(self) -> None:
        """One more row was passed on."""
        self.kept += 1

    def skip(self, reason: str) -> None:
        """One more row was good, but is not passed on as a row of its own."""
        self.skipped[reason] += 1

    def bad(self, fault: RowFault, rows: int = 1) -> None:
        """A fault that made `rows` rows unusable."""
        self.faulty[fault.rule] += rows
        shown = self.first.setdefault(fault.rule, [])
        if len(shown) < self.SHOWN:
            shown.append(fault)
        if self.sink:
            self.sink(fault)

    def tally(self) -> Tally:
        """Rows read = rows kept + faulty rows by rule + rows skipped by reason."""
        dropped = self.faulty + self.skipped
        return Tally("read", self.split, self.kept + dropped.total(), self.kept, dropped)

    def check(self) -> None:
        """Raise GateError when more than `max_bad_share` of the rows read are faulty."""
        bad, seen = self.faulty.total(), self.tally().rows_in
        if not bad or bad <= self.max_bad_share * seen:
            return
        worst, enough = self.faulty.most_common(), math.ceil(100 * bad / seen) / 100
        shown = [fault for rule, _ in worst for fault in self.first[rule]][: self.SHOWN]
        lines = [
            f"source.{self.split}: {bad:,} of {seen:,} rows ({bad / seen:.1%}) are faulty, and "
            f"source.max_bad_share allows {self.max_bad_share:.1%}: "
            + ", ".join(f"{count:,} {rule}" for rule, count in worst),
            *(f"  {fault}" for fault in shown),
            f"  mend the rows, or go on without them: source.max_bad_share={enough:.2f}",
        ]
        raise GateError("\n".join(lines))
