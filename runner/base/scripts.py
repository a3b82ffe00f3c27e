"""Scripts that are written without blanks between words: which letters they are, and a text as the
pieces that a count of words can go by.

One letter with its marks is one piece there, as the official evaluation of MLQA splits Chinese
(Lewis et al. 2020, ``mixed_segmentation`` in mlqa_evaluation_v1.py); everything else is split at
blanks. The script of a letter is Unicode's (UAX #24).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

UNSPACED = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
"""Tibetan has a mark between syllables, and none between words."""
SCRIPTS = (*UNSPACED, "Hangul", "Latin")
"""Those that `letters_by_script` tells apart."""
_LONG_VOWELS = "ーｰ"
"""Kana's prolonged sound marks: letters that Unicode counts to no one script."""


def pieces(text: str) -> list[str]:
    """`text` split at blanks, and every letter of a script without blanks by itself. Punctuation
    stays; where there is no such letter, this is ``text.split()``."""
    if text.isascii():
        return text.split()
    found: list[str] = []
    for word in text.split():
        found += [word] if word.isascii() else _pattern("pieces").findall(word)
    return found


def words(text: str) -> list[str]:
    """Runs of letters, digits and marks of any script, and every letter of a script without
    blanks by itself. Of lower-case ASCII these are rouge-score's words."""
    found: list[str] = _pattern("words").findall(text)
    return found


def has_unspaced(text: str) -> bool:
    """Whether some letter is of a script without blanks."""
    return not text.isascii() and _pattern("letter").search(text) is not None


def unspaced_letters(text: str) -> int:
    """How many letters are of a script without blanks; marks on them do not count."""
    return 0 if text.isascii() else len(_pattern("letter").findall(text))


def letters_by_script(texts: Iterable[str]) -> Counter[str]:
    """Letters by script; those of a script not in `SCRIPTS` stand under ``other``."""
    found: Counter[str] = Counter()
    for text in texts:
        letters = len(_pattern("any letter").findall(text))
        if text.isascii():
            found["Latin"] += letters
            continue
        known = {name: len(_pattern(name).findall(text)) for name in SCRIPTS}
        found.update(known)
        found["other"] += letters - sum(known.values())
    return +found


@cache
def _pattern(name: str) -> Any:
    # Heavy to compile and unknown to the standard `re`: on first use, for texts beyond ASCII.
    import regex

    inside = "".join(rf"\p{{Script={script}}}" for script in UNSPACED) + _LONG_VOWELS
    one = rf"[[{inside}]&&[\p{{L}}\p{{Nl}}]]"
    sources = {
        "letter": one,
        "any letter": r"[\p{L}\p{Nl}]",
        "pieces": rf"{one}\p{{M}}*|(?:(?!{one})\S)+",
        "words": rf"{one}\p{{M}}*|(?:(?!{one})[\p{{L}}\p{{M}}\p{{N}}])+",
    }
    source = sources.get(name) or rf"[\p{{Script={name}}}&&[\p{{L}}\p{{Nl}}]]"
    return regex.compile(source, regex.V1)
