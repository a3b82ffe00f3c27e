"""The files of a source as they are on disk, before anything is read into rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.config import GeminiSource
from runner.records import SPLITS
from runner.sources.decode import opened
from runner.sources.locate import InputFile, locate


def raw_files(source: GeminiSource) -> list[tuple[str, InputFile]]:
    """Each file with the split that names it, no file twice. Raises ConfigError when a path
    leads nowhere."""
    found: dict[str, tuple[str, InputFile]] = {}
    for split, files in locate(source, SPLITS).items():
        for file in files:
            found.setdefault(str(Path(file.path).resolve()), (split, file))
    return list(found.values())


@contextmanager
def raw_lines(file: InputFile) -> Iterator[Iterator[bytes]]:
    """The unpacked lines. Raises DataError when the file cannot be read."""
    with opened(file) as stream:
        yield iter(stream)
