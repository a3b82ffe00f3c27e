"""CSV and TSV to records, with true line numbers also where quoted cells hold newlines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from runner.errors import DataError, RowFault
from runner.plural import plural
from runner.records import FaultLog
from runner.sources.columns import Columns
from runner.sources.decode import bad_byte, encoding_of, opened, text_lines
from runner.sources.locate import InputFile
from runner.sources.record import Record

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
        lines = _Lines(text_lines(stream, encoding, newline=""), encoding)
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
