"""The training rows with the new ones behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runner.prepare.augment import by_rules, reworded
from runner.prepare.augment.added import Added
from runner.prepare.augment.guard import refused
from runner.prepare.journal import Journal
from runner.records import Row, Tally, record_line

if TYPE_CHECKING:
    from runner.prepare.inputs import Augmentation


def with_new_rows(
    rows: Iterator[Row],
    augmentation: Augmentation,
    prepared: Path,
    out: Path,
    journal: Journal,
    seed: int,
    added: Added,
) -> Iterator[Row]:
    """All rows, then those made from them that are neither leaks nor repeats, which are `added`.
    Holds the training rows in memory, and only where new ones are asked for."""
    config = augmentation.prepare.augment
    if not (config.rules or augmentation.reworded):
        yield from rows
        return
    own, tally = list(rows), Tally("augment", "train")
    yield from own
    made = list(by_rules(own, config, seed))
    if augmentation.reworded:
        made += reworded(own, config, augmentation.reworded)
    added.own = len(own)
    out_of_it = refused(made, own, prepared, augmentation.prepare, out)
    with (out / "augmented.jsonl").open("wb") as listed:
        for at, new in enumerate(made):
            if dropped := out_of_it.get(at):
                tally.dropped[dropped.reason] += 1
                journal.drop(dropped)
                continue
            added.take(new)
            listed.write(record_line(new.provenance))
            yield new.row
    added.explain(made, config)
    tally.changed = added.rules
    tally.kept = len(own) + added.rules.total()
    tally.rows_in = len(own) + len(made)
    journal.tally(tally)
