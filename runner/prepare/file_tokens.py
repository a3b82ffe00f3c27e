"""How many tokens a file may come to: by its kind, and by its length where it can be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.prepare.file_length import pages, seconds

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
