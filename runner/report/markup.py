"""A small writer of HTML and SVG elements that escapes whatever it is given."""

from __future__ import annotations

from markupsafe import Markup, escape

from runner.report.wording import visible


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
