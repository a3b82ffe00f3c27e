"""Records as JSON and back: the one way in which a stage writes what another one reads.

Writing: a record is its fields in their order, or what its own `to_json` says. Reading goes by the
types of the fields, so that whoever reads has attributes. A file of an older version may lack what
has a default, and one of a newer version may hold more; anything else is a `DataError` with the
file and what to do about it.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from runner.base.errors import DataError

T = TypeVar("T")
Reader = Callable[[object], Any]
"""Turns a JSON value into what a field holds; ValueError when it cannot."""


def fields_of(record: object) -> dict[str, object]:
    """A record's fields in their order, not its parts' ones. For `default` of JSON encoders, too:
    raises TypeError for what is no record."""
    if (told := getattr(record, "to_json", None)) is not None:
        return dict(told())
    return every_field(record)


def every_field(record: object) -> dict[str, object]:
    """The fields of a record, whatever its own `to_json` says."""
    kind: Any = type(record)
    return {name: getattr(record, name) for name in _names(kind)}


def given_fields(record: object) -> dict[str, object]:
    """The fields of a record without those that are None: for records that leave them out."""
    return {name: value for name, value in every_field(record).items() if value is not None}


def record_line(record: object) -> bytes:
    """The record as one line of a JSONL file."""
    import orjson

    return orjson.dumps(record, fields_of, orjson.OPT_PASSTHROUGH_DATACLASS) + b"\n"


def record_json(record: object) -> bytes:
    """The record as JSON without blanks."""
    return record_line(record)[:-1]


def record_file(value: object) -> bytes:
    """Records as an indented JSON file."""
    import orjson

    asked = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    return orjson.dumps(value, fields_of, asked) + b"\n"


def decoded(kind: type[T], value: object) -> T:
    """A JSON value as a record. Raises ValueError when it is no such record."""
    found: T = _reader_of(kind)(value)
    return found


def read_record(path: Path, kind: type[T]) -> T:
    """A JSON file as a record. Raises DataError when it is missing or no such record."""
    found: T = _from_file(path, kind)
    return found


def read_record_list(path: Path, kind: type[T]) -> list[T]:
    """A JSON file as a list of records. Raises DataError when it is missing or no such list."""
    return list(_from_file(path, tuple[kind, ...]))  # type: ignore[valid-type]


def read_records(path: Path, kind: type[T]) -> Iterator[T]:
    """The lines of a JSONL file as records. Raises DataError for a file that is missing, and for
    a line that is no such record."""
    read = _reader_of(kind)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield read(_value_of(line))
                except ValueError as error:
                    raise unreadable(path, error, number) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _value_of(line: bytes) -> object:
    """The fast reader first; it refuses lone surrogates and nan, which the slow one takes."""
    import orjson

    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)


def _from_file(path: Path, kind: Any) -> Any:
    try:
        return _reader(kind)(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception | str, line: int = 0) -> DataError:
    """A sentence about a file of ours that cannot be read, and what to do about it."""
    place = f"{path}:{line}" if line else f"{path}"
    why = error.strerror if isinstance(error, OSError) else error
    return DataError(
        f"{place} cannot be read: {why}\n  it was written by another version, or changed since; "
        f"delete the folder {path.parent} and give the same command again"
    )


def _reader_of(kind: Any) -> Reader:
    found: Reader = _reader(kind)
    return found


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in dataclasses.fields(kind))


@cache
def _reader(kind: Any) -> Reader:
    """How values of a field's type are read."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return partial(_optional, _reader(next(part for part in parts if part is not NoneType)))
    if origin is tuple and parts[1:] != (...,):
        return partial(_each, tuple(map(_reader, parts)))
    if origin in (tuple, list):
        return partial(_sequence, origin, _reader(parts[0]))
    if kind is Counter or origin is Counter:
        return lambda value: Counter(_mapping(_reader(int), value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return partial(_mapping, _reader(parts[1]))
    if kind in (str, int, float, bool):
        return partial(_scalar, kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        own = getattr(kind, "from_json", None)
        return partial(_own, own) if own else _record_reader(kind)
    return _as_it_is


def _own(read: Callable[[Mapping[str, object]], object], value: object) -> Any:
    """As the record's own `from_json` reads it."""
    try:
        return read(mapping_of(value))
    except KeyError as error:
        raise ValueError(f"there is no {error}") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def _as_it_is(value: object) -> Any:
    return value


def _scalar(kind: type, value: object) -> Any:
    if isinstance(value, kind) or (kind is float and isinstance(value, int)):
        return value
    raise ValueError(f"{value!r:.60} is not of type {kind.__name__}")


def _optional(read: Reader, value: object) -> Any:
    """None, also where an empty object stands for it."""
    return None if value is None or value == {} else read(value)


def _sequence(kind: type, read: Reader, value: object) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.60} is not a list")
    return kind(map(read, value))


def _each(reads: tuple[Reader, ...], value: object) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) != len(reads):
        raise ValueError(f"{value!r:.60} is not a list of {len(reads)}")
    return tuple(read(item) for read, item in zip(reads, value, strict=True))


def _mapping(read: Reader, value: object) -> dict[str, Any]:
    return {name: read(item) for name, item in mapping_of(value).items()}


def mapping_of(value: object) -> Mapping[str, object]:
    """The value as a JSON object. Raises ValueError when it is something else."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.60} is not an object")
    return value


def _record_reader(kind: type) -> Reader:
    hints = get_type_hints(kind)
    reads = {name: _reader(hints[name]) for name in _names(kind)}
    plain = {name: _plain_type(hints[name]) for name in reads}

    def read(value: object) -> Any:
        # Most values are what they should be, and rows are many: one look, no call.
        given = {name: item for name, item in mapping_of(value).items() if name in plain}
        for name, item in given.items():
            if type(item) is not plain[name]:
                try:
                    given[name] = reads[name](item)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        try:
            return kind(**given)
        except TypeError:
            lacking = ", ".join(name for name in _needed(kind) if name not in given)
            raise ValueError(f"{kind.__name__} lacks {lacking}") from None

    return read


def _plain_type(hint: Any) -> object:
    """The type of a field whose values need no reading when they are of it."""
    found = [part for part in get_args(hint) or (hint,) if part is not NoneType]
    plain = get_origin(hint) in (None, Union, UnionType) and found[0] in (str, int, float, bool)
    return found[0] if plain else None


def _needed(kind: type) -> list[str]:
    """Fields without a default."""
    nothing = dataclasses.MISSING
    return [
        item.name
        for item in dataclasses.fields(kind)
        if item.default is nothing and item.default_factory is nothing
    ]
