"""References ``${...}`` that an experiment must not make: to what is outside of it.

The environment holds secrets, and a stranger's file could carry them into prompts and reports.
Text turned into configuration could do the same unseen, so that is refused as well, and so are
names of resolvers that are only put together when the reference is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse

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
