"""Records to rows: columns take their roles, and every fault is named."""

from __future__ import annotations

import difflib
import json
import mimetypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from runner.base.errors import ConfigError, DataError, Problem, RowFault
from runner.config import ColumnSource
from runner.records import FaultLog, Origin, Row
from runner.sources.files import InputFile

LOOKED_AT = 1000
"""Rows after which a column that no JSON object had is taken to be misspelled."""


class RowMaker:
    """Makes the rows of one split; keeps what has to be known across its files (the ids)."""

    def __init__(self, columns: Columns, split: str, faults: FaultLog) -> None:
        self.columns = columns
        self.split = split
        self.faults = faults
        self._ids: set[bytes] = set()
        self._unlabelled = set(columns.slices)
        """Slices that no row has had so far."""
        self._last: tuple[str, list[str]] | None = None

    def rows(self, file: InputFile, records: Iterator[Record]) -> Iterator[tuple[Row, str]]:
        """Yield each good row with its value of `references_by` (empty when there is none).

        Raises DataError when the objects of a JSONL file never have a column with a role.
        """
        unseen = set(self.columns.needed) if file.format == "jsonl" else set()
        names: dict[str, None] = {}
        looked_at = 0
        for line, record in records:
            if self._unlabelled:
                self._unlabelled.difference_update(record)
                self._last = (file.path, list(record))
            if unseen:
                unseen.difference_update(record)
                names.update(dict.fromkeys(record))
                looked_at += 1
                if looked_at == LOOKED_AT and unseen:
                    self.columns.check_header(file.path, list(names))
            made = self._row(file, line, record)
            if isinstance(made, RowFault):
                self.faults.bad(made)
            else:
                key = self.columns.references_by
                yield made, as_text(record[key]) if key else ""
        if unseen and names:
            # No row had these columns: a matter of the whole file, not of its rows.
            self.columns.check_header(file.path, list(names))

    def check_slices(self) -> None:
        """Raise DataError when no row of the split had one of the columns to report by."""
        if self._unlabelled and self._last:
            file, names = self._last
            self.columns.refuse(file, sorted(self._unlabelled), names)

    def _row(self, file: InputFile, line: int, record: Mapping[str, Any]) -> Row | RowFault:
        columns = self.columns
        for name in columns.needed:
            if name not in record:
                message = f"the row has no {name!r}; it has: {', '.join(record) or 'nothing'}"
                return RowFault(file.path, line, "missing_column", message, name)
        target = as_text(record[columns.target])
        if not target or target.isspace():
            return RowFault(file.path, line, "empty_target", "there is no answer", columns.target)
        fields = {name: as_text(record[name]) for name in columns.inputs_of(record)}
        if not any(text and not text.isspace() for text in fields.values()):
            names = ", ".join(fields) or "none"
            return RowFault(file.path, line, "empty_input", f"nothing in the inputs: {names}")
        named, fault = self._id(file, line, record)
        if fault:
            return fault
        media, fault = self._media(file, line, fields)
        if fault:
            return fault
        return Row(
            named,
            fields,
            target,
            Origin(file.path, line),
            slices={
                key: as_text(record[key])
                for key in columns.slices
                if record.get(key) is not None and record[key] != ""
            },
            group=as_text(record[columns.group]) if columns.group else "",
            media=media,
        )

    def _media(
        self, file: InputFile, line: int, fields: dict[str, str]
    ) -> tuple[dict[str, str], RowFault | None]:
        """The MIME types of the files the row names, made whole in `fields`; or what is wrong."""
        found: dict[str, str] = {}
        for name, given in self.columns.media.items():
            path = fields[name].strip()
            if not path:
                return {}, RowFault(file.path, line, "empty_media", "no file is named", name)
            mime = file_type(path, given)
            if not mime:
                message = f"no MIME type for {path[:80]!r}; give one in source.media"
                return {}, RowFault(file.path, line, "unknown_mime", message, name)
            fields[name] = whole_uri(path, self.columns.media_root, file.path)
            found[name] = mime
        return found, None

    def _id(
        self, file: InputFile, line: int, record: Mapping[str, Any]
    ) -> tuple[str, RowFault | None]:
        """The row's key, or what is wrong with it."""
        if not self.columns.id:
            return made_up_id(self.split, file.number, line), None
        text = as_text(record[self.columns.id])
        if not text or text.isspace():
            return "", RowFault(file.path, line, "empty_id", "the key is empty", self.columns.id)
        # 8 bytes a row instead of the text: two of a million ids collide once in 30 million runs.
        key = blake2b(text.encode(), digest_size=8).digest()
        if key in self._ids:
            message = f"the key {text[:80]!r} belongs to an earlier row"
            return "", RowFault(file.path, line, "duplicate_id", message, self.columns.id)
        self._ids.add(key)
        return text, None


