"""JSON in model answers: the first value in prose or code fences, and its canonical text.

Answers are hostile, so parsing is strict (RFC 8259: no NaN, no numbers beyond a double), linear
in the length of the text, and refuses nesting deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Deepest nesting accepted; keeps every recursive walk far from Python's own limit."""

_EXACT_FLOAT = 2**53
_OPENING = re.compile(r"[{\[]")
_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n?")
_WHOLE_FENCE = re.compile(r"```[A-Za-z0-9_-]*\s(.*)```", re.DOTALL)
_TOKEN = re.compile(
    r"""[{}\[\]] | "(?:\\.|[^"\\])*+(?:"|$) | (?<=[{\[,:\s])'(?:\\.|[^'\\])*+'(?=\s*+[,:}\]])""",
    re.VERBOSE | re.DOTALL,
)
"""A bracket, or a text in quotes; a single quote opens one only where a value may stand."""
_QUOTE = "[\"'“”‘’„«]"
_WORD = "(?:true|false|null|True|False|None|NaN|-?Infinity|undefined)"
_ITEM = rf"(?:-?\d[\d.eE+-]*+|{_WORD})\s*+(?:[,\]]|\Z)"
_JSON_LIKE = re.compile(
    rf"\{{\s*+(?:{_QUOTE}|\}}|//|/\*|[\w$-]++\s*+:|\Z)|\[\s*+(?:{_QUOTE}|[\[\]{{]|{_ITEM}|\Z)"
)
"""A bracket that begins JSON, whole or broken, and not a remark in prose."""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} does not fit a double")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def parse(text: str) -> Any:
    """The JSON value that `text` is as a whole. Raises ValueError."""
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _too_deep(value):
        raise ValueError("nested too deeply")
    return value


def first_value(text: str, like: Any = None, *, strict: bool = False) -> Any:
    """The JSON value that `text` gives as an answer. Raises ValueError when there is none.

    The whole text when it is JSON (then also a bare number or string), else what stands in code
    fences, else the objects and arrays in the prose; of several the first that is of the same
    type as `like` (an object, a list ...), or, when none is, the first. A piece of a broken
    object or array is never taken for an answer: all that its brackets hold is passed over, and
    all that follows where they are not closed. A ``{`` begins one before a text in quotes, a name
    and a colon, a comment or ``}``, a ``[`` before a quote, a bracket, ``]``, or a number or
    constant and a comma or ``]``; any other bracket is prose, and what follows it is looked at.

    Where `strict`, only a text that is one value as a whole will do, in a fence or without.
    """
    whole = text.strip()
    if strict and (fence := _WHOLE_FENCE.fullmatch(whole)):
        whole = fence.group(1)
    try:
        return parse(whole)
    except ValueError:
        if strict:
            raise
    found = None
    for value in _values(text):
        if like is None or isinstance(value, type(like)):
            return value
        found = found or (value,)
    if found is None:
        raise ValueError("no JSON value in the text")
    return found[0]


def _values(text: str) -> Iterator[Any]:
    """What stands in fences, then the structures in all of the text."""
    structures = list(_structures(text))
    for start, content in _fenced(text):
        if any(low < start < high for low, high, _ in structures):
            continue  # a fence inside a text of an object
        try:
            yield parse(content)
        except ValueError:
            continue
    yield from (values[0] for _, _, values in structures if values)


def _fenced(text: str) -> Iterator[tuple[int, str]]:
    """Where code fences open, and what they hold; an unclosed fence runs to the end."""
    marks = [*_FENCE.finditer(text), None]
    for opening, closing in zip(marks[0::2], marks[1::2], strict=False):
        if opening is not None:
            end = len(text) if closing is None else closing.start()
            yield opening.start(), text[opening.end() : end].strip()


def _structures(text: str) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
    """(start, end, value) of the outermost objects and arrays; no value for a broken one. A broken
    one that is never closed is the last."""
    start = _OPENING.search(text)
    while start:
        try:
            value, end = _DECODER.raw_decode(text, start.start())
            values = () if _too_deep(value) else (value,)
        except (ValueError, RecursionError):
            if not _JSON_LIKE.match(text, start.start()):
                start = _OPENING.search(text, start.end())
                continue
            values, end = (), _end_of_broken(text, start.start())
            if end == len(text):
                return
        yield start.start(), end, values
        start = _OPENING.search(text, end)


def _end_of_broken(text: str, start: int) -> int:
    """Where the structure that opens at `start` is closed, brackets in quotes not counted; the
    end of the text when it is not."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token.group() in ("{", "["):
            depth += 1
        elif token.group() in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)


def _too_deep(value: Any) -> bool:
    """Breadth first, so that the check itself cannot recurse."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return True
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return False


def canonical(value: Any) -> str:
    """One text for equal values: sorted keys, no blanks, whole floats as integers.

    Characters stand as they are; only a text with half surrogate pairs, which UTF-8 cannot
    hold, keeps its escapes.
    """
    plain = mapped(value, lambda text: text)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return text


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with `change` applied to every text in it; keys stay, 1.0 becomes 1."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOAT:
        return int(value)
    return value


def leaves(value: Any, prefix: str = "") -> Iterator[str]:
    """Dotted paths of the fields of an object that hold no further object."""
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def field(value: Any, path: str) -> Any:
    """The value at a dotted path. Raises KeyError when it is not there.

    A key that has a dot in its own name is found as well, the longest such key first.
    """
    if isinstance(value, dict):
        if path in value:
            return value[path]
        for cut in range(len(path) - 1, 0, -1):
            if path[cut] == "." and path[:cut] in value:
                return field(value[path[:cut]], path[cut + 1 :])
    raise KeyError(path)
