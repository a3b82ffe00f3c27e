"""Swapping an entity for another one, in the input and in the answer alike."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from runner.records import Row

SHORTEST = 3
"""Characters of an entity: shorter ones stand in other words by chance."""


@dataclass(frozen=True, slots=True)
class Entities:
    """The values that a field of the answers takes in training."""

    field: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Row], field: str) -> Entities:
        """Gathered from all rows, in the order of their first use."""
        found = (entity(row.target, field) for row in rows)
        return cls(field, tuple(dict.fromkeys(value for value in found if value)))

    def swapped(self, row: Row, rng: random.Random) -> Row | None:
        """The row with another entity; None when its own does not stand in the input, word for
        word, or there is no other one."""
        own = entity(row.target, self.field)
        others = [value for value in self.values if value.lower() != (own or "").lower()]
        if not own or not others:
            return None
        new, place = rng.choice(others), re.compile(rf"(?<!\w){re.escape(own)}(?!\w)", re.I)
        fields = {key: place.sub(lambda _: new, text) for key, text in row.fields.items()}
        history = row.history
        if history:
            last = history[-1]
            history = (*history[:-1], replace(last, text=place.sub(lambda _: new, last.text)))
        if fields == row.fields and history == row.history:
            return None
        target = _with_entity(row.target, self.field, new)
        return replace(row, fields=fields, history=history, target=target)


def entity(target: str, field: str) -> str | None:
    """The entity in an answer; None when it has none that is a text of some length."""
    if field == "target":
        return target if len(target) >= SHORTEST else None
    value = _record(target).get(field)
    return value if isinstance(value, str) and len(value) >= SHORTEST else None


def _with_entity(target: str, field: str, value: str) -> str:
    if field == "target":
        return value
    return orjson.dumps({**_record(target), field: value}).decode()


def _record(target: str) -> dict[str, Any]:
    try:
        found = orjson.loads(target)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
