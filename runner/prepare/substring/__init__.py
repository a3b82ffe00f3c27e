"""ExactSubstr: spans of tokens that stand more than once, within a text or across texts.

After Lee et al. 2021. A token lies in a repeated span of at least N tokens if, and only if, one of
the N-token windows over it stands twice, so hashes of windows find what a suffix array finds.

Memory, in bytes for a byte of text: 2 for the hashes of windows, 2 for their sorted copy, at most
2 for the table of those that repeat, a quarter for the marks. Beyond 32 million windows (140 MB of
English) hashes are made in parts of 270 MB, so that only the marks grow, and texts beyond 64 MB lie
in a temporary file that the system pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.config import SubstringDedup
from runner.prepare.substring.spans import Span, known_spans, spans_of
from runner.prepare.substring.tokens import Tokens, counted
from runner.prepare.texts import Texts, gather

__all__ = ["Span", "Tokens", "counted", "cut", "repeated_spans"]


def repeated_spans(texts: Texts | Iterable[str], config: SubstringDedup) -> list[Span]:
    """Every longest span that windows of `config.tokens` repeated tokens cover, in order; with
    `keep_first`, none for the first place a window stands at.

    Raises:
        MissingExtraError: `backend: suffix_array` without its package.
    """
    from runner.prepare.substring import repeats, suffix_array

    held, hashed = (
        texts if isinstance(texts, Texts) else gather(texts),
        config.backend == "window_hash",
    )
    if hashed and config.keep_first:
        known = repeats.repeated_with_heads(held, config.tokens)
        if known:
            return known_spans(*known, config.tokens)
    tokens, backend = counted(held), repeats if hashed else suffix_array
    return spans_of(
        tokens, config.tokens, backend.repeated(tokens, config.tokens, config.keep_first)
    )


def cut(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text without these spans (first character, end; in order), one blank in their place."""
    parts, at = [], 0
    for low, high in spans:
        parts.append(text[at:low].strip())
        at = high
    parts.append(text[at:].strip())
    return " ".join(part for part in parts if part)
