"""Records to rows: columns take their roles, and every fault is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from runner.errors import RowFault
from runner.records import FaultLog, Origin, Row
from runner.sources.columns import Columns
from runner.sources.locate import InputFile
from runner.sources.media import file_type, whole_uri
from runner.sources.record import Record, as_text

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
