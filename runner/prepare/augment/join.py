"""The training rows with the new ones behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.prepare.augment import Guard, by_rules, reworded
from runner.prepare.journal import Journal
from runner.records import Row, Tally

if TYPE_CHECKING:
    from runner.prepare import Augmentation

EVALUATION = ("validation", "test")


def with_new_rows(
    rows: Iterator[Row],
    augmentation: Augmentation,
    prepared: Path,
    out: Path,
    journal: Journal,
    seed: int,
) -> Iterator[Row]:
    """All rows, then those made from them that are neither leaks nor repeats. Holds the training
    rows in memory, and only where new ones are asked for."""
    config = augmentation.config
    if not (config.rules or augmentation.reworded):
        yield from rows
        return
    own = list(rows)
    guard, tally = Guard(augmentation.normalize), Tally("augment", "train")
    for split in EVALUATION:
        guard.protect(split, _read(prepared / f"{split}.jsonl"))
    for row in own:
        guard.own(row)
    yield from own
    made = list(by_rules(own, config, seed))
    if augmentation.reworded:
        made += reworded(own, config, augmentation.reworded)
    with (out / "augmented.jsonl").open("wb") as listed:
        for new in made:
            if dropped := guard.refused(new):
                tally.dropped[dropped.reason] += 1
                journal.drop(dropped)
                continue
            tally.changed[new.rule] += 1
            listed.write(orjson.dumps(new.to_json()) + b"\n")
            yield new.row
    tally.kept = len(own) + tally.changed.total()
    tally.rows_in = len(own) + len(made)
    journal.tally(tally)


def _read(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        for line in lines:
            yield Row.from_json(orjson.loads(line))
