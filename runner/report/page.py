"""From a template to one self-contained HTML file that asks the network for nothing.

The page's security policy allows exactly the style sheet and the script that stand in it, by
their digests: markup that slipped into the data could neither load nor run anything.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from markupsafe import Markup, escape

from runner.base.files import replace_text
from runner.base.text import plural
from runner.report import format
from runner.report.format import visible

if TYPE_CHECKING:
    from jinja2 import Environment


def write_page(template: str, values: Mapping[str, object], out: Path) -> None:
    """Render a template of this package to `out`; a reader never sees half a page."""
    style, script = _asset("report.css"), _asset("report.js")
    text = (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup(style),  # our own files, no data in them
            script=Markup(script),
            style_digest=_digest(style),
            script_digest=_digest(script),
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_text(out, text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("runner.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=format.count,
        dollars=format.dollars,
        plural=plural,
        seconds=format.seconds,
        share=format.share,
    )
    return environment


def _finalize(value: Any) -> Any:
    """Last stop of every printed value before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return format.visible(value)
    return value


def _asset(name: str) -> str:
    return (files("runner.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# A small writer of HTML and SVG elements that escapes whatever it is given.


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """One element. Text children and attribute values are made visible and escaped, `Markup`
    children stay as they are; ``_`` in attribute names becomes ``-``, None leaves one out."""
    written = "".join(
        f' {key.strip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(text(child) for child in children)
    return Markup(f"<{name}{written}>") + inner + Markup(f"</{name}>")


def text(value: str | float) -> Markup:
    """`value` as escaped text: floats with at most three decimals, no trailing zeros."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, float):
        return Markup(f"{value:.3f}".rstrip("0").rstrip("."))
    return escape(visible(str(value)))


def percent(value: float) -> str:
    """A position in an SVG as a percentage, so that the picture fits any width."""
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


# Where things are, as pages say it: links between files, the place of a row.


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


class FileLine(Protocol):
    """A line of a file."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...


def where(place: FileLine | None) -> str:
    """``train.jsonl:23``; empty when unknown."""
    return f"{Path(place.file).name}:{place.line}" if place and place.file else ""
