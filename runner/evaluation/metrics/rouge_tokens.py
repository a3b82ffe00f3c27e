"""ROUGE's words: rouge-score's own tokenizer, with every stem worked out once.

`rouge_score.tokenize` is light; the scorer beside it pulls in all of nltk (several CPU seconds
next to scikit-learn), so nltk is imported for the stemmer alone and only when stemming is on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Protocol

FOREIGN_SHARE = 0.05
"""Above this share of letters outside a-z in the references, ROUGE is blind to much of them."""


class Stemmer(Protocol):
    def stem(self, word: str) -> str: ...


@lru_cache(maxsize=1 << 14)
def tokens(text: str, stem: bool) -> tuple[str, ...]:
    """Lower-cased runs of ``[a-z0-9]``; with `stem`, Porter stems of words above 3 letters."""
    from rouge_score.tokenize import tokenize

    return tuple(tokenize(text, _stemmer() if stem else None))


def sentences(text: str, stem: bool) -> list[tuple[str, ...]]:
    """The words of each line: rouge-score takes the newline for the end of a sentence."""
    return [tokens(line, stem) for line in text.split("\n") if line]


@cache
def _stemmer() -> Stemmer:
    from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]

    class Remembering:
        """Porter's algorithm is slow and words repeat: a cache takes 80 % of the time away."""

        stem = staticmethod(lru_cache(maxsize=1 << 17)(PorterStemmer().stem))

    return Remembering()


def warnings(references: Sequence[str], types: Sequence[str]) -> Iterator[str]:
    """What a reader should know before believing the numbers."""
    letters = [char for text in references for char in text.lower() if char.isalpha()]
    foreign = sum(not "a" <= char <= "z" for char in letters)
    if letters and foreign / len(letters) > FOREIGN_SHARE:
        yield (
            f"rouge ignores every letter outside a-z, {foreign / len(letters):.0%} of the "
            "references' letters; chrf reads all of them"
        )
    if "rougeLsum" in types and references and not any("\n" in text for text in references):
        yield "rougeLsum splits sentences at newlines; no reference has one, so it equals rougeL"
