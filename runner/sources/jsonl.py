"""JSON Lines to records: strict JSON, one object a line, no key twice."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from runner.base.errors import DataError, RowFault
from runner.records import FaultLog
from runner.sources.files import InputFile, bad_byte, encoding_of, opened, text_lines
from runner.sources.rows import Record

LONG_NUMBER = re.compile(rb"\d{16}")
"""Integers that orjson may turn into floats (it reads 64 bits); `json` keeps them whole."""


def read_jsonl(file: InputFile, encoding: str, faults: FaultLog) -> Iterator[Record]:
    """Yield (line number, object) for every good line; blank lines are passed over.

    Raises DataError when the file is one JSON array instead of lines.
    """
    with opened(file) as stream:
        encoding = encoding_of(stream, encoding)
        empty = True
        for number, line in enumerate(_lines(stream, encoding), start=1):
            if line.isspace():
                continue
            if empty and line.lstrip().startswith(b"["):
                _refuse_array(file, line.strip())
            empty = False
            try:
                record = _parse(line)
            except ValueError as error:
                faults.bad(_fault(file, number, line, encoding, error))
                continue
            yield number, record
        if empty:
            faults.bad(RowFault(file.path, 1, "empty_file", "the file has no rows"))


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-").removesuffix("-sig") in ("utf-8", "utf8")


def _lines(stream: io.BufferedReader, encoding: str) -> Iterator[bytes]:
    """Lines in UTF-8. The parser itself finds bytes that are not; what another encoding
    cannot decode is passed on as something that is not UTF-8 either."""
    if not _is_utf8(encoding):
        with text_lines(stream, encoding, newline="\n") as lines:
            for line in lines:
                yield line.encode("utf-8", "surrogatepass")
        return
    first = stream.readline().removeprefix(b"\xef\xbb\xbf")
    if first:
        yield first
    yield from stream


def _parse(line: bytes) -> dict[str, Any]:
    """One object. Raises ValueError; with a second argument, the rule, where it is valid JSON."""
    record: dict[str, Any] = orjson.loads(line)
    if type(record) is not dict:
        raise ValueError(f"a JSON {_kind(record)} where an object is expected", "not_object")
    # Outside of strings every pair has one colon: more colons than keys may mean a key twice.
    if line.count(b":") != _keys(record) or LONG_NUMBER.search(line):
        record = json.loads(line, object_pairs_hook=_unique)
    return record


def _keys(value: dict[str, Any] | list[Any]) -> int:
    """Keys in a JSON value, nested ones included."""
    items = value.values() if isinstance(value, dict) else value
    own = len(value) if isinstance(value, dict) else 0
    return own + sum(_keys(item) for item in items if type(item) in (dict, list))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object", "duplicate_key")
    return record


def _fault(file: InputFile, number: int, line: bytes, encoding: str, error: ValueError) -> RowFault:
    marks = "surrogateescape" if _is_utf8(encoding) else "surrogatepass"
    text = line.decode("utf-8", marks)
    if message := bad_byte(text, encoding):
        return RowFault(file.path, number, "bad_encoding", message)
    if isinstance(error, json.JSONDecodeError):
        message = f"{error.msg} at character {error.pos + 1} of: {text.strip()[:80]}"
        return RowFault(file.path, number, "bad_json", message)
    message, rule = error.args
    return RowFault(file.path, number, rule, message)


def _refuse_array(file: InputFile, line: bytes) -> None:
    """A file that starts like an array of objects is one: no line of it would be a row."""
    if line == b"[" or line[1:].lstrip().startswith(b"{"):
        raise DataError(
            f"{file.path} is one JSON array; JSONL has one object on each line.\n"
            f"  type: jq -c '.[]' {file.path} > rows.jsonl"
        )


def _kind(value: Any) -> str:
    names = {list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
