"""The command line behind an experiment's path: Hydra's flags, and overrides ``key=value``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_OVERRIDE = re.compile(r"^(?P<sign>\+{0,2}|~)(?P<key>[^=+~]+?)(?:=(?P<value>.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Override:
    """One override as it was typed."""

    text: str
    key: str
    """Dotted key, or a group such as ``prepare/dedup``; without ``+`` and ``@package``."""
    value: str | None
    """None where there is no ``=``, which only ``~key`` may do."""
    sign: str

    @property
    def named(self) -> str:
        return f"override {self.text}"

    def hydra(self, is_group: Callable[[str], bool]) -> str:
        """The override for Hydra: values as ``++key=value``, which sets known and unknown keys
        alike, so that the schema judges all of them together. Options of groups and deletions
        stay."""
        mapping = (self.value or "").lstrip().startswith("{")
        if self.sign == "~" or (is_group(self.key) and not mapping):
            return self.text
        return f"++{self.text.lstrip('+')}"

    def as_text(self, is_group: Callable[[str], bool]) -> str:
        """The same with the value as plain text, whatever it looks like to Hydra."""
        text = assignment(self.key, self.value or "")
        return text if is_group(self.key) else f"++{text}"


def parse(text: str) -> Override | None:
    """The override in `text`, or None when it is none."""
    found = _OVERRIDE.match(text)
    if found is None or (found["value"] is None and found["sign"] != "~"):
        return None
    return Override(text, found["key"].partition("@")[0], found["value"], found["sign"])


def text_of(value: Any) -> str:
    """`value` as it reads in a table: plain text, JSON for lists and mappings."""
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_BARE = re.compile(r"^[A-Za-z_./-][A-Za-z0-9_./-]*$")
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "nan", "inf", "-inf", "none"}


def assignment(key: str, value: Any) -> str:
    """``key=value`` in Hydra's grammar, to be typed on a command line (before shell quoting)."""
    return f"{key}={_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        if _BARE.match(value) and value.lower() not in _NOT_TEXT:
            return value
        # Hydra unescapes a backslash only in front of a quote.
        return "'" + re.sub(r"(\\*)('|$)", _escaped_quote, value) + "'"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_literal, value)) + "]"
    return text_of(value)


def _escaped_quote(found: re.Match[str]) -> str:
    slashes, quote = found[1], found[2]
    return slashes * 2 + (f"\\{quote}" if quote else "")
