"""From a template to one self-contained HTML file that asks the network for nothing.

The page's security policy allows exactly the style sheet and the script that stand in it, by
their digests: markup that slipped into the data could neither load nor run anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from runner.base.files import replace_text
from runner.plural import plural
from runner.report import wording

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
        count=wording.count,
        dollars=wording.dollars,
        plural=plural,
        seconds=wording.seconds,
        share=wording.share,
    )
    return environment


def _finalize(value: Any) -> Any:
    """Last stop of every printed value before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.visible(value)
    return value


def _asset(name: str) -> str:
    return (files("runner.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
