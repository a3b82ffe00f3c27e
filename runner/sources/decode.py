"""From a file on disk to lines: unpacked, its byte-order mark recognised, bad bytes marked."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from runner.errors import DataError
from runner.sources.locate import InputFile

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


def text_lines(stream: io.BufferedReader, encoding: str, newline: str) -> IO[str]:
    """Decoded lines; bytes that are not in the encoding become lone surrogates."""
    return io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline=newline)


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
