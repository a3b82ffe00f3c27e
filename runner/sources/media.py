"""Files that a column names: where they are, and of what type."""

from __future__ import annotations

import mimetypes
from pathlib import Path

REMOTE = ("gs://", "https://", "http://")
TYPES = {
    ".webp": "image/webp",
    ".flac": "audio/flac",
    ".m4a": "audio/m4a",
    ".mp3": "audio/mp3",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
}
"""Endings whose type Python does not know on every machine, or calls differently from Google."""


def file_type(uri: str, given: str | None) -> str:
    """The MIME type: the given one, else by the ending; empty when nobody knows."""
    path = uri.partition("?")[0] if uri.startswith(REMOTE) else uri
    ending = Path(path).suffix.lower()
    return given or TYPES.get(ending) or mimetypes.guess_type(path)[0] or ""


def whole_uri(value: str, root: str | None, file: str) -> str:
    """A URI as it is; a relative path below `root`, or beside the data file."""
    if value.startswith(REMOTE) or Path(value).is_absolute():
        return value
    if root is not None:
        return f"{root.rstrip('/')}/{value.removeprefix('./')}"
    return str(Path(file).parent / value)
