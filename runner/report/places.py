"""Where things are, as pages say it: links between files, the place of a row."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
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


def where(origin: Any) -> str:
    """``train.jsonl:23``; empty when unknown."""
    if not isinstance(origin, dict) or not origin.get("file"):
        return ""
    return f"{Path(str(origin['file'])).name}:{origin.get('line', '?')}"
