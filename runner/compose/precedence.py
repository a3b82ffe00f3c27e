"""Which place wins when several set the same thing. From the strongest:

1. the command line, swept or not (of two overrides of one key, neither swept, the later one);
2. the file's sweep: ``sweep.grid`` and ``hydra.sweeper.params``;
3. the file's own keys;
4. the defaults in ``conf/``.

It goes by what contains what, not by equal keys: an option that is chosen on a stronger level
takes the place of the whole section that a weaker one wrote for the group, and of the options
that it chose for groups inside; a mapping sets the keys it names, an empty one empties its
section; a key goes on top of an option of its own level. Where that would leave something asked
for without effect, `runner.compose.overlaps` refuses instead.

Hydra merges files after options, so sections that give way are left out as the files are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.compose.claims import SWEEP, dotted_group, within
from runner.compose.points import ReplacedPart
from runner.compose.request import GROUP, ComposeRequest
from runner.compose.values import TypedOverride, place
from runner.compose.yaml_files import Key, key_lines

_EMPTY = re.compile(r"^\{\s*\}$")
_OVERRIDE = re.compile(r"^(?:optional )?override /(?P<group>[^@ ]+)$")


@dataclass(frozen=True, slots=True)
class Overriding:
    """What is set above all files in one composition."""

    groups: frozenset[str] = frozenset()
    """Groups whose option is chosen, or that are deleted."""
    emptied: frozenset[str] = frozenset()
    """Dotted keys whose content is replaced as a whole, whatever files say."""


_NOTHING = Overriding()
STRONGER: ContextVar[Overriding] = ContextVar("set above all files", default=_NOTHING)


@contextmanager
def above_files(
    request: ComposeRequest, overrides: Iterable[TypedOverride]
) -> Iterator[Overriding]:
    """Let files be read without what gives way to `overrides`."""
    token = STRONGER.set(_stronger(request, overrides))
    try:
        yield STRONGER.get()
    finally:
        STRONGER.reset(token)


def _stronger(request: ComposeRequest, overrides: Iterable[TypedOverride]) -> Overriding:
    groups: set[str] = set()
    emptied: set[str] = set()
    for override in overrides:
        value = (override.value or "").strip()
        if override.key == GROUP or override.key.startswith(("hydra.", "hydra/")):
            continue
        if request.is_group(override.key) and not value.startswith("{"):
            groups.add(override.key)
        elif _EMPTY.match(value) or (value.startswith("{") and override.key in SWEEP):
            emptied.add(override.key)
    return Overriding(frozenset(groups), frozenset(emptied))


def prevailing(
    request: ComposeRequest, content: dict[str, Any], file: Path, group: str, package: Key
) -> dict[str, Any]:
    """The `content` of `file`, an option of `group` that goes to `package`, without what gives
    way to something stronger; that is noted in the request."""
    for key, by in giving_way(STRONGER.get(), group, package):
        if _has(content, key):
            line = key_lines(file).get(key)
            dotted = ".".join((*map(str, package), *key))
            request.replaced[ReplacedPart(dotted, place(file, line), said(request, by))] = None
            content = _without(content, key)
    if "defaults" in content:
        content = {**content, "defaults": list(_chosen(request, content, file, group))}
    return content


def giving_way(
    above: Overriding, group: str, package: Key
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys that must not count in an option of `group` that goes to `package`, each with the
    group or key that is set on a stronger level."""
    outer = ".".join(map(str, package))
    for chosen in sorted(above.groups):
        beside = group in above.groups and not _inside(chosen, group)
        if not (beside or _inside(group, chosen)):
            yield from _below(dotted_group(chosen), outer, chosen)
    for key in sorted(above.emptied):
        yield from _below(key, outer, key)


def _below(key: str, outer: str, by: str) -> Iterator[tuple[tuple[str, ...], str]]:
    if key != outer and (not outer or within(key, outer)):
        yield tuple(key[len(outer) :].lstrip(".").split(".")), by


def _inside(group: str, outer: str) -> bool:
    return group == outer or group.startswith(f"{outer}/")


def _chosen(
    request: ComposeRequest, content: dict[str, Any], file: Path, group: str
) -> Iterator[Any]:
    """The defaults list without options for groups inside one that is chosen above."""
    for number, entry in enumerate(content["defaults"]):
        found = _OVERRIDE.match(str(next(iter(entry)))) if isinstance(entry, dict) else None
        if found and (by := _outer(found["group"], group)):
            line = key_lines(file).get(("defaults", number))
            replaced = ReplacedPart(found["group"], place(file, line), said(request, by))
            request.replaced[replaced] = None
        else:
            yield entry


def _outer(named: str, group: str) -> str | None:
    """The group around `named` that is chosen above the files, unless it is that choice which
    the list belongs to."""
    above = STRONGER.get().groups
    if named in above:
        return None
    return next((g for g in above if _inside(named, g) and not _inside(group, g)), None)


def said(request: ComposeRequest, key: str) -> str:
    """Where the group or dotted key is set above the file's own keys: the override, or the line
    of the file that sweeps it."""
    typed = [claim for claim in request.claims if claim.key == key]
    return max(typed, key=lambda claim: claim.swept).where if typed else swept_at(request, key)


def swept_at(request: ComposeRequest, key: str) -> str:
    """The line of the file that sweeps the group or dotted key."""
    lines = key_lines(request.file)
    heads: tuple[Key, ...] = (("sweep", "grid"), ("hydra", "sweeper", "params"))
    found = [line for head in heads if (line := lines.get((*head, key)))]
    return place(request.file, found[0] if found else None)


def _has(content: Any, key: tuple[str, ...]) -> bool:
    for name in key:
        if not isinstance(content, dict) or name not in content:
            return False
        content = content[name]
    return True


def _without(content: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    """A copy of `content`, which is shared between calls, without the key."""
    head, *rest = key
    if not rest:
        return {name: value for name, value in content.items() if name != head}
    return {**content, head: _without(content[head], tuple(rest))}
