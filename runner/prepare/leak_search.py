"""Which splits are held against which: every pair of them, whether a split was given or was cut
from train here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import GateError
from runner.config import Prepare
from runner.prepare.dedup import RepeatedRows
from runner.prepare.leak_report import ClosestRows, close_rows, write_leaks
from runner.prepare.leakage import SUITES, Leak, check_gate, drop_leaks, find_leak
from runner.prepare.row_status import RowStatus
from runner.prepare.row_table import RowTable

if TYPE_CHECKING:
    from runner.encoders.lexical import Encode
    from runner.prepare.row_status import Mask

EVALUATION = ("validation", "test", SUITES)


class LeakSearch:
    """Train against every evaluation split and suite, and these with each other: what they share
    is found by every method that `leakage` has on.

    Args:
        train: what was read as train, with the status of its rows.
        repeats: its repeats, for the file of conflicts.
        out: where ``leaks.jsonl`` and ``conflicts.jsonl`` are written.
    """

    def __init__(
        self, train: RowTable, status: RowStatus, repeats: RepeatedRows, config: Prepare, out: Path
    ) -> None:
        self.tables: dict[str, RowTable] = {"train": train}
        """Every split that was looked at; one that was cut from train is a table of its own."""
        self.leaks: dict[str, Leak] = {}
        """What train shares with each of the others."""
        self.between: dict[tuple[str, str], Leak] = {}
        """What evaluation splits share with each other and with suites: listed, nothing more."""
        self._fates: dict[str, RowStatus] = {"train": status}
        self._repeats, self._config, self._out = repeats, config, out

    def given(self, splits: Mapping[str, RowTable], status: Mapping[str, RowStatus]) -> None:
        """Look at the splits and suites that the source gives. Raises GateError as `check_gate`
        does, once the leaks are written down."""
        self._add(splits, status)
        new = {split: self._find(split) for split in EVALUATION if split in splits}
        self._check_gate(new, cut=False)

    def cut(self, splits: Mapping[str, RowTable]) -> None:
        """The same for splits that were cut from train: their rows, which stand in its table
        still, are not held against themselves."""
        self._add(splits, {})
        stays = self._fates["train"].stays
        new = {s: self._find(s, stays) for s in EVALUATION if s in splits}
        self._check_gate(new, cut=True)

    def drop(self) -> None:
        """Let the train rows that leak go."""
        drop_leaks(self.leaks, self._config, self._fates["train"])

    @property
    def pairs(self) -> list[tuple[str, Leak]]:
        """An evaluation split, and what it shares with another one or with suites."""
        return [(side, leak) for (side, _), leak in self.between.items()]

    @property
    def by_pair(self) -> dict[tuple[str, str], Leak]:
        """All that was looked at, by the names of both splits."""
        return {("train", split): leak for split, leak in self.leaks.items()} | self.between

    def close(self, status: Mapping[str, RowStatus], encode: Encode) -> list[ClosestRows]:
        """What is left in evaluation and in suites that is near train, or each other, in meaning.
        `status` tell which rows of the splits that were given are left."""
        import numpy as np

        rows = {split: self.tables[split] for split in EVALUATION if split in self.tables}
        there = {
            split: (one, status[split].stays if split in status else np.ones(len(one), np.bool_))
            for split, one in rows.items()
        }
        train, config = self.tables["train"], self._config
        return close_rows(train, status["train"], there, self.by_pair, config, encode)

    def write(self, close: Sequence[ClosestRows] = ()) -> None:
        """Write down every pair that was found."""
        write_leaks(
            self._out, self.tables, self._fates, self.leaks, self.pairs, self._repeats, close
        )

    def _add(self, splits: Mapping[str, RowTable], status: Mapping[str, RowStatus]) -> None:
        self.tables |= splits
        whole = {split: RowStatus(len(rows)) for split, rows in splits.items()}
        self._fates |= whole | {split: status[split] for split in splits if split in status}
        for side, other in combinations(EVALUATION, 2):
            there = side in self.tables and other in self.tables
            if there and (side, other) not in self.between:
                mine, theirs = self.tables[side], self.tables[other]
                found = find_leak(mine, RowStatus(len(mine)), theirs, self._config)
                self.between[side, other] = found

    def _find(self, split: str, among: Mask | None = None) -> Leak:
        train, status = self.tables["train"], self._fates["train"]
        return find_leak(train, status, self.tables[split], self._config, among)

    def _check_gate(self, new: dict[str, Leak], *, cut: bool) -> None:
        self.leaks |= new
        try:
            check_gate(self.tables["train"], self.tables, new, self._config, cut)
        except GateError:
            self.drop()
            self.write()
            raise
