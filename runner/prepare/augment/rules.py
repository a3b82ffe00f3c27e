"""Ways to say the same: small changes of a text that leave its meaning alone."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from runner.config.augment import AugmentRule

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
