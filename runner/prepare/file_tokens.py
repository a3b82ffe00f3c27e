"""How many tokens a file may come to: by its kind, and by its length where it can be looked at."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
A_SECOND = 32
"""Tokens of a second of sound."""
SLOWEST, FASTEST = 1_000, 200_000
"""Bytes a second of compressed sound: 8 kbit/s speech, and more than a compact disc holds."""


def band(file: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most tokens of one file (`fileData`). A recording on this machine is looked at:
    the header of a WAV says its length, the size of another file bounds it."""
    kind = str(file.get("mimeType", "")).partition("/")[0]
    low, high = FILE_TOKENS.get(kind, ANYTHING)
    path = Path(str(file.get("fileUri", "")))
    if kind != "audio" or not path.is_absolute() or not path.is_file():
        return low, high
    exact = _seconds(path)
    if exact is not None:
        return (int(exact * A_SECOND) or 1, int(exact * A_SECOND) + A_SECOND)
    size = path.stat().st_size
    return max(1, size // FASTEST * A_SECOND), min(high, (size // SLOWEST + 1) * A_SECOND)


def _seconds(path: Path) -> float | None:
    """Length of a WAV file; None for anything else."""
    try:
        with wave.open(str(path), "rb") as sound:
            return sound.getnframes() / sound.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError, OSError):
        return None
