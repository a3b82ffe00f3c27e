"""The order of the steps, on one screen: read, clean, equal rows, leaks, split, near-duplicates,
repeated spans, write.

What is cut for evaluation is cut before near-duplicates and spans are looked for, so that the same
rows are cut whatever is then done to train: treatments are held against each other on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.errors import ConfigError, DataError, GateError, Problem
from runner.prepare.clean import Cleaner, empty_reason
from runner.prepare.cluster_file import write_clusters
from runner.prepare.dedup import drop_near, drop_repeats, find_repeats, worth_of
from runner.prepare.fates import Fates
from runner.prepare.held_out import hold_out
from runner.prepare.journal import Journal, shown
from runner.prepare.leak_file import write_leaks
from runner.prepare.leakage import SUITES, Leak, check_gate, drop_leaks, find_leak
from runner.prepare.seen import report_seen, seen_note
from runner.prepare.semantic import Close, close_rows, semantic_note
from runner.prepare.span_step import cut_spans
from runner.prepare.spill import Spill, SpillWriter
from runner.prepare.split import cap_given, check_stratify, cut_missing
from runner.prepare.summary import PreparedRows, summarize
from runner.prepare.write import members, write_splits
from runner.records import SPLITS, Dropped, FaultLog, Mixed, Progress, Row, Tally

if TYPE_CHECKING:
    from runner.prepare import Reader
    from runner.prepare.select.encoders import Encode

EVERY = 20_000
"""Rows between two calls of the progress."""


def prepare_rows(
    readers: Mapping[str, Reader],
    config: Prepare,
    max_bad_share: float,
    seed: int,
    out: Path,
    progress: Progress,
    encode: Encode,
) -> None:
    """See `runner.prepare.prepare`."""
    with Journal(out, faults=True) as journal, ExitStack() as temporary:
        spills: dict[str, Spill] = {}
        mix: dict[str, list[Mixed]] = {}
        for split in (*SPLITS, SUITES):
            path = out / f".{split}.spill"
            temporary.callback(path.unlink, missing_ok=True)
            if split not in readers:
                continue
            sink = partial(journal.fault, split) if split != SUITES else None
            faults = FaultLog(split, max_bad_share, sink)
            rows = readers[split](faults)
            if rows is not None:
                spills[split] = _load(rows, faults, config, journal, path, progress)
                mix[split] = faults.mix
        train = spills.pop("train", None)
        if train is None:
            raise ConfigError([Problem("source.train", "there is no training data")])
        if not len(train):
            raise DataError("source.train has no usable row; every one was empty or faulty")
        suites = {SUITES: spills.pop(SUITES)} if SUITES in spills else {}
        everything = {"train": train, **spills}
        check_stratify(everything, config.split)
        fates = {split: Fates(len(rows)) for split, rows in everything.items()}

        progress(1, 4, "comparing rows")
        repeats, worth = find_repeats(train), worth_of(train, config.dedup)
        drop_repeats(train, config.dedup, fates["train"], worth)
        against = {**spills, **suites}
        leaks = {
            split: find_leak(train, fates["train"], rows, config) for split, rows in against.items()
        }
        between = _between(spills, suites, fates, config)
        known = {**everything, **suites}
        try:
            check_gate(train, against, leaks, config)
        except GateError:
            drop_leaks(leaks, config, fates["train"])
            write_leaks(out, known, fates, leaks, between, repeats)
            raise

        progress(2, 4, "splitting")
        pool = fates["train"].stays
        for leak in leaks.values():
            pool &= ~leak.any
        notes = cap_given(spills, config.split, fates, seed)
        notes += cut_missing(train, pool, spills, config, fates["train"], seed)
        drop_leaks(leaks, config, fates["train"])
        near = drop_near(train, config.dedup, fates["train"], worth)
        seen = report_seen(train, fates["train"], config.dedup, out)
        notes += [seen_note(seen)] if seen else []
        cuts = cut_spans(train, spills, config.dedup, fates["train"], out)

        progress(3, 4, "writing")
        written = write_splits(known, fates, config.dedup, out, journal, cuts)
        if not written.rows["train"]:
            raise DataError(f"no training row is left:\n{journal.losses('train')}")
        close = _close(known, fates, leaks, config, encode)
        notes += semantic_note(close)
        write_leaks(out, known, fates, leaks, between, repeats, close)
        if near:
            write_clusters(out, train, fates["train"], near)
        found = PreparedRows(
            known,
            fates,
            repeats,
            leaks,
            written,
            notes,
            near,
            tuple(config.leakage.suites),
            mix,
            between,
        )
        journal.finish(summarize(found))
        hold_out(against, out)
        progress(4, 4, "done")


def _between(
    spills: Mapping[str, Spill],
    suites: Mapping[str, Spill],
    fates: Mapping[str, Fates],
    config: Prepare,
) -> list[tuple[str, Leak]]:
    """What evaluation splits share with each other and with suites: listed, nothing more. Splits
    that are cut from train need no look: rows of suites are never cut for them."""
    pairs = [("validation", "test")] * (len(spills) == 2)
    pairs += [(split, other) for other in suites for split in spills]
    known = {**spills, **suites}
    return [(one, find_leak(spills[one], fates[one], known[other], config)) for one, other in pairs]


def _close(
    known: Mapping[str, Spill],
    fates: Mapping[str, Fates],
    leaks: Mapping[str, Leak],
    config: Prepare,
    encode: Encode,
) -> list[Close]:
    """What is left in evaluation and in suites that is near train in meaning."""
    import numpy as np

    sides = {split: members(known, fates, split) for split in SPLITS[1:]}
    if SUITES in known:
        sides[SUITES] = (known[SUITES], np.ones(len(known[SUITES]), np.bool_))
    there = {split: side for split, side in sides.items() if side}
    return close_rows(known["train"], fates["train"], there, leaks, config, encode)


def _load(
    rows: Iterator[Row],
    faults: FaultLog,
    config: Prepare,
    journal: Journal,
    path: Path,
    progress: Progress,
) -> Spill:
    """Read and clean one split onto disk. Raises GateError when too many rows are faulty."""
    split = faults.split
    cleaner, tally = Cleaner(config.clean), Tally("clean", split)
    with SpillWriter(path, split, config.dedup.normalize, config.split.stratify) as writer:
        for row in rows:
            tally.rows_in += 1
            if tally.rows_in % EVERY == 0:
                progress(0, 4, f"{split}: {tally.rows_in:,} rows read")
            cleaned = cleaner.row(row)
            reason = empty_reason(cleaned) if cleaned is not row else ""
            if reason:
                tally.dropped[reason] += 1
                if split == SUITES:
                    continue
                span = shown(row)
                journal.drop(Dropped(row.id, split, "clean", reason, row.origin, span=span))
                continue
            tally.kept += 1
            writer.add(cleaned)
        faults.check()
        tally.changed = cleaner.changed
        if split != SUITES:
            journal.tally(faults.tally())
            journal.tally(tally)
        return writer.done()
