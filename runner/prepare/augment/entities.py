"""Swapping an entity for another one, in the input, the answer and the slices alike."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from runner.records import Row

SHORTEST = 3
"""Characters of an entity: shorter ones stand in other words by chance."""
WHOLE = "target"
"""Names the answer itself, where it is no JSON object."""
STRING = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")(?P<key>\s*:)?')
"""A string in JSON, and whether it is a key."""


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

    def swapped(self, row: Row, columns: Sequence[str] | None, rng: random.Random) -> Row | None:
        """The row with another entity wherever its own stands word for word: in its input, in all
        texts of its answers, in its slices. None when the input does not name it, a place that
        may not be changed does (the row would contradict itself), or there is no other one."""
        own = entity(row.target, self.field)
        others = [value for value in self.values if value.lower() != (own or "").lower()]
        if not own or not others or row.target_parts:
            return None
        swap = _Swap(own, rng.choice(others))
        free = free_columns(row, columns)
        fixed = [text for name, text in row.fields.items() if name not in free]
        fixed += [turn.text for turn in row.history if turn.parts]
        if any(map(swap.finds, fixed)) or swap.gainsaid(row.system):
            return None
        new = replace(
            row,
            fields={
                name: swap(text) if name in free else text for name, text in row.fields.items()
            },
            history=tuple(replace(turn, text=swap(turn.text)) for turn in row.history),
        )
        if new == row:
            return None
        return replace(
            new,
            target=swap.answer(row.target),
            rejected=swap.answer(row.rejected),
            slices={name: swap(value) for name, value in row.slices.items()},
        )


class _Swap:
    """One entity for another, word for word, whatever its case."""

    def __init__(self, own: str, new: str) -> None:
        self._place = re.compile(rf"(?<!\w){re.escape(own)}(?!\w)", re.I)
        self._new = new

    def __call__(self, text: str) -> str:
        return self._place.sub(lambda _: self._new, text)

    def finds(self, text: str) -> bool:
        return bool(self._place.search(text))

    def gainsaid(self, system: str) -> bool:
        """Whether a system instruction speaks of the old entity; one that names the new one as
        well lists what there is."""
        return self.finds(system) and self._new.lower() not in system.lower()

    def answer(self, target: str) -> str:
        """An answer with the new entity, otherwise as it was written: of a JSON object the texts
        that are values."""
        if not _record(target):
            return self(target)
        return STRING.sub(lambda found: self._value(found, "\\u" in target), target)

    def _value(self, found: re.Match[str], escaped: bool) -> str:
        text = json.loads(found["text"])
        if found["key"] or self(text) == text:
            return found.group()
        return json.dumps(self(text), ensure_ascii=escaped)


def free_columns(row: Row, columns: Sequence[str] | None) -> set[str]:
    """The input columns that may be changed: of those named, or of all, the ones with text."""
    named = row.fields.keys() if columns is None else row.fields.keys() & set(columns)
    return set(named - row.media.keys())


def entity(target: str, field: str) -> str | None:
    """The entity in an answer; None when it has none that is a text of some length."""
    return entity_fields(target).get(field)


def entity_fields(target: str) -> dict[str, str]:
    """What may be the entity of an answer: the fields of a JSON object that are texts of some
    length, else the answer as a whole."""
    texts = _record(target) or {WHOLE: target}
    return {n: text for n, text in texts.items() if isinstance(text, str) and len(text) >= SHORTEST}


def _record(target: str) -> dict[str, Any]:
    try:
        found = orjson.loads(target)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
