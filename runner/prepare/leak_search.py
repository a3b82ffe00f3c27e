"""Which splits are held against which: every pair of them, whether a split was given or was cut
from train here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.errors import GateError
from runner.prepare.dedup import Repeats
from runner.prepare.fates import Fates
from runner.prepare.leak_file import write_leaks
from runner.prepare.leakage import SUITES, Leak, check_gate, drop_leaks, find_leak
from runner.prepare.semantic import Close, close_rows
from runner.prepare.spill import Spill

if TYPE_CHECKING:
    from runner.prepare.fates import Mask
    from runner.prepare.select.encoders import Encode

EVALUATION = ("validation", "test", SUITES)


class LeakSearch:
    """Train against every evaluation split and suite, and these with each other: what they share
    is found by every method that `leakage` has on.

    Args:
        train: what was read as train, with the fates of its rows.
        repeats: its repeats, for the file of conflicts.
        out: where ``leaks.jsonl`` and ``conflicts.jsonl`` are written.
    """

    def __init__(
        self, train: Spill, fates: Fates, repeats: Repeats, config: Prepare, out: Path
    ) -> None:
        self.spills: dict[str, Spill] = {"train": train}
        """Every split that was looked at; one that was cut from train is a spill of its own."""
        self.leaks: dict[str, Leak] = {}
        """What train shares with each of the others."""
        self.between: dict[tuple[str, str], Leak] = {}
        """What evaluation splits share with each other and with suites: listed, nothing more."""
        self._fates: dict[str, Fates] = {"train": fates}
        self._repeats, self._config, self._out = repeats, config, out

    def given(self, splits: Mapping[str, Spill], fates: Mapping[str, Fates]) -> None:
        """Look at the splits and suites that the source gives. Raises GateError as `check_gate`
        does, once the leaks are written down."""
        self._add(splits, fates)
        new = {split: self._find(split) for split in EVALUATION if split in splits}
        self._judge(new, cut=False)

    def cut(self, splits: Mapping[str, Spill]) -> None:
        """The same for splits that were cut from train: their rows, which stand in its spill
        still, are not held against themselves."""
        self._add(splits, {})
        stays = self._fates["train"].stays
        new = {s: self._find(s, stays) for s in EVALUATION if s in splits}
        self._judge(new, cut=True)

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

    def close(self, fates: Mapping[str, Fates], encode: Encode) -> list[Close]:
        """What is left in evaluation and in suites that is near train, or each other, in meaning.
        `fates` tell which rows of the splits that were given are left."""
        import numpy as np

        rows = {split: self.spills[split] for split in EVALUATION if split in self.spills}
        there = {
            split: (one, fates[split].stays if split in fates else np.ones(len(one), np.bool_))
            for split, one in rows.items()
        }
        train, config = self.spills["train"], self._config
        return close_rows(train, fates["train"], there, self.by_pair, config, encode)

    def write(self, close: Sequence[Close] = ()) -> None:
        """Write down every pair that was found."""
        write_leaks(
            self._out, self.spills, self._fates, self.leaks, self.pairs, self._repeats, close
        )

    def _add(self, splits: Mapping[str, Spill], fates: Mapping[str, Fates]) -> None:
        self.spills |= splits
        whole = {split: Fates(len(rows)) for split, rows in splits.items()}
        self._fates |= whole | {split: fates[split] for split in splits if split in fates}
        for side, other in combinations(EVALUATION, 2):
            there = side in self.spills and other in self.spills
            if there and (side, other) not in self.between:
                mine, theirs = self.spills[side], self.spills[other]
                found = find_leak(mine, Fates(len(mine)), theirs, self._config)
                self.between[side, other] = found

    def _find(self, split: str, among: Mask | None = None) -> Leak:
        train, fates = self.spills["train"], self._fates["train"]
        return find_leak(train, fates, self.spills[split], self._config, among)

    def _judge(self, new: dict[str, Leak], *, cut: bool) -> None:
        self.leaks |= new
        try:
            check_gate(self.spills["train"], self.spills, new, self._config, cut)
        except GateError:
            self.drop()
            self.write()
            raise
