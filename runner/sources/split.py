"""The rows of one split: its files one after the other, weighted, merged, limited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

from runner.config import (
    BigQuerySource,
    ChatSource,
    FileSource,
    GeminiSource,
    HubSource,
    Source,
    TracesSource,
)
from runner.records import FaultLog, Row
from runner.sources.columns import Columns
from runner.sources.delimited import read_delimited
from runner.sources.jsonl import read_jsonl
from runner.sources.locate import InputFile, locate
from runner.sources.mix import Keyed, Part, mixed
from runner.sources.parquet import read_parquet
from runner.sources.record import Record
from runner.sources.rows import RowMaker
from runner.sources.turns import turn_rows


def rows_of(source: Source, split: str, seed: int, faults: FaultLog) -> Iterator[Row]:
    """Stream the good rows of a split that the source gives. Files are looked for at once."""
    if isinstance(source, FileSource | HubSource | BigQuerySource):
        keyed = _column_rows(source, split, seed, faults)
    elif isinstance(source, TracesSource):
        keyed = _trace_rows(source, split, seed, faults)
    else:
        keyed = _turn_rows(source, split, seed, faults)
    return _counted(keyed, source, split, faults)


def _counted(keyed: Iterator[Keyed], source: Source, split: str, faults: FaultLog) -> Iterator[Row]:
    by = getattr(source, "references_by", None)
    rows = _merged(keyed, faults) if by and split != "train" else (row for row, _ in keyed)
    for row in islice(rows, source.limit):
        faults.good()
        yield row


def _column_rows(
    source: FileSource | HubSource | BigQuerySource, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    columns = Columns(source)
    if isinstance(source, HubSource):
        from runner.sources.hub import hub_splits, read_hub

        files = hub_splits(source, split)
        read = partial(read_hub, source, columns, faults)
    elif isinstance(source, BigQuerySource):
        from runner.sources.bigquery import bigquery_splits, read_bigquery

        files = bigquery_splits(source, split)
        read = partial(read_bigquery, source, columns, faults)
    else:
        files = locate(source, [split])[split]
        read = partial(read_table, source.encoding, columns, faults)
    maker = RowMaker(columns, split, faults)

    def parts() -> Iterator[Part]:
        for file in files:
            yield file, maker.rows(file, read(file))
        # Scores are reported on test; where it is cut from train, on rows of train.
        if split == ("train" if source.test is None else "test"):
            maker.check_slices()

    return mixed(parts(), source, split, seed, faults)


def _turn_rows(
    source: GeminiSource | ChatSource, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    def keyed(file: InputFile) -> Iterator[Keyed]:
        records = read_jsonl(file, source.encoding, faults)
        return ((row, "") for row in turn_rows(source, split, file, records, faults))

    files = locate(source, [split])[split]
    return mixed(((file, keyed(file)) for file in files), source, split, seed, faults)


def _trace_rows(source: TracesSource, split: str, seed: int, faults: FaultLog) -> Iterator[Keyed]:
    from runner.sources.trace_rows import experiments, trace_rows

    files = experiments(source, split)
    parts = ((file, trace_rows(source, split, file, faults)) for file in files)
    return mixed(parts, source, split, seed, faults)


def read_table(
    encoding: str, columns: Columns, faults: FaultLog, file: InputFile
) -> Iterator[Record]:
    if file.format == "jsonl":
        return read_jsonl(file, encoding, faults)
    if file.format == "parquet":
        return read_parquet(file, columns, faults)
    return read_delimited(file, encoding, columns, faults)


def _merged(rows: Iterator[Keyed], faults: FaultLog) -> Iterator[Row]:
    """Rows with one non-empty key become the first of them, with the other answers as
    references. Holds the split in memory."""
    first: dict[str, Row] = {}
    answers: dict[str, dict[str, None]] = {}
    for number, (row, key) in enumerate(rows):
        name = f"={key}" if key else f"#{number}"
        if name in first:
            faults.skip("merged_reference")
        first.setdefault(name, row)
        answers.setdefault(name, {})[row.target] = None
    for name, row in first.items():
        references = tuple(answer for answer in answers[name] if answer != row.target)
        yield replace(row, references=references) if references else row
