"""External evaluation sets that train must not hold: rows without a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.config import ColumnSource, FileSource, Source
from runner.records import FaultLog, Origin, Row
from runner.sources.locate import locate
from runner.sources.record import as_text
from runner.sources.sample import AnyColumns
from runner.sources.split import read_table


def suite_rows(source: Source, suites: Mapping[str, str], faults: FaultLog) -> Iterator[Row]:
    """The rows of all suites; ids are ``NAME/NUMBER``, the group is the suite's name. The columns
    of `source.input` are taken, all columns where a row has none of these."""
    wanted = source.input if isinstance(source, ColumnSource) else None
    for name, path in suites.items():
        opened = suite_source(path)
        for file in locate(opened, ["test"])["test"]:
            columns = AnyColumns(opened)
            for number, (line, record) in enumerate(read_table("utf-8", columns, faults, file), 1):
                fields = _fields(record, wanted)
                if fields:
                    faults.good()
                    origin = Origin(file.path, line)
                    yield Row(f"{name}/{number}", fields, "", origin, group=name)


def suite_source(path: str) -> FileSource:
    """A suite's file or glob as a source with one split."""
    return FileSource(kind="files", test=path)


def _fields(record: Mapping[str, Any], wanted: list[str] | None) -> dict[str, str]:
    named = {name: as_text(value) for name, value in record.items() if value is not None}
    chosen = {name: named[name] for name in wanted or () if name in named} or named
    return {name: text for name, text in chosen.items() if text.strip()}
