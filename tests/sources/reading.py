"""Reading a source through its public door, as the tests do it."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import zstandard
from pydantic import TypeAdapter

from runner.config import Source
from runner.records import FaultLog, Row
from runner.sources import open_split

SEED = 17
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def source(**config: Any) -> Source:
    """A validated source of the given config."""
    return _SOURCE.validate_python(config)


def read(config: Source, split: str = "train", seed: int = SEED) -> tuple[list[Row], FaultLog]:
    """All good rows of a split, and the log of the faulty ones."""
    faults = FaultLog(split, config.max_bad_share)
    rows = open_split(config, split, seed, faults)
    assert rows is not None
    return list(rows), faults


def read_file(path: Path, **config: Any) -> tuple[list[Row], FaultLog]:
    """All good rows of a file of columns."""
    return read(source(kind="files", train=str(path), **config))


def rules(faults: FaultLog) -> list[tuple[int, str]]:
    """Line and rule of every fault, in file order."""
    return sorted((fault.line, fault.rule) for group in faults.first.values() for fault in group)


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def packed(path: Path, content: bytes) -> Path:
    """Write `content` as the ending of `path` says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(content))
    else:
        path.write_bytes(content)
    return path
