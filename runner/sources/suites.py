"""External evaluation sets that train must not hold: rows without a target.

Whoever made a suite named its columns, so a row may be read in several ways, each of which becomes
a row of the same origin: by the source's own input columns, else all its texts together and each
by itself. Of a conversation the user's turns count: system instructions and answers differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.config import ChatSource, ColumnSource, FileSource, Source
from runner.records import FaultLog, Origin, Row
from runner.sources.locate import locate
from runner.sources.record import as_text
from runner.sources.sample import AnyColumns
from runner.sources.split import read_table

USER = ("user", "human")


def suite_rows(source: Source, suites: Mapping[str, str], faults: FaultLog) -> Iterator[Row]:
    """The rows of all suites; ids are ``NAME/NUMBER``, the group is the suite's name. Readings of
    one row follow each other."""
    for name, path in suites.items():
        opened = suite_source(path)
        for file in locate(opened, ["test"])["test"]:
            columns = AnyColumns(opened)
            for number, (line, record) in enumerate(read_table("utf-8", columns, faults, file), 1):
                readings = [fields for fields in _readings(record, source) if fields]
                if readings:
                    faults.good()
                origin = Origin(file.path, line)
                for fields in readings:
                    yield Row(f"{name}/{number}", fields, "", origin, group=name)


def suite_source(path: str) -> FileSource:
    """A suite's file or glob as a source with one split."""
    return FileSource(kind="files", test=path)


def _readings(record: Mapping[str, Any], source: Source) -> Iterator[dict[str, str]]:
    """The inputs that a row may be meant to have, by column."""
    for key in ("contents", source.messages if isinstance(source, ChatSource) else "messages"):
        if isinstance(record.get(key), list):
            said = [text for text in map(_said, record[key]) if text]
            yield {f"{number:03}": text for number, text in enumerate(said)}
            return
    named = {name: as_text(value) for name, value in record.items() if value is not None}
    texts = {name: text for name, text in named.items() if text.strip()}
    if not isinstance(source, ColumnSource):
        yield from _each(texts)
        return
    wanted = {name: texts[name] for name in source.input or () if name in texts}
    if wanted:
        yield wanted
        return
    others = {source.target, source.id, source.group, source.references_by, *source.slices}
    yield from _each({name: text for name, text in texts.items() if name not in others} or texts)


def _each(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    if len(texts) > 1:
        yield dict(texts)
    yield from ({name: text} for name, text in texts.items())


def _said(turn: Any) -> str:
    """What the user says in a turn, a chat message or a Gemini content; empty for others."""
    if not isinstance(turn, Mapping) or turn.get("role", "user") not in USER:
        return ""
    told = turn.get("parts") or turn.get("content") or ()
    if isinstance(told, str):
        return told
    parts = [part.get("text") for part in told if isinstance(part, Mapping)]
    return "\n".join(text for text in parts if isinstance(text, str))