def made_up_id(split: str, number: int, line: int) -> str:
    """``train-12``; rows of a second file are ``train2-12``, and so on."""
    return f"{split}-{line}" if number == 1 else f"{split}{number}-{line}"


# Which column is what, and what to say when one is not there.


class Columns:
    """The roles of a table's columns.

    Raises ConfigError when the answer is listed among the inputs.
    """

    def __init__(self, source: ColumnSource) -> None:
        self.target = source.target
        self.id = source.id
        self.group = source.group
        self.references_by = source.references_by
        self.slices = tuple(source.slices)
        self.inputs = tuple(source.input) if source.input else None
        """Input columns in the order they are listed; None for all without another role."""
        if self.inputs and self.target in self.inputs:
            message = f"the target column {self.target!r} cannot be an input as well"
            raise ConfigError([Problem("source.input", message)])
        if source.target in source.media:
            message = f"the target column {self.target!r} cannot be shown to the model"
            raise ConfigError([Problem("source.media", message)])
        self.media = dict(source.media)
        """Columns that name a file, with its MIME type or None."""
        self.media_root = source.media_root
        roles = [
            *(("source.input", name) for name in self.inputs or ()),
            ("source.target", self.target),
            ("source.id", self.id),
            ("source.group", self.group),
            ("source.references_by", self.references_by),
            *(("source.media", name) for name in self.media),
            *(("source.slices", name) for name in self.slices),
        ]
        self.roles = {name: key for key, name in reversed(roles) if name}
        """Column to the config key that names it."""
        self.needed = tuple(name for name in self.roles if name not in self.slices)
        """Columns every row must have; slices may be missing in some."""
        self._taken = {name for name in self.roles if name not in (self.inputs or ())}

    def inputs_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The input columns of a table, or of one JSON object, with these names; media columns
        are among them."""
        listed = self.inputs or tuple(name for name in names if name not in self._taken)
        return (*listed, *(name for name in self.media if name not in listed))

    def used(self, names: Sequence[str]) -> list[str]:
        """The columns that have a role, in the table's order."""
        inputs = self.inputs_of(names)
        return [name for name in names if name in self.roles or name in inputs]

    def check_header(self, file: str, names: Sequence[str]) -> None:
        """Raise DataError unless every needed column is there, naming all that are not. Slices
        may be missing: often only the evaluation rows are labelled."""
        self.refuse(file, [name for name in self.needed if name not in names], names)

    def refuse(self, file: str, missing: Sequence[str], names: Sequence[str]) -> None:
        """Raise DataError when columns are missing, or none is left for the input."""
        lines = [self._not_there(name, names) for name in missing]
        if not missing and not self.inputs_of(names):
            lines = ["there is no input column left: set source.input"]
        if lines:
            there = ", ".join(names)
            lines.append(_separator(names) or f"columns there are: {there or 'none'}")
            raise DataError("\n  ".join([f"{file} does not have the columns asked for:", *lines]))

    def _not_there(self, name: str, names: Sequence[str]) -> str:
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"no column {name!r} ({self.roles[name]}){hint}"


def _separator(names: Sequence[str]) -> str:
    """What to say about a header that another separator would cut."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            hint = "set source.format=tsv" if mark == "\t" else "write it with commas"
            hint = "set source.format=csv" if mark == "," else hint
            return f"the header looks separated by {name}: {names[0]} ({hint})"
    return ""


# What a reader yields before columns have roles, and how its values become text.

Record = tuple[int, Mapping[str, Any]]
"""1-based line (row number for formats without lines) and the values by column."""


def as_text(value: Any) -> str:
    """A value as the text that templates, metrics and models see.

    Text stays as it is, null becomes empty, numbers and booleans are written as in JSON, lists
    and objects become compact JSON with their own key order.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:  # integers beyond 64 bits, keys that are not text
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


# Files that a column names: where they are, and of what type.

REMOTE = ("gs://", "https://", "http://")
TYPES = {
    ".webp": "image/webp",
    ".flac": "audio/flac",
    ".m4a": "audio/m4a",
    ".mp3": "audio/mp3",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
}
"""Endings whose type Python does not know on every machine, or calls differently from Google."""


def file_type(uri: str, given: str | None) -> str:
    """The MIME type: the given one, else by the ending; empty when nobody knows."""
    path = uri.partition("?")[0] if uri.startswith(REMOTE) else uri
    ending = Path(path).suffix.lower()
    return given or TYPES.get(ending) or mimetypes.guess_type(path)[0] or ""


def whole_uri(value: str, root: str | None, file: str) -> str:
    """A URI as it is; a relative path below `root`, or beside the data file."""
    if value.startswith(REMOTE) or Path(value).is_absolute():
        return value
    if root is not None:
        return f"{root.rstrip('/')}/{value.removeprefix('./')}"
    return str(Path(file).parent / value)
