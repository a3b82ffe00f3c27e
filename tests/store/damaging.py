"""Ways to damage a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def cut(file: Path) -> None:
    """Lose the second half."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    """Change one bit in the middle; an empty file gets a byte."""
    data = bytearray(file.read_bytes() or b" ")
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


WAYS: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "cut": cut,
    "emptied": empty,
    "flipped": flip,
}
