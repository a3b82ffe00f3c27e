"""The command line behind an experiment's path: Hydra's flags, and overrides ``key=value``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse

_OVERRIDE = re.compile(r"^(?P<sign>\+{0,2}|~)(?P<key>[^=+~]+?)(?:=(?P<value>.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TypedOverride:
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
        alike, so that the schema validates all of them together. Options of groups and deletions
        stay."""
        mapping = (self.value or "").lstrip().startswith("{")
        if self.sign == "~" or (is_group(self.key) and not mapping):
            return self.text
        return f"++{self.text.lstrip('+')}"

    def as_text(self, is_group: Callable[[str], bool]) -> str:
        """The same with the value as plain text, whatever it looks like to Hydra."""
        text = assignment(self.key, self.value or "")
        return text if is_group(self.key) else f"++{text}"


def parse_override(text: str) -> TypedOverride | None:
    """The override in `text`, or None when it is none."""
    found = _OVERRIDE.match(text)
    if found is None or (found["value"] is None and found["sign"] != "~"):
        return None
    return TypedOverride(text, found["key"].partition("@")[0], found["value"], found["sign"])


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


# How things are put in messages: places, values, and what may have been meant.


def place(file: Path, line: int | None = None) -> str:
    """``exp.yaml:12``, relative to the working directory when the file is below it."""
    cwd = Path.cwd()
    shown = file.relative_to(cwd) if file.is_relative_to(cwd) else file
    return f"{shown}:{line}" if line else str(shown)


def quoted(value: Any, width: int = 60) -> str:
    """The value as it would stand in YAML, cut to `width` characters."""
    text = "null" if value is None else f"'{value}'" if isinstance(value, str) else text_of(value)
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def nearest(word: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that `word` most likely is a slip of; case does not count."""
    by_folded = {name.casefold(): name for name in names}
    found = get_close_matches(word.casefold(), by_folded, 1, cutoff)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str | None) -> str:
    return f"did you mean `{name}`?" if name else ""


# References ``${...}`` that an experiment must not make: to what is outside of it.
#
# The environment holds secrets, and a stranger's file could carry them into prompts and reports.
# Text turned into configuration could do the same unseen, so that is refused as well, and so are
# names of resolvers that are only put together when the reference is followed.

_REFUSED = {"oc.env", "oc.decode", "oc.create"}


def outside(text: str) -> str:
    """What is wrong with the references in `text`; empty when nothing is.

    Raises omegaconf.errors.GrammarParseError for a reference that cannot be read.
    """
    if "${" not in text:
        return ""
    for name in _resolvers(parse(text)):
        if name in _REFUSED or "$" in name:
            return (
                f"'${{{name}:...}}' is refused: an experiment must not read what is outside of it; "
                "write the value itself, or give it on the command line"
            )
    return ""


def _resolvers(tree: Any) -> Iterator[str]:
    """Names of all resolvers below `tree`, also of those in arguments of others."""
    if isinstance(tree, OmegaConfGrammarParser.ResolverNameContext):
        yield tree.getText()
    for child in getattr(tree, "children", None) or ():
        yield from _resolvers(child)
