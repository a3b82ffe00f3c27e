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

from runner.base.errors import ConfigError, DataError, Problem
from runner.config import Prepare
from runner.prepare.clean import Cleaner, empty_reason
from runner.prepare.dedup import drop_near, drop_repeats, find_repeats, worth_of
from runner.prepare.dedup_guard import check_losses
from runner.prepare.drop_log import DropLog, input_excerpt
from runner.prepare.leak_checks import leak_looks
from runner.prepare.leak_report import semantic_note
from runner.prepare.leak_search import LeakSearch
from runner.prepare.leakage import SUITES, hold_out
from runner.prepare.repeated_spans import cut_spans
from runner.prepare.row_status import RowStatus
from runner.prepare.row_table import RowTable, RowTableWriter
from runner.prepare.seen_before import report_seen, seen_note
from runner.prepare.split import cap_given, check_stratify, cut_missing, cut_rows
from runner.prepare.summary import PreparedRows, summarize
from runner.prepare.write import MOVES, write_clusters, write_splits
from runner.records import SPLITS, Dropped, FaultLog, MixedSource, Progress, Row, Tally

if TYPE_CHECKING:
    from runner.encoders.lexical import Encode
    from runner.prepare.inputs import Reader

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
    with DropLog(out, faults=True) as drop_log, ExitStack() as temporary:
        tables: dict[str, RowTable] = {}
        mix: dict[str, list[MixedSource]] = {}
        for split in (*SPLITS, SUITES):
            path = out / f".{split}.table"
            temporary.callback(path.unlink, missing_ok=True)
            if split not in readers:
                continue
            sink = partial(drop_log.fault, split) if split != SUITES else None
            faults = FaultLog(split, max_bad_share, sink)
            rows = readers[split](faults)
            if rows is not None:
                tables[split] = _load(rows, faults, config, drop_log, path, progress)
                mix[split] = faults.mix
        train = tables.pop("train", None)
        if train is None:
            raise ConfigError([Problem("source.train", "there is no training data")])
        if not len(train):
            raise DataError("source.train has no usable row; every one was empty or faulty")
        suites = {SUITES: tables.pop(SUITES)} if SUITES in tables else {}
        everything = {"train": train, **tables}
        check_stratify(everything, config.split)
        status = {split: RowStatus(len(rows)) for split, rows in everything.items()}

        progress(1, 4, "comparing rows")
        repeats, worth = find_repeats(train), worth_of(train, config.dedup)
        drop_repeats(train, config.dedup, status["train"], worth)
        against = {**tables, **suites}
        search = LeakSearch(train, status["train"], repeats, config, out)
        search.given(against, status)

        progress(2, 4, "splitting")
        pool = status["train"].stays
        for leak in search.leaks.values():
            pool &= ~leak.any
        notes = cap_given(tables, config.split, status, seed)
        cut, warnings = cut_missing(train, pool, tables, config, status["train"], seed)
        notes += cut
        search.cut(_cut_splits(train, status["train"], out, temporary))
        search.drop()
        near = drop_near(train, config.dedup, status["train"], worth)
        seen = report_seen(train, status["train"], config.dedup, out)
        notes += [seen_note(seen)] if seen else []
        cuts = cut_spans(train, tables, config.dedup, status["train"], out)
        warnings += check_losses(train, status["train"], config.dedup)

        progress(3, 4, "writing")
        written = write_splits(search.tables, status, config.dedup, out, drop_log, cuts)
        if not written.rows["train"]:
            raise DataError(f"no training row is left:\n{drop_log.losses('train')}")
        close = search.close(status, encode)
        notes += semantic_note(close)
        search.write(close)
        if near:
            write_clusters(out, train, status["train"], near)
        found = PreparedRows(
            search.tables,
            status,
            repeats,
            search.leaks,
            written,
            notes,
            near,
            tuple(config.leakage.suites),
            mix,
            search.pairs,
            leak_looks(search.tables, search.by_pair, close, config),
            warnings,
        )
        drop_log.finish(summarize(found))
        hold_out(against, out)
        progress(4, 4, "done")


def _cut_splits(
    train: RowTable, status: RowStatus, out: Path, temporary: ExitStack
) -> dict[str, RowTable]:
    """The splits that were cut from train, each as a table of its own."""
    found = {}
    for reason, split in MOVES.items():
        if status.count(reason):
            path = out / f".{split}.cut.table"
            temporary.callback(path.unlink, missing_ok=True)
            found[split] = cut_rows(train, status, reason, split, path)
    return found


def _load(
    rows: Iterator[Row],
    faults: FaultLog,
    config: Prepare,
    drop_log: DropLog,
    path: Path,
    progress: Progress,
) -> RowTable:
    """Read and clean one split onto disk. Raises GateError when too many rows are faulty."""
    split = faults.split
    cleaner, tally = Cleaner(config.clean), Tally("clean", split)
    with RowTableWriter(path, split, config.dedup.normalize, config.split.stratify) as writer:
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
                span = input_excerpt(row)
                drop_log.drop(Dropped(row.id, split, "clean", reason, row.origin, span=span))
                continue
            tally.kept += 1
            writer.add(cleaned)
        faults.check()
        tally.changed = cleaner.changed
        if split != SUITES:
            drop_log.tally(faults.tally())
            drop_log.tally(tally)
        return writer.done()
