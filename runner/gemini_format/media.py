"""The files a row shows: of a kind the model takes, few and small enough, and there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.base.text import plural
from runner.config.model import MediaKind, RowLimits
from runner.gemini_format.row import parts_of
from runner.gemini_format.shapes import Fault, named
from runner.gemini_format.tokens import pages, seconds

Exists = Callable[[str], int | None]
"""Size in bytes of a ``gs://`` object or a local file; None when there is none."""

GS = re.compile(r"gs://[a-z0-9][a-z0-9._-]*/[^\r\n]+")
WEB = re.compile(r"https?://[^\s/]+(/\S*)?")
ASKED = 1_000_000
"""Sizes that are remembered; a dataset has at most 300,000 rows with files."""


def _size_here(path: str) -> int | None:
    file = Path(path)
    return file.stat().st_size if file.is_file() else None


def files_of(row: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Path, part and file data (camelCase) of every file of a row."""
    for at, content in enumerate(row["contents"]):
        for number, part in enumerate(parts_of(content)):
            if len(part) == 1 and "text" in part:
                continue
            keys = named(part)
            if "fileData" in keys:
                path = f"contents[{at}].parts[{number}].fileData"
                yield path, keys, named(keys["fileData"])


class MediaValidator:
    """Holds the files of sound rows against the limits of a model."""

    def __init__(self, limits: RowLimits, exists: Exists | None) -> None:
        self._limits = limits
        self._exists = exists
        self._kinds: dict[str, MediaKind] = {
            mime: kind for kind, limit in limits.media.items() for mime in limit.types
        }
        self._sizes: dict[str, int | None] = {}
        self._lengths: dict[str, float | None] = {}

    def validate(self, row: Mapping[str, Any], resolution: str) -> Iterator[Fault]:
        """What is wrong with the files of a row whose own media resolution is `resolution`."""
        count: Counter[MediaKind] = Counter()
        for path, part, file in files_of(row):
            uri = file["fileUri"]
            kind = self._kinds.get(file["mimeType"].lower())
            if kind is None:
                yield "media_type", self._types(file["mimeType"]), f"{path}.mimeType"
            else:
                count[kind] += 1
                yield from self._span(part, kind, resolution, path)
            if Path(uri).is_absolute() or GS.fullmatch(uri) or WEB.fullmatch(uri):
                yield from self._size(uri, kind, f"{path}.fileUri")
                if kind and Path(uri).is_absolute():
                    yield from self._length(uri, kind, part, resolution, f"{path}.fileUri")
            else:
                message = (
                    "a file is gs://bucket/object, https:// or a whole path on this machine (which "
                    "is uploaded); for columns, set source.media_root"
                )
                yield "media_uri", message, f"{path}.fileUri"
            if part.get("mediaResolution") and not self._limits.part_resolution:
                message = "the model takes mediaResolution for the whole row only"
                yield "part_resolution", message, path.replace("fileData", "mediaResolution")
        for kind, files in count.items():
            most = self._limits.media[kind].files
            if files > most:
                message = f"{plural(files, 'file')} of kind {kind}; the model takes {most} a row"
                yield "too_many_files", message, "contents"

    def _types(self, mime: str) -> str:
        near = [name for name in self._kinds if name.partition("/")[0] == mime.partition("/")[0]]
        return (
            f"{mime[:80]} cannot be tuned on; allowed: {', '.join(near or self._kinds) or 'none'}"
        )

    def _size(self, uri: str, kind: MediaKind | None, path: str) -> Iterator[Fault]:
        here = Path(uri).is_absolute()
        if not here and (self._exists is None or not uri.startswith("gs://")):
            return
        if uri not in self._sizes:
            if len(self._sizes) >= ASKED:
                self._sizes.clear()
            look = _size_here if here or self._exists is None else self._exists
            self._sizes[uri] = look(uri)
        size = self._sizes[uri]
        most = self._limits.media[kind].megabytes if kind else None
        if size is None:
            yield "missing_file", f"there is no {uri[:200]}", path
        elif most and size > most * 1e6:
            message = f"{size / 1e6:,.1f} MB; the model takes {most:g} MB of kind {kind}"
            yield "file_too_large", message, path

    def _length(
        self, uri: str, kind: MediaKind, part: dict[str, Any], resolution: str, path: str
    ) -> Iterator[Fault]:
        """The length of a file on this machine."""
        if kind == "image":
            return
        limit = self._limits.media[kind]
        if uri not in self._lengths:
            self._lengths[uri] = (pages if kind == "document" else seconds)(Path(uri))
        length = self._lengths[uri]
        if length is None:
            return
        if kind == "document":
            if limit.pages and length > limit.pages:
                yield "too_many_pages", f"{length} pages; the model takes {limit.pages}", path
        elif kind == "audio" or not part.get("videoMetadata"):
            yield from self._minutes_held(kind, length, part, resolution, path)

    def _minutes_held(
        self, kind: MediaKind, length: float, part: dict[str, Any], resolution: str, path: str
    ) -> Iterator[Fault]:
        most = self._minutes(kind, part, resolution)
        if length > 60 * most:
            at = " at this resolution" if kind == "video" else ""
            message = f"{length / 60:.1f} minutes; the model takes {most:g}{at}"
            yield f"{kind}_too_long", message, path

    def _span(self, part: dict[str, Any], kind: str, resolution: str, path: str) -> Iterator[Fault]:
        """Where a part says from when to when it is shown."""
        shown = part.get("videoMetadata")
        if not shown:
            return
        span = named(shown)
        start, end = (_seconds(span.get(key)) for key in ("startOffset", "endOffset"))
        place = path.replace("fileData", "videoMetadata")
        if kind != "video":
            yield "video_metadata", "videoMetadata goes with videos only", place
        elif end is not None and end <= (start or 0):
            yield "video_metadata", "endOffset is not after startOffset", place
        elif end is not None:
            length = end - (start or 0)
            yield from self._minutes_held("video", length, part, resolution, place)

    def _minutes(self, kind: MediaKind, part: dict[str, Any], resolution: str) -> float:
        limit = self._limits.media[kind]
        own = named(part.get("mediaResolution") or {}).get("level")
        low = str(own or resolution).endswith("_LOW")
        return (limit.minutes_low if low else None) or limit.minutes or math.inf


def _seconds(text: Any) -> float | None:
    return float(text[:-1]) if text else None
