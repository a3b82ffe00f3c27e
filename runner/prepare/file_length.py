"""How long a file on this machine is: seconds of sound or film, pages of a document."""

from __future__ import annotations

from pathlib import Path


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
