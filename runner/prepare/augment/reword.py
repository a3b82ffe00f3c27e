"""The request to reword a text, from its template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from runner.base.errors import ConfigError, Problem
from runner.config import Augment
from runner.prepare.augment.rules import WHOLE, entity_fields
from runner.records import Row

KEY = "prepare.augment.paraphrase.prompt"


def prompts(template: str, texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Id and filled template of every (id, text). Raises ConfigError when it does not compile,
    fails, or leaves the text out."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        made = environment.from_string(template)
        filled = [(name, made.render(text=text)) for name, text in texts]
    except TemplateError as error:
        hint = "it knows one name: {{ text }}"
        raise ConfigError([Problem(KEY, f"is no template: {error}", hint=hint)]) from error
    if any(text not in prompt for (_, text), (_, prompt) in zip(texts, filled, strict=True)):
        hint = "put {{ text }} where it is to stand"
        raise ConfigError([Problem(KEY, "does not show the text to be reworded", hint=hint)])
    return filled


# Whether what `prepare.augment` names is there.


def check_names(rows: Sequence[Row], augment: Augment) -> None:
    """Raise ConfigError for `columns` that no row has, and for an `entity` that is no field of
    any answer."""
    problems = list(_columns(rows, augment.columns or ()))
    if "entity_swap" in augment.rules:
        problems += _entity(rows, augment.entity)
    if problems:
        raise ConfigError(problems)


def _columns(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[Problem]:
    there = list(dict.fromkeys(name for row in rows for name in row.fields))
    for name in columns:
        if name not in there:
            message = f"there is no input column {name!r}; there are: {', '.join(there) or 'none'}"
            yield Problem("prepare.augment.columns", message, hint=_nearest(name, there))


def _entity(rows: Iterable[Row], field: str | None) -> Iterator[Problem]:
    key = "prepare.augment.entity"
    there = list(dict.fromkeys(name for row in rows for name in entity_fields(row.target)))
    if field is None:
        message = "entity_swap needs to know which field of the answer is the entity"
        hint = f"e.g. entity: {there[0] if there else WHOLE}"
        yield Problem(key, message, hint=hint)
    elif field not in there:
        message = (
            f"no answer has a field {field!r} with a text; there are: {', '.join(there) or 'none'}"
        )
        yield Problem(key, message, hint=_nearest(field, there))


def _nearest(name: str, there: Sequence[str]) -> str:
    close = get_close_matches(name, there, n=1)
    return f"did you mean {close[0]}?" if close else ""
