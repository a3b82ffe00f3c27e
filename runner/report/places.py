"""Where things are, as pages say it: links between files, the place of a row."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote


def card_name(rendered: Path) -> str:
    """File name of the data card of a rendered folder."""
    return f"data_card_{rendered.name[:8]}.html"


def skew_name(rendered: Path) -> str:
    """File name of the skew page of a rendered folder."""
    return f"skew_{rendered.name[:8]}.html"


def link(target: Path, page: Path) -> str:
    """Relative URL from `page` to `target`; it always starts with a dot, so that no name can
    pass for a scheme."""
    relative = os.path.relpath(target.absolute(), page.absolute().parent)
    return quote(relative if relative.startswith(".") else f"./{relative}", errors="replace")


class Place(Protocol):
    """A line of a file."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...


def where(place: Place | None) -> str:
    """``train.jsonl:23``; empty when unknown."""
    return f"{Path(place.file).name}:{place.line}" if place and place.file else ""
