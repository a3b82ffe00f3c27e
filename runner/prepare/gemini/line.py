"""One line of a Gemini tuning file as an object, or what keeps it from being one."""

from __future__ import annotations

import json
from typing import Any

import orjson

from runner.prepare.gemini.finding import Finding, join

CURLY = "“”„‟«»"
DEEPEST = 64
"""Levels of nesting; the service's JSON reader gives up at 100, and rows stand inside others."""


def read_line(line: bytes) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The row, or None, and what is wrong with the line as text."""
    if not line.strip():
        return None, [("blank_line", "the line is empty; every line is one row", "")]
    found: list[Finding] = []
    if line.startswith(b"\xef\xbb\xbf"):
        message = "the file begins with a byte-order mark; write it without"
        found.append(("byte_order_mark", message, ""))
        line = line[3:]
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return None, [*found, not_json(line, error)]
    if not isinstance(row, dict):
        return None, [*found, ("not_object", "each line is one JSON object", "")]
    if _plain(line, row):
        return row, found
    keys, depth = _extent(row)
    if depth > DEEPEST:
        return None, [*found, ("too_deep", f"nested more than {DEEPEST} levels deep", "")]
    # Every key has `":` behind it; more or fewer of them may mean a key that stands twice.
    if line.count(b'":') - line.count(b'\\":') != keys:
        found += _repeated(line)
    return row, found


def not_json(line: bytes, error: json.JSONDecodeError) -> Finding:
    """Why a line is no JSON, in the words of what people did."""
    try:
        text = line.decode()
    except UnicodeDecodeError as fault:
        return "bad_encoding", f"byte 0x{line[fault.start]:02X} is not UTF-8", ""
    if text[error.pos : error.pos + 1] in tuple(CURLY):
        return "curly_quotes", 'JSON takes straight quotes ("), not typographic ones (“ ”)', ""
    if text.strip() in ("{", "[", "}", "]", "},", "],") or not text.rstrip().endswith("}"):
        message = f"{error.msg} at character {error.pos + 1}; one row has to stand on one line"
        return "bad_json", message, ""
    return "bad_json", f"{error.msg} at character {error.pos + 1}", ""


def _plain(line: bytes, row: dict[str, Any]) -> bool:
    """Whether the line is flat, and as long as its value written anew: then no key was lost."""
    if line.count(b"{") + line.count(b"[") > DEEPEST:
        return False
    return len(orjson.dumps(row)) == len(line.rstrip(b"\r\n"))


def _extent(value: Any) -> tuple[int, int]:
    """Keys in a JSON value and its levels, without recursion."""
    keys = depth = 0
    level = [value]
    while level and depth <= DEEPEST:
        depth += 1
        deeper = []
        for item in level:
            if type(item) is dict:
                keys += len(item)
                deeper += [v for v in item.values() if type(v) is dict or type(v) is list]
            else:
                deeper += [v for v in item if type(v) is dict or type(v) is list]
        level = deeper
    return keys, depth


def _repeated(line: bytes) -> list[Finding]:
    """Keys that stand twice in one object: the service's reader refuses them, others take the
    last."""
    names: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            names.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)

    json.loads(line, object_pairs_hook=unique)
    message = "the key stands twice in one object"
    return [("duplicate_key", message, join("", name)) for name in dict.fromkeys(names)]
