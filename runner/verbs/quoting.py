"""A user's own words inside a YAML file that holds Jinja templates, meaning just themselves."""

from __future__ import annotations

import re

JINJA_WORDS = set("and or not in is if else true false none True False None self super".split())
"""Names that a template cannot use for a column."""


def yaml_word(value: str | list[str]) -> str:
    """The text, or the list of texts, as YAML on one line, quoted when it has to be."""
    import yaml

    plain = [value] if isinstance(value, str) else value
    dumped: str = yaml.safe_dump(
        [no_interpolation(text) for text in plain],
        allow_unicode=all(text.isprintable() for text in plain),
        # Quotes of YAML's own choice break long texts and line ends over several lines.
        default_style=None if all(text.isprintable() for text in plain) else '"',
        default_flow_style=True,
        width=float("inf"),
    )
    line = dumped.removesuffix("\n")
    return line[1:-1] if isinstance(value, str) else line


def no_interpolation(text: str) -> str:
    """The text with each ``${`` escaped, which OmegaConf would take for a reference."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)


def jinja_verbatim(text: str) -> str:
    """The text as a Jinja template that gives the text: what opens a tag becomes a string."""
    return re.sub(r"\{[{%#]", lambda found: f"{{{{ '{found[0]}' }}}}", text)


def one_line(text: str) -> str:
    """The text on one line, fit for a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def jinja_column(name: str) -> str:
    """The column in a Jinja template: by name, or through `row` when it is no plain word."""
    plain = name.isidentifier() and name not in JINJA_WORDS
    return name if plain else f"row[{name!r}]"
