"""Records to JSON lines, fast: what `to_json` and `to_gemini` say, without reflection.

A million rows pass through here three times; tests hold these against the records' own methods.
"""

from __future__ import annotations

import orjson

from runner.records import Dropped, Example, Row, Turn, record_line

LINE_BREAKS = (
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
    (b"\xc2\x85", b"\\u0085"),
)
"""Valid in JSON strings, but some readers end a line there."""

GEMINI_ONLY = ("target_parts", "rejected", "extras")
"""Fields of rows that came in Gemini's own format."""


def row_line(row: Row) -> bytes:
    """`Row.to_json` as one line."""
    out: dict[str, object] = {
        "id": row.id,
        "fields": row.fields,
        "target": row.target,
        "origin": {"file": row.origin.file, "line": row.origin.line},
    }
    for name in ("references", "slices", "group", "system"):
        if value := getattr(row, name):
            out[name] = value
    if row.history:
        out["history"] = list(map(_turn, row.history))
    for name in (*GEMINI_ONLY, "media"):
        if value := getattr(row, name):
            out[name] = value
    return orjson.dumps(out) + b"\n"


def example_line(example: Example) -> bytes:
    """`Example.to_json` as one line."""
    out: dict[str, object] = {
        "id": example.id,
        "contents": list(map(_turn, example.contents)),
        "target": example.target,
        "origin": {"file": example.origin.file, "line": example.origin.line},
    }
    for name in ("system", "references", "slices", *GEMINI_ONLY):
        if value := getattr(example, name):
            out[name] = value
    return orjson.dumps(out) + b"\n"


def gemini_line(example: Example) -> bytes:
    """The tuning row as one line, whatever the reader takes for a line's end: with two answers
    a row for preference tuning, else one for supervised tuning."""
    row = example.to_preference() if example.rejected else example.to_gemini()
    line = orjson.dumps(row)
    for raw, escaped in LINE_BREAKS:
        if raw in line:
            line = line.replace(raw, escaped)
    return line + b"\n"


def dropped_line(dropped: Dropped) -> bytes:
    return record_line(dropped)


def _turn(turn: Turn) -> dict[str, object]:
    said: dict[str, object] = {"role": turn.role, "text": turn.text}
    if turn.parts:
        said["parts"] = turn.parts
    return said
