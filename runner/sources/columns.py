"""Which column is what, and what to say when one is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from runner.config import ColumnSource
from runner.errors import ConfigError, DataError, Problem


class Columns:
    """The roles of a table's columns.

    Raises ConfigError when the answer is listed among the inputs.
    """

    def __init__(self, source: ColumnSource) -> None:
        self.target = source.target
        self.id = source.id
        self.group = source.group
        self.references_by = source.references_by
        self.slices = tuple(source.slices)
        self.inputs = tuple(source.input) if source.input else None
        """Input columns in the order they are listed; None for all without another role."""
        if self.inputs and self.target in self.inputs:
            message = f"the target column {self.target!r} cannot be an input as well"
            raise ConfigError([Problem("source.input", message)])
        if source.target in source.media:
            message = f"the target column {self.target!r} cannot be shown to the model"
            raise ConfigError([Problem("source.media", message)])
        self.media = dict(source.media)
        """Columns that name a file, with its MIME type or None."""
        self.media_root = source.media_root
        roles = [
            *(("source.input", name) for name in self.inputs or ()),
            ("source.target", self.target),
            ("source.id", self.id),
            ("source.group", self.group),
            ("source.references_by", self.references_by),
            *(("source.media", name) for name in self.media),
            *(("source.slices", name) for name in self.slices),
        ]
        self.roles = {name: key for key, name in reversed(roles) if name}
        """Column to the config key that names it."""
        self.needed = tuple(name for name in self.roles if name not in self.slices)
        """Columns every row must have; slices may be missing in some."""
        self._taken = {name for name in self.roles if name not in (self.inputs or ())}

    def inputs_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The input columns of a table, or of one JSON object, with these names; media columns
        are among them."""
        listed = self.inputs or tuple(name for name in names if name not in self._taken)
        return (*listed, *(name for name in self.media if name not in listed))

    def used(self, names: Sequence[str]) -> list[str]:
        """The columns that have a role, in the table's order."""
        inputs = self.inputs_of(names)
        return [name for name in names if name in self.roles or name in inputs]

    def check_header(self, file: str, names: Sequence[str]) -> None:
        """Raise DataError unless every needed column is there, naming all that are not. Slices
        may be missing: often only the evaluation rows are labelled."""
        self.refuse(file, [name for name in self.needed if name not in names], names)

    def refuse(self, file: str, missing: Sequence[str], names: Sequence[str]) -> None:
        """Raise DataError when columns are missing, or none is left for the input."""
        lines = [self._not_there(name, names) for name in missing]
        if not missing and not self.inputs_of(names):
            lines = ["there is no input column left: set source.input"]
        if lines:
            there = ", ".join(names)
            lines.append(_separator(names) or f"columns there are: {there or 'none'}")
            raise DataError("\n  ".join([f"{file} does not have the columns asked for:", *lines]))

    def _not_there(self, name: str, names: Sequence[str]) -> str:
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"no column {name!r} ({self.roles[name]}){hint}"


def _separator(names: Sequence[str]) -> str:
    """What to say about a header that another separator would cut."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            hint = "set source.format=tsv" if mark == "\t" else "write it with commas"
            hint = "set source.format=csv" if mark == "," else hint
            return f"the header looks separated by {name}: {names[0]} ({hint})"
    return ""
