"""Spans that repeat in train, cut from the inputs of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from runner.prepare.encode import row_line
from runner.prepare.substring import cut
from runner.records import Row

Spans = Mapping[int, Sequence[tuple[int, int]]]
"""Number of an input text of a row to the spans (first character, end) that go."""
Cuts = Mapping[int, Spans]
"""The same by row."""


def inputs(row: Row) -> list[str]:
    """The texts of a row that spans are looked for in: its columns, or its turns of plain text.
    System instructions are meant to repeat."""
    if row.history:
        return [turn.text for turn in row.history if not turn.parts]
    return list(row.fields.values())


def cut_row(row: Row, spans: Spans) -> Row:
    """The row without the spans."""
    if not row.history:
        named = enumerate(row.fields.items())
        kept = {name: cut(text, spans[at]) if at in spans else text for at, (name, text) in named}
        return replace(row, fields=kept)
    turns, at = [], 0
    for turn in row.history:
        if turn.parts:
            turns.append(turn)
            continue
        turns.append(replace(turn, text=cut(turn.text, spans[at])) if at in spans else turn)
        at += 1
    return replace(row, history=tuple(turns))


def cut_line(line: bytes, spans: Spans) -> bytes:
    """The same for a row's JSON line."""
    return row_line(cut_row(Row.from_json(orjson.loads(line)), spans))
