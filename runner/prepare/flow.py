"""The order of the steps, on one screen: read, clean, equal rows, leaks of what was given, split,
leaks of what was cut, near-duplicates, repeated spans, write.

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
from runner.errors import ConfigError, DataError, Problem
from runner.prepare.clean import Cleaner, empty_reason
from runner.prepare.cluster_file import write_clusters
from runner.prepare.cut_rows import cut_rows
from runner.prepare.dedup import drop_near, drop_repeats, find_repeats, worth_of
from runner.prepare.dedup_guard import check_losses
from runner.prepare.fates import Fates
from runner.prepare.held_out import hold_out
from runner.prepare.journal import Journal, shown
from runner.prepare.leak_looks import leak_looks
from runner.prepare.leak_search import LeakSearch
from runner.prepare.leakage import SUITES
from runner.prepare.seen import report_seen, seen_note
from runner.prepare.semantic import semantic_note
from runner.prepare.span_step import cut_spans
from runner.prepare.spill import Spill, SpillWriter
from runner.prepare.split import cap_given, check_stratify, cut_missing
from runner.prepare.summary import PreparedRows, summarize
from runner.prepare.write import MOVES, write_splits
from runner.records import SPLITS, Dropped, FaultLog, Mixed, Progress, Row, Tally

if TYPE_CHECKING:
    from runner.prepare.inputs import Reader
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
        search = LeakSearch(train, fates["train"], repeats, config, out)
        search.given(against, fates)

        progress(2, 4, "splitting")
        pool = fates["train"].stays
        for leak in search.leaks.values():
            pool &= ~leak.any
        notes = cap_given(spills, config.split, fates, seed)
        cut, warnings = cut_missing(train, pool, spills, config, fates["train"], seed)
        notes += cut
        search.cut(_cut_splits(train, fates["train"], out, temporary))
        search.drop()
        near = drop_near(train, config.dedup, fates["train"], worth)
        seen = report_seen(train, fates["train"], config.dedup, out)
        notes += [seen_note(seen)] if seen else []
        cuts = cut_spans(train, spills, config.dedup, fates["train"], out)
        warnings += check_losses(train, fates["train"], config.dedup)

        progress(3, 4, "writing")
        written = write_splits(search.spills, fates, config.dedup, out, journal, cuts)
        if not written.rows["train"]:
            raise DataError(f"no training row is left:\n{journal.losses('train')}")
        close = search.close(fates, encode)
        notes += semantic_note(close)
        search.write(close)
        if near:
            write_clusters(out, train, fates["train"], near)
        found = PreparedRows(
            search.spills,
            fates,
            repeats,
            search.leaks,
            written,
            notes,
            near,
            tuple(config.leakage.suites),
            mix,
            search.pairs,
            leak_looks(search.spills, search.by_pair, close, config),
            warnings,
        )
        journal.finish(summarize(found))
        hold_out(against, out)
        progress(4, 4, "done")


def _cut_splits(train: Spill, fates: Fates, out: Path, temporary: ExitStack) -> dict[str, Spill]:
    """The splits that were cut from train, each as a spill of its own."""
    found = {}
    for reason, split in MOVES.items():
        if fates.count(reason):
            path = out / f".{split}.cut.spill"
            temporary.callback(path.unlink, missing_ok=True)
            found[split] = cut_rows(train, fates, reason, split, path)
    return found


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
