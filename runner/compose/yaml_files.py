"""Reading YAML the way OmegaConf reads it, with libyaml's speed and with line numbers.

Three things differ from plain YAML 1.1, as in OmegaConf: ``1e-3`` is a number, dates stay text,
and a key that stands twice in one mapping is an error.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

Key = tuple[str | int, ...]
"""Where something stands in a document: mapping keys and list positions from the top."""

# YAML 1.2's floats in OmegaConf's spelling: an exponent needs neither a dot nor a sign.
_FLOAT = re.compile(
    r"""^(?:
     [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.X,
)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_STRING = "tag:yaml.org,2002:str"


@cache
def _loader() -> Any:
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {"construct_mapping": _construct_mapping})
    loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    return loader


def _construct_mapping(self: Any, node: yaml.MappingNode, deep: bool = False) -> Any:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag != _STRING:
            continue
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key.value!r} stands here a second time", key.start_mark
            )
        seen.add(key.value)
    return super(_loader(), self).construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> Any:
    """The document in `path` as plain values; shared between calls, so never change it.

    Raises yaml.YAMLError, UnicodeDecodeError and OSError.
    """
    return _document(path, path.stat().st_mtime_ns)[0]


def key_lines(path: Path) -> dict[Key, int]:
    """Line (from 1) of every key and list item of the document in `path`."""
    return _document(path, path.stat().st_mtime_ns)[1]


@lru_cache(maxsize=512)
def _document(path: Path, _changed: int) -> tuple[Any, dict[Key, int]]:
    loader = _loader()(path.read_text(encoding="utf-8-sig"))
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: dict[Key, int] = {}
        _index(node, (), lines)
        return loader.construct_document(node), lines
    finally:
        loader.dispose()


MOST_KEYS = 100_000
"""A document with more keys and items than this is refused, aliases followed: a few lines of
aliases can stand for a document without end."""


def _index(node: yaml.Node, at: Key, lines: dict[Key, int]) -> None:
    """Enter every key below `node`. Raises yaml.YAMLError when there are too many."""
    todo: list[tuple[yaml.Node, Key]] = [(node, at)]
    while todo:
        node, at = todo.pop()
        if len(lines) > MOST_KEYS or len(at) > 50:
            raise yaml.composer.ComposerError(
                None, None, "it nests too deep or has too many keys", node.start_mark
            )
        children: list[tuple[str | int, yaml.Node, yaml.Node]] = []
        if isinstance(node, yaml.MappingNode):
            children = [(str(key.value), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(number, item, item) for number, item in enumerate(node.value)]
        for name, mark, child in children:
            lines[(*at, name)] = mark.start_mark.line + 1
            todo.append((child, (*at, name)))
