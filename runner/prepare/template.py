"""Rows to examples through sandboxed Jinja templates, compiled once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.base.errors import ConfigError, Problem
from runner.config import Template
from runner.records import Example, Row, Turn, parts_text, plain_text

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

PARTS = ("system", "prompt", "target")


class Renderer:
    """Makes examples of rows.

    Templates see the input columns by name, `input` when there is just one, and `row` for names
    that are no identifiers (``{{ row["Order no."] }}``); the target template also `target`. For
    rows that arrive as turns `input` is the text of the last user turn, and the prompt template
    makes the new one; its files stay, and so does an answer that calls functions. Files of media
    columns follow the prompt. A row's own system instruction goes before the template's.

    Raises ConfigError, for all three templates at once, when one does not compile or names a
    column that does not exist.
    """

    def __init__(self, template: Template, columns: Sequence[str]) -> None:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        self._columns = tuple(columns)
        environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        problems: list[Problem] = []
        self._render: dict[str, Callable[[Mapping[str, object]], str]] = {}
        for part in PARTS:
            text = getattr(template, part)
            problems += self._problems(environment, part, text)
            if not problems:
                self._render[part] = _compiled(environment, text)
        if problems:
            raise ConfigError(problems)

    def __call__(self, row: Row) -> Example:
        """The row as the model will see it. Raises ConfigError when a template fails on it."""
        names = self._names(row)
        system = row.system or self._part("system", names, row)
        prompt = self._part("prompt", names, row)
        last = prompted(row.history[-1], prompt) if row.history else with_files(prompt, row)
        return Example(
            row.id,
            (*row.history[:-1], last),
            row.target if row.target_parts else self._answer(row.target, names, row),
            row.origin,
            system,
            row.references,
            row.slices,
            row.target_parts,
            self._answer(row.rejected, names, row) if row.rejected else "",
            row.extras,
        )

    def _answer(self, answer: str, names: dict[str, object], row: Row) -> str:
        return self._part("target", {**names, "target": answer}, row)

    def _names(self, row: Row) -> dict[str, object]:
        fields = {name: row.fields.get(name, "") for name in self._columns}
        names: dict[str, object] = {"row": fields, **fields}
        if row.history:
            names["input"] = spoken(row.history[-1])
        elif row.media and not fields:
            names.setdefault("input", "")
        elif len(fields) == 1:
            names.setdefault("input", *fields.values())
        return names

    def _part(self, part: str, names: Mapping[str, object], row: Row) -> str:
        try:
            return self._render[part](names)
        except Exception as error:  # a template may fail in any way Python can
            where = f"{row.origin.file}:{row.origin.line}"
            message = f"fails on row {row.id} ({where}): {type(error).__name__}: {error}"
            raise ConfigError([Problem(f"template.{part}", message)]) from error

    def _problems(self, environment: SandboxedEnvironment, part: str, text: str) -> list[Problem]:
        from jinja2 import TemplateSyntaxError, meta

        key = f"template.{part}"
        try:
            named = meta.find_undeclared_variables(environment.parse(text))
        except TemplateSyntaxError as error:
            return [Problem(key, f"line {error.lineno} of the template: {error.message}")]
        known = {"row", *self._columns, *environment.globals}
        known |= {"target"} if part == "target" else set()
        known |= {"input"} if len(self._columns) <= 1 else set()
        return [self._unknown(key, name, known) for name in sorted(named - known)]

    def _unknown(self, key: str, name: str, known: set[str]) -> Problem:
        columns = ", ".join(self._columns) or "none (the rows are turns; use `input`)"
        if name == "input":
            message = f"`input` stands for the only input column, and there are several: {columns}"
            return Problem(key, message, hint=f"name one: {{{{ {self._columns[0]} }}}}")
        if name == "target":
            return Problem(key, "the answer cannot be part of the prompt; columns: " + columns)
        close = difflib.get_close_matches(name, sorted(known - {"row"}), n=1)
        hint = f"did you mean {{{{ {close[0]} }}}}?" if close else "see source.input"
        return Problem(key, f"there is no column {name!r}; columns: {columns}", hint=hint)


def _compiled(
    environment: SandboxedEnvironment, text: str
) -> Callable[[Mapping[str, object]], str]:
    """A function of the names; a template without any Jinja in it is a constant."""
    from jinja2.runtime import new_context

    template = environment.from_string(text)
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        constant = template.render()
        return lambda names: constant
    shared, blocks = dict(environment.globals), template.blocks

    def render(names: Mapping[str, object]) -> str:
        # What `template.render` does, without walking the globals anew for every row.
        context = new_context(environment, None, blocks, {**shared, **names}, shared=True)
        return "".join(template.root_render_func(context))

    return render


# Turns of parts on their way through preparation: what of them is text, and how it is changed.


def spoken(turn: Turn) -> str:
    """The text that somebody said: without the files and the function calls among it."""
    return plain_text(turn.parts) if turn.parts else turn.text


def repaired(turn: Turn, repair: Callable[[str], str]) -> Turn:
    """The turn with each of its texts repaired; everything else stays as it is."""
    if not turn.parts:
        return Turn(turn.role, repair(turn.text))
    parts = tuple({**p, "text": repair(p["text"])} if "text" in p else p for p in turn.parts)
    return Turn(turn.role, parts_text(parts), parts)


def prompted(turn: Turn, prompt: str) -> Turn:
    """The turn with `prompt` for its text. Where the text is not changed, or the turn answers a
    function call, it stays as it is; else the prompt comes first and the files follow."""
    if not turn.parts:
        return Turn("user", prompt)
    if prompt == spoken(turn) or any("functionResponse" in part for part in turn.parts):
        return turn
    return _turn(prompt, (part for part in turn.parts if "text" not in part))


def with_files(prompt: str, row: Row) -> Turn:
    """A user turn of the prompt and the files that the row's media columns name."""
    files = (
        {"fileData": {"mimeType": mime, "fileUri": row.fields[name]}}
        for name, mime in row.media.items()
    )
    return _turn(prompt, files) if row.media else Turn("user", prompt)


def _turn(prompt: str, files: Iterable[Mapping[str, Any]]) -> Turn:
    parts = (*([{"text": prompt}] if prompt else []), *files)
    return Turn("user", parts_text(parts), parts)


def cleaned_row(row: Row, repair: Callable[[str], str]) -> Row:
    """The row with all its texts repaired but those of files and function calls."""
    return replace(
        row,
        fields={
            name: text if name in row.media else repair(text) for name, text in row.fields.items()
        },
        target=row.target if row.target_parts else repair(row.target),
        references=tuple(map(repair, row.references)),
        system=repair(row.system),
        history=tuple(repaired(turn, repair) for turn in row.history),
        rejected=repair(row.rejected),
    )
