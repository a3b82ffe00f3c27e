"""The first records of a file, before anybody knows which column is what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from runner.config import FileSource
from runner.records import FaultLog
from runner.sources.columns import Columns
from runner.sources.locate import locate
from runner.sources.split import read_table


class AnyColumns(Columns):
    """Every column, none of which has a role."""

    def used(self, names: Sequence[str]) -> list[str]:
        return list(names)

    def check_header(self, file: str, names: Sequence[str]) -> None:
        pass


def sample(path: Path, count: int) -> list[dict[str, Any]]:
    """Up to `count` whole records from the head of a JSONL, CSV, TSV or Parquet file.

    Faulty rows are passed over. Raises ConfigError when there is no such file or its format
    cannot be told, DataError when it cannot be read at all.
    """
    source = FileSource(kind="files", train=str(path), max_bad_share=1.0)
    columns, faults = AnyColumns(source), FaultLog("train", 1.0)
    records: Iterator[tuple[int, Any]] = (
        record
        for file in locate(source, ["train"])["train"]
        for record in read_table(source.encoding, columns, faults, file)
    )
    return [dict(record) for _, record in islice(records, count)]
