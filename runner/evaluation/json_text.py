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


def first_value(text: str) -> Any:
    """The first JSON value in `text`. Raises ValueError when there is none.

    The whole text when it is JSON (then also a bare number or string), else the first code
    fence whose content is JSON, else the first object or array in the prose. A piece of a
    broken object is never taken for an answer: the search goes on behind what was read.
    """
    for candidate in (text.strip(), *_fenced(text)):
        try:
            return parse(candidate)
        except ValueError:
            continue
    return _first_structure(text)


def _fenced(text: str) -> Iterator[str]:
    """The contents between the markers of code fences; an unclosed fence runs to the end."""
    return (part.strip() for part in _FENCE.split(text)[1::2])


def _first_structure(text: str) -> Any:
    start = _OPENING.search(text)
    while start:
        try:
            value, _ = _DECODER.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            start = _OPENING.search(text, max(error.pos, start.end()))
            continue
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if _too_deep(value):
            raise ValueError("nested too deeply")
        return value
    raise ValueError("no JSON value in the text")


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
