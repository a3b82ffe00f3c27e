"""Which files a split is read from: globs resolved, formats told, every mistake at once."""

from __future__ import annotations

import codecs
import difflib
import glob
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from runner.base.errors import ConfigError, DataError, Problem
from runner.config import ChatSource, FileSource, GeminiSource, WeightedFile
from runner.records import SPLITS

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
}
PACKED = {".gz": "gz", ".gzip": "gz", ".zst": "zst"}

OnDisk = FileSource | GeminiSource | ChatSource


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a split."""

    path: str
    format: str
    """``jsonl``, ``csv``, ``tsv``, ``parquet``; ``hub`` for a split of a hub dataset."""
    part: str = ""
    """The hub dataset's own name of the split."""
    packed: str = ""
    """``gz``, ``zst`` or empty."""
    weight: float = 1.0
    number: int = 1
    """1-based place among the files of the split."""
    entry: int = 1
    """1-based place, among the entries of the split's list, of the one that names the file."""


def locate(source: OnDisk, splits: Sequence[str] = SPLITS) -> dict[str, list[InputFile]]:
    """The files of every split that is given. Raises ConfigError with all mistakes."""
    problems = list(_encoding_problems(source.encoding))
    found: dict[str, list[InputFile]] = {}
    for split in splits:
        if getattr(source, split) is not None:
            found[split] = _files(source, split, problems)
    if problems:
        raise ConfigError(problems)
    return found


def weighted(value: str | Sequence[str | WeightedFile]) -> list[tuple[str, float]]:
    """A split's entries as (path, weight)."""
    entries = [value] if isinstance(value, str) else value
    return [(item, 1.0) if isinstance(item, str) else (item.path, item.weight) for item in entries]


def _files(source: OnDisk, split: str, problems: list[Problem]) -> list[InputFile]:
    key = f"source.{split}"
    files: list[InputFile] = []
    for entry, (pattern, weight) in enumerate(weighted(getattr(source, split)), 1):
        paths = _matches(pattern)
        if not paths:
            problems.append(_nothing_there(key, pattern))
        for path in paths:
            if Path(path).is_dir():
                problems.append(
                    Problem(key, f"{path} is a folder", hint=f"name its files: {path}/*.jsonl")
                )
                continue
            kind, packed, problem = _format(source, path)
            problems.extend(problem)
            files.append(InputFile(path, kind, "", packed, weight, len(files) + 1, entry))
    return files


def _matches(pattern: str) -> list[str]:
    """The file itself when it exists (its name may hold brackets), else what the glob finds; of
    ``gs://`` paths, their local copies."""
    if pattern.startswith("gs://"):
        from runner.sources.gcs import fetched

        return fetched(pattern)
    expanded = str(Path(pattern).expanduser())
    if Path(expanded).exists():
        return [expanded]
    return sorted(glob.glob(expanded, recursive=True)) if glob.has_magic(expanded) else []


def _nothing_there(key: str, pattern: str) -> Problem:
    if pattern.startswith("gs://"):
        return Problem(key, f"no object matches {pattern!r}")
    path = Path(pattern).expanduser()
    if glob.has_magic(pattern):
        return Problem(key, f"no file matches {pattern!r}")
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if folder != path.parent:
        return Problem(key, f"no such file: {path}", hint=f"the folder {folder} is there")
    names = sorted(item.name for item in folder.iterdir() if item.is_file())
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return Problem(
        key, f"no such file: {path}", hint=f"did you mean {folder / close[0]}?" if close else ""
    )


def _format(source: OnDisk, path: str) -> tuple[str, str, list[Problem]]:
    """Format, packing and what is wrong with them."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    packed = PACKED.get(suffixes[-1], "") if suffixes else ""
    if packed:
        suffixes.pop()
    kind: str = source.format
    if kind == "auto":
        kind = FORMATS.get(suffixes[-1], "") if suffixes else ""
    if not kind:
        message = f"cannot tell the format of {path} by its ending"
        hint = "set source.format to jsonl, csv, tsv or parquet"
        return "", packed, [Problem("source.format", message, hint=hint)]
    if kind != "jsonl" and not isinstance(source, FileSource):
        message = f"source.kind {source.kind} reads JSONL, and {path} is {kind}"
        return kind, packed, [Problem("source.kind", message, hint="source.kind: files")]
    if kind == "parquet" and packed:
        message = f"{path}: Parquet is compressed inside; unpack the file first"
        return kind, packed, [Problem("source.format", message)]
    return kind, packed, []


def _encoding_problems(encoding: str) -> Iterator[Problem]:
    try:
        if not codecs.lookup(encoding)._is_text_encoding:
            raise LookupError
    except LookupError:
        yield Problem(
            "source.encoding",
            f"no text encoding is called {encoding!r}",
            hint="common ones: utf-8, utf-16, latin-1, cp1252, shift_jis",
        )


# From a file on disk to lines: unpacked, its byte-order mark recognised, bad bytes marked.

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Longest first: UTF-32's little-endian mark begins with UTF-16's."""

UNDECODABLE = re.compile("[\udc80-\udcff]")
"""What Python's ``surrogateescape`` puts in the place of a byte that is not in the encoding."""


@contextmanager
def opened(file: InputFile) -> Iterator[io.BufferedReader]:
    """The unpacked bytes of a file. Everything that can go wrong while they are read becomes a
    DataError that names the file."""
    try:
        with _unpacked(file) as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file.path} cannot be read: {error}") from error
    except UnicodeError as error:
        raise DataError(
            f"{file.path} is not {getattr(error, 'encoding', 'the given encoding')}: {error}\n"
            "  set source.encoding to the encoding it has, e.g. source.encoding=latin-1"
        ) from error


def encoding_of(stream: io.BufferedReader, declared: str) -> str:
    """The encoding its byte-order mark names, else the declared one."""
    start = stream.peek(4)[:4]
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return encoding
    return declared


@contextmanager
def text_lines(stream: io.BufferedReader, encoding: str, newline: str) -> Iterator[IO[str]]:
    """Decoded lines; bytes that are not in the encoding become lone surrogates."""
    with io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline=newline) as lines:
        yield lines


def bad_byte(text: str, encoding: str) -> str:
    """A sentence on the first undecodable byte in `text`; empty when there is none."""
    found = None if text.isascii() else UNDECODABLE.search(text)
    if not found:
        return ""
    byte = ord(found.group()) - 0xDC00
    name = encoding.removesuffix("-sig")
    return (
        f"byte 0x{byte:02X} at character {found.start() + 1} is not {name}; "
        "if the whole file has another encoding, set source.encoding"
    )


@contextmanager
def _unpacked(file: InputFile) -> Iterator[io.BufferedReader]:
    if file.packed == "gz":
        with gzip.open(file.path, "rb") as stream:
            yield io.BufferedReader(cast(io.RawIOBase, stream))
    elif file.packed == "zst":
        import zstandard

        reader = zstandard.ZstdDecompressor()
        with open(file.path, "rb") as raw:
            try:
                yield io.BufferedReader(
                    cast(io.RawIOBase, reader.stream_reader(raw, read_across_frames=True))
                )
            except zstandard.ZstdError as error:
                raise OSError(error) from error
    else:
        with open(file.path, "rb") as stream:
            yield stream


# The files of a source as they are on disk, before anything is read into rows.


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
