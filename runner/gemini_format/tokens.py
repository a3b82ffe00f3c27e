"""Token counts: exact where the backend has the tokenizer, a banded estimate for Gemini."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.records import Example, Turn, parts_text
from runner.records.summaries import SplitTokens, Spread

TokenCounter = Callable[[Sequence[Example]], list[tuple[int, int]] | None]
"""Examples to (prompt, target) token counts; None when it cannot count."""

LOW, HIGH = 5, 3
"""ASCII characters a token, at most and at least. Google's rule of thumb is 4; the band covers
prose (nearer 5) and JSON or code (nearer 3). Any other character is 1/LOW to 1 token."""


def texts(example: Example) -> tuple[str, str]:
    """Everything in front of the answer as one text (files left out), and the answer."""
    turns = [_without_files(turn) if turn.parts else turn.text for turn in example.contents]
    heads = [example.system] if example.system else []
    if tools := example.extras.get("tools"):
        heads.append(json.dumps(tools, ensure_ascii=False))
    return "\n".join([*heads, *turns]), example.target


def file_tokens(example: Example) -> tuple[int, int]:
    """Fewest and most tokens of the example's files."""
    files = [p["fileData"] for t in example.contents for p in t.parts if "fileData" in p]
    bands = list(map(band, files))
    return sum(low for low, _ in bands), sum(high for _, high in bands)


def _without_files(turn: Turn) -> str:
    return parts_text(part for part in turn.parts if "fileData" not in part)


def estimate(text: str) -> tuple[int, int]:
    """Fewest and most Gemini tokens of a text."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    other = len(text) - plain
    return -(-len(text) // LOW), -(-plain // HIGH) + other


class TokenTally:
    """Token counts of one split's rows, four or six numbers a row."""

    def __init__(self, count: TokenCounter) -> None:
        self._count = count
        self.exact: bool | None = None
        """Whether the backend can count; None before the first row."""
        self._prompt, self._target = array("q"), array("q")
        self._low, self._high = 0, 0

    def measure(self, examples: Sequence[Example]) -> list[tuple[int, int, int]]:
        """Per example: (tokens for the limit, fewest, most), prompt and answer together. The
        first is exact, or the fewest it can be."""
        pairs = [texts(example) for example in examples]
        bands = [[estimate(text) for text in pair] for pair in pairs]
        for bounds, example in zip(bands, examples, strict=True):
            if any(turn.parts for turn in example.contents):
                low, high = file_tokens(example)
                bounds[0] = (bounds[0][0] + low, bounds[0][1] + high)
        lows = [prompt[0] + target[0] for prompt, target in bands]
        highs = [prompt[1] + target[1] for prompt, target in bands]
        counted = self._count(examples) if pairs else None
        self.exact = counted is not None if pairs else self.exact
        counts = counted or [(prompt[1], target[1]) for prompt, target in bands]
        self._last = list(zip(counts, lows, highs, strict=True))
        if counted is None:
            return [(least, least, most) for least, most in zip(lows, highs, strict=True)]
        totals = [prompt + target for prompt, target in counts]
        return list(zip(totals, lows, highs, strict=True))

    def keep(self, at: int) -> None:
        """Count example `at` of the last batch in."""
        (prompt, target), low, high = self._last[at]
        self._prompt.append(prompt)
        self._target.append(target)
        self._low += low
        self._high += high

    def summary(self) -> SplitTokens:
        """Totals of one pass over the rows, and how they are spread."""
        total = sum(self._prompt) + sum(self._target)
        return SplitTokens(
            exact=total if self.exact or not self._prompt else None,
            low=self._low,
            high=self._high,
            prompt=Spread.of(self._prompt),
            target=Spread.of(self._target),
        )


# How many tokens a file may come to: by its kind, and by its length where it can be looked at.

FILE_TOKENS = {
    "image": (64, 1290),
    "audio": (32, 32 * 3600),
    "video": (64, 300 * (256 + 32)),
    "application": (258, 300 * 258),
}
"""Fewest and most tokens of one file by the first half of its MIME type, within the limits of
tuning: an image at LOW and at HIGH (1,290 measured for a photo), 32 tokens a second of sound,
one frame a second of video, 258 tokens a page."""
ANYTHING = (1, 1290)
A_SECOND = {"audio": (32, 32), "video": (64, 256 + 32)}
"""Fewest and most tokens of a second."""
A_PAGE = 258
SLOWEST, FASTEST = 1_000, 200_000
"""Bytes a second of compressed sound: 8 kbit/s speech, and more than a compact disc holds."""


def band(file: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most tokens of one file (`fileData`). One on this machine is looked at: its
    header says how long it is; where it does not, the size bounds the length of a recording."""
    mime = str(file.get("mimeType", ""))
    kind = mime.partition("/")[0]
    low, high = FILE_TOKENS.get(kind, ANYTHING)
    path = Path(str(file.get("fileUri", "")))
    if not path.is_absolute() or not path.is_file():
        return low, high
    if mime == "application/pdf" and (count := pages(path)):
        return count * A_PAGE, count * A_PAGE
    if kind not in A_SECOND:
        return low, high
    least, most = A_SECOND[kind]
    exact = seconds(path)
    if exact is not None:
        return int(exact * least) or 1, int(exact * most) + most
    if kind == "video":
        return low, high
    size = path.stat().st_size
    return max(1, size // FASTEST * least), min(high, (size // SLOWEST + 1) * most)


# How long a file on this machine is: seconds of sound or film, pages of a document.


def seconds(path: Path) -> float | None:
    """Length of a recording or a film as its header says it (WAV, MP3, MP4, OGG, Opus, FLAC ...);
    None where that cannot be read, as in WebM."""
    from tinytag import TinyTag, TinyTagException

    try:
        return TinyTag.get(path, tags=False).duration or None
    except (TinyTagException, OSError):
        return None


def pages(path: Path) -> int | None:
    """Pages of a PDF; None where they cannot be counted."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        with path.open("rb") as raw:
            return len(PdfReader(raw).pages)
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # what a broken PDF raises depends on where it is broken
