"""Ways to say the same: small changes of a text that leave its meaning alone."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import orjson

from runner.config.augment import AugmentRule
from runner.records import Row

WORDS_A_TYPO = 10
"""One slip of the fingers in about as many words (at least one)."""
WORD = re.compile(r"[^\W\d_]{4,}")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
INFORMAL: Mapping[str, str] = MappingProxyType(
    {
        "please": "pls",
        "thanks": "thx",
        "thank you": "thx",
        "you": "u",
        "are": "r",
        "because": "cuz",
        "do not": "don't",
        "does not": "doesn't",
        "did not": "didn't",
        "cannot": "can't",
        "can not": "can't",
        "have not": "haven't",
        "has not": "hasn't",
        "is not": "isn't",
        "I am": "im",
        "I have": "ive",
        "I would": "i'd",
        "going to": "gonna",
        "want to": "wanna",
        "as soon as possible": "asap",
        "by the way": "btw",
        "to be honest": "tbh",
        "tomorrow": "tmrw",
        "message": "msg",
        "with": "w/",
    }
)
"""Written English to the English of a hurried message."""
_FORMAL = re.compile(
    r"\b(" + "|".join(sorted(map(re.escape, INFORMAL), key=len, reverse=True)) + r")\b", re.I
)
_LOWER = {formal.lower(): informal for formal, informal in INFORMAL.items()}


def apply(rule: AugmentRule, text: str, rng: random.Random) -> str:
    """The text changed by one rule of one text; unchanged where the rule finds nothing."""
    return _RULES[rule](text, rng)


def case(text: str, rng: random.Random) -> str:
    """All small, all capital, or the first letter small."""
    return rng.choice([text.lower(), text.upper(), text[:1].lower() + text[1:]])


def typos(text: str, rng: random.Random) -> str:
    """Slips in words of four letters or more: swapped, dropped, doubled or neighbouring keys.
    First letters stay, as they do for people. Words with digits are left alone."""
    words = list(WORD.finditer(text))
    slips = max(1, round(len(text.split()) / WORDS_A_TYPO))
    for word in sorted(rng.sample(words, min(slips, len(words))), key=lambda w: -w.start()):
        text = text[: word.start()] + _slip(word.group(), rng) + text[word.end() :]
    return text


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.choice(["swap", "drop", "double", "key"])
    if kind == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[:at] + word[at] + word[at:]
    return word[:at] + _neighbour(word[at], rng) + word[at + 1 :]


def _neighbour(letter: str, rng: random.Random) -> str:
    """A key beside the letter's on a QWERTY keyboard; the letter itself where it has none."""
    row = next((row for row in KEYS if letter.lower() in row), "")
    at = row.find(letter.lower())
    beside = [row[n] for n in (at - 1, at + 1) if row and 0 <= n < len(row)]
    return rng.choice(beside) if beside else letter


def whitespace(text: str, rng: random.Random) -> str:
    """A doubled blank, blanks at an end, or none after a comma."""
    blanks = [match.start() for match in re.finditer(" ", text)]
    kind = rng.choice(["double", "ends", "comma"])
    if kind == "double" and blanks:
        at = rng.choice(blanks)
        return f"{text[:at]} {text[at:]}"
    if kind == "comma" and ", " in text:
        return text.replace(", ", ",")
    return rng.choice([f"{text} ", f" {text}", f"{text}\n"])


def punctuation(text: str, rng: random.Random) -> str:
    """Without its last mark, without commas, or with the last mark too often."""
    ended = re.search(r"[.!?]+\s*$", text)
    kind = rng.choice(["last", "commas", "more"])
    if kind == "commas" and "," in text:
        return re.sub(r",(?!\d)", "", text)
    if ended and kind == "more":
        return text[: ended.start()] + ended.group().strip() * 3
    if ended:
        return text[: ended.start()]
    return f"{text.rstrip()}!!"


def informal(text: str, rng: random.Random) -> str:
    """Words and phrases as people type them on a telephone (English)."""
    return _FORMAL.sub(lambda found: _LOWER[found.group().lower()], text)


_RULES: Mapping[str, Callable[[str, random.Random], str]] = {
    "case": case,
    "typos": typos,
    "whitespace": whitespace,
    "punctuation": punctuation,
    "informal": informal,
}

# Swapping an entity for another one, in the input, the answer and the slices alike.

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
