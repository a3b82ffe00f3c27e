"""Parquet to records, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.errors import DataError, RowFault
from runner.records import FaultLog
from runner.sources.columns import Columns
from runner.sources.locate import InputFile
from runner.sources.record import Record

BATCH = 2048


def read_parquet(file: InputFile, columns: Columns, faults: FaultLog) -> Iterator[Record]:
    """Yield (row number, values by column); only columns that have a role are read.

    Raises DataError when the file is not Parquet, or names a column twice or not at all.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file.path) as table:
            names = table.schema_arrow.names
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise DataError(f"{file.path} names the columns {', '.join(twice)} twice")
            columns.check_header(file.path, names)
            number = 0
            for batch in _batches(table, columns.used(names)):
                yield from rows_of_batch(batch, file.path, number, faults)
                number += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file.path} cannot be read as Parquet: {error}") from error
    if not number:
        faults.bad(RowFault(file.path, 1, "empty_file", "the file has no rows"))


def _batches(table: Any, columns: list[str]) -> Iterator[Any]:
    """Row group by row group: asked for all at once, pyarrow keeps what it has read of each."""
    for group in range(table.num_row_groups):
        yield from table.iter_batches(BATCH, row_groups=[group], columns=columns)


def rows_of_batch(batch: Any, name: str, before: int, faults: FaultLog) -> Iterator[Record]:
    """The rows of an Arrow batch. A value Python cannot hold (text that is not UTF-8, a date
    beyond its calendar) is a fault of its row only."""
    try:
        yield from enumerate(batch.to_pylist(), start=before + 1)
        return
    except (ValueError, OverflowError):
        singles = (batch.slice(at, 1) for at in range(batch.num_rows))
    for number, single in enumerate(singles, start=before + 1):
        try:
            record = single.to_pylist()[0]
        except (ValueError, OverflowError) as error:
            rule = "bad_encoding" if isinstance(error, UnicodeError) else "bad_value"
            faults.bad(RowFault(name, number, rule, str(error)))
            continue
        yield number, record
