"""What one place asks for: a key or a group, and the values or options it gives it.

Overrides and axes of a sweep are both claims, so that they can be held against each other by the
keys they contain: a mapping is its keys, ``tuning={epochs: 3}`` is ``tuning.epochs=3``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SWEEP = ("sweep", "sweep.grid")
"""Mappings whose keys are dotted themselves: they are taken as a whole."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One override, or one axis of a sweep."""

    key: str
    where: str
    """The override as it was typed, or file and line."""
    chooses: bool
    """Whether it chooses options of the group `key`; a mapping is content for the group's key."""
    values: tuple[Any, ...]
    """Its values, or names of options. None of them when it deletes, or when they are not known
    beforehand, as those of an interval."""
    swept: bool

    def sets(self, leaf: str) -> bool:
        """Whether every one of its values says what stands at the dotted key `leaf`."""
        if self.chooses:
            return False
        if not self.values:
            return within(leaf, self.key)
        each = (leaves(self.key, value) for value in self.values)
        return all(any(within(leaf, key) for key, _ in found) for found in each)

    @property
    def leaves(self) -> tuple[tuple[str, Any], ...]:
        """Every dotted key that one of its values sets, with that value."""
        return tuple(leaf for value in self.values for leaf in leaves(self.key, value))


def leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The dotted keys that `value` sets at `key`; none when it is an empty mapping."""
    if isinstance(value, dict) and key not in SWEEP:
        for name, item in value.items():
            yield from leaves(f"{key}.{name}", item)
    else:
        yield key, value


def within(key: str, outer: str) -> bool:
    """Whether the dotted `key` is `outer` or stands in it."""
    return key == outer or key.startswith(f"{outer}.")


def touch(key: str, other: str) -> bool:
    """Whether one of the dotted keys stands in the other."""
    return within(key, other) or within(other, key)


def dotted_group(group: str) -> str:
    """Where a group's content stands: ``prepare.dedup`` for ``prepare/dedup``."""
    return group.replace("/", ".")
