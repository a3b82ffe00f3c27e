"""Text normalisers, shared by deduplication, leakage checks and evaluation.

A sequence of named steps, applied in the order given:

- ``unicode``       NFKC composition
- ``case``          Unicode case folding
- ``lower``         lower case, as SQuAD's script has it (``case`` also makes ß to ss)
- ``punctuation``   remove every character of a Unicode punctuation category, and ``$+<=>^`|~``
- ``ascii_punctuation``  remove `string.punctuation` and nothing else, as SQuAD's script does
- ``final_punctuation``  remove full stops, commas, ``;:!?`` and blanks at the end
- ``articles``      the English articles a, an, the become a blank (SQuAD's rule)
- ``alphanumeric``  every character that is no letter, number or combining mark becomes a blank
- ``whitespace``    runs of white space become one blank, ends trimmed
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.IGNORECASE)
_ASCII_SYMBOLS = "$+<=>^`|~"
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_FINAL = ".,;:!?。！？؟।" + string.whitespace


class _Punctuation(dict[int, int | None]):
    """What `str.translate` puts for a code point, found out when it first occurs: to look at all
    of Unicode takes a third of a second."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        goes = char in _ASCII_SYMBOLS or unicodedata.category(char).startswith("P")
        self[code] = None if goes else code
        return self[code]


class _Alphanumeric(dict[int, int]):
    """What `str.translate` puts for a code point, found out when it first occurs. Substituting by
    the regular expression takes 13 times as long for ASCII, twice for German."""

    def __init__(self) -> None:
        # The standard `re` takes vowel signs of Indic scripts for punctuation: marks have to stay.
        import regex

        self._stays: Any = regex.compile(r"[\p{L}\p{M}\p{N}]").match

    def __missing__(self, code: int) -> int:
        self[code] = code if self._stays(chr(code)) else ord(" ")
        return self[code]


_alphanumeric = cache(_Alphanumeric)
_punctuation = _Punctuation()


STEPS: dict[str, Callable[[str], str]] = {
    "unicode": lambda text: unicodedata.normalize("NFKC", text),
    "case": str.casefold,
    "punctuation": lambda text: text.translate(_punctuation),
    "lower": str.lower,
    "ascii_punctuation": lambda text: text.translate(_ASCII_PUNCTUATION),
    "final_punctuation": lambda text: text.rstrip(_FINAL) or text,
    "articles": lambda text: _ARTICLES.sub(" ", text),
    "alphanumeric": lambda text: text.translate(_alphanumeric()),
    "whitespace": lambda text: " ".join(text.split()),
}


def normalize(text: str, steps: Sequence[str]) -> str:
    """Return `text` after each of `steps`. Raises KeyError for a step not in `STEPS`."""
    for step in steps:
        text = STEPS[step](text)
    return text


# A number and what it counts, in one or in many.


def plural(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``, ``12,345 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
