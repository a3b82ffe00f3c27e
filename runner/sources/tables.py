"""CSV and TSV to records, with true line numbers also where quoted cells hold newlines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any

from runner.base.errors import DataError, RowFault
from runner.base.text import plural
from runner.records import FaultLog
from runner.sources.files import InputFile, bad_byte, encoding_of, opened, text_lines
from runner.sources.rows import Columns, Record

DELIMITERS = {"csv": ",", "tsv": "\t"}
LONGEST_CELL = 1 << 24
"""Characters. A quote that is never closed must not pull a whole file into memory."""


def read_delimited(
    file: InputFile, encoding: str, columns: Columns, faults: FaultLog
) -> Iterator[Record]:
    """Yield (first line of the row, cells by column) for every good row.

    Quotes are read strictly (RFC 4180), so a stray one is a fault with its line and never glues
    rows together in silence. Raises DataError when the header is unusable or
    lacks a column that has a role.
    """
    csv.field_size_limit(LONGEST_CELL)
    with opened(file) as stream:
        encoding = encoding_of(stream, encoding)
        with text_lines(stream, encoding, newline="") as text:
            yield from _rows(file, _Lines(text, encoding), columns, faults)


def _rows(file: InputFile, lines: _Lines, columns: Columns, faults: FaultLog) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=DELIMITERS[file.format], strict=True)
    header = _header(file, reader, lines)
    if header is None:
        faults.bad(RowFault(file.path, 1, "empty_file", "the file has no header and no rows"))
        return
    columns.check_header(file.path, header)
    rows = 0
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            faults.bad(_unreadable(file, start, reader.line_num, error), _span(start, reader))
            lines.bad = ""
            rows += 1
            continue
        if not cells:
            continue
        rows += 1
        if fault := _fault(file, start, cells, header, lines):
            faults.bad(fault)
            continue
        yield start, dict(zip(header, cells, strict=True))
    if not rows:
        faults.bad(RowFault(file.path, 1, "empty_file", "the file has a header and no rows"))


class _Lines:
    """The lines of a file, remembering whether one had a byte that could not be decoded."""

    def __init__(self, lines: Iterator[str], encoding: str) -> None:
        self._lines = lines
        self._encoding = encoding
        self.bad = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if not line.isascii() and not self.bad:
                self.bad = bad_byte(line, self._encoding)
            yield line


def _header(file: InputFile, reader: Iterator[list[str]], lines: _Lines) -> list[str] | None:
    """The column names; None when the file is empty."""
    try:
        header = next((cells for cells in reader if cells), None)
    except csv.Error as error:
        raise DataError(f"{file.path}: the header cannot be read: {error}") from error
    if lines.bad:
        raise DataError(f"{file.path}: the header cannot be read: {lines.bad}")
    twice = sorted({name for name in header or () if (header or []).count(name) > 1})
    if twice:
        raise DataError(f"{file.path}: the header names {', '.join(map(repr, twice))} twice")
    return header


def _fault(
    file: InputFile, line: int, cells: Sequence[str], header: Sequence[str], lines: _Lines
) -> RowFault | None:
    if lines.bad:
        message, lines.bad = lines.bad, ""
        return RowFault(file.path, line, "bad_encoding", message)
    if len(cells) != len(header):
        message = (
            f"{plural(len(cells), 'cell')} where the header has {plural(len(header), 'column')}"
        )
        return RowFault(file.path, line, "ragged", message)
    return None


def _unreadable(file: InputFile, start: int, end: int, error: csv.Error) -> RowFault:
    message = f"stray or unclosed quote ({error})"
    if end > start:
        message += f", lines {start} to {end} are lost"
    return RowFault(file.path, start, "bad_quote", message)


def _span(start: int, reader: object) -> int:
    """Lines an unreadable row took with it: each counts as a faulty row."""
    end: int = reader.line_num  # type: ignore[attr-defined]
    return max(1, end - start + 1)


# Parquet to records, a batch at a time.

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
