"""One complaint of the schema in words: where, what is wrong, what is allowed, what to type."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from runner.compose.claims import within
from runner.compose.faults import Fault
from runner.compose.folders import options
from runner.compose.known import description_at, kind_of, kinds_at, models_at
from runner.compose.locate import Places, dotted
from runner.compose.unknown_keys import unknown_key
from runner.compose.words import did_you_mean, listed, near, quoted
from runner.compose.yaml_files import Key
from runner.errors import Problem

Saying = tuple[str, str]
"""What is wrong, with the allowed values, and what to type instead."""


def explained(fault: Fault, config: dict[str, Any], places: Places) -> Problem:
    """The problem that `fault` is."""
    message, hint = _SAYINGS.get(fault.type, _other)(fault, config, places)
    # A mapping where none belongs was made by setting something in it.
    where = isinstance(fault.value, dict) and places.inside(fault.key)
    return Problem(dotted(fault.key), message, where or places.where(fault.key), hint)


def not_set(key: tuple[str | int, ...], config: dict[str, Any], places: Places) -> Problem:
    """The problem of a ``???`` that nobody filled in."""
    about = _description(key, config)
    hint = _set_it(key, places)
    return Problem(dotted(key), f"has no value yet{about}", places.where(key), hint)


def _description(key: tuple[str | int, ...], config: dict[str, Any]) -> str:
    about = description_at(key, config)
    if not about:
        return ""
    first = about[0] if about[1:2].isupper() else about[0].lower()  # JSONL stays JSONL
    return f": {first}{about[1:]}".replace("``", "`").rstrip(".")


def _missing(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    return f"is required{_description(fault.key, config)}", _set_it(fault.key, places)


def _set_it(key: Key, places: Places) -> str:
    """Where a value can be set. The file's own section counts no more when it gave way."""
    for gone in places.request.replaced:
        if within(dotted(key), gone.key):
            return f"{gone.where} gave way to {gone.by}: type {dotted(key)}=VALUE as well"
    return f"set it in {places.request.file.name}, or type {dotted(key)}=VALUE"


def _unknown_key(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    return unknown_key(fault, config)


def _one_of(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    expected = str(fault.context["expected"])
    meant = near(str(fault.value), re.findall(r"'([^']*)'", expected))
    message = f"{quoted(fault.value)} is not allowed; allowed are {expected}"
    return message, f"did you mean '{meant}'?" if meant else ""


def _kind(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    kinds = [kind for model in kinds_at(fault.key[:-1], config) if (kind := kind_of(model))]
    chosen = fault.context.get("tag")
    meant = near(str(chosen), kinds) if chosen is not None else None
    wrong = f"there is no kind {quoted(chosen)}" if chosen is not None else "no kind is named"
    return f"{wrong}; the kinds are {listed(kinds)}", did_you_mean(meant)


def _sort(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    """A value of the wrong sort, such as the name of an option where its content belongs."""
    message = f"{quoted(fault.value)} is not {' or '.join(fault.sorts)}"
    group = "/".join(map(str, fault.key))
    known = options(group, places.request.confs)
    if isinstance(fault.value, str) and known:
        if group.replace("/", ".") in places.grid:
            return message, f"to sweep over options, write the key with a slash: `{group}`"
        option = near(fault.value, known) or "OPTION"
        return message, f"to choose an option: `- override /{group}: {option}` or {group}={option}"
    if isinstance(fault.value, dict) and fault.key[:2] == ("sweep", "grid"):
        return (
            message,
            f"write the swept key with dots: `{fault.key[-1]}.{next(iter(fault.value))}`",
        )
    if "a mapping" in fault.sorts:
        keys = [name for model in models_at(fault.key, config) for name in model.model_fields]
        return message, f"its keys are {listed(dict.fromkeys(keys))}"
    if fault.sorts == ("a list",) and isinstance(fault.value, str | int | float):
        return message, f"write `[{fault.value}]`"
    simple = isinstance(fault.value, int | float)
    return message, "put it in quotes" if simple and "text" in fault.sorts else ""


def _bound(words: str, bound: str) -> Callable[[Fault, dict[str, Any], Places], Saying]:
    def say(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
        limit = quoted(fault.context[bound]).removesuffix(".0")
        return f"{quoted(fault.value)} is not allowed; it has to be {words} {limit}", ""

    return say


def _number(sort: str) -> Callable[[Fault, dict[str, Any], Places], Saying]:
    return lambda fault, config, places: (f"{quoted(fault.value)} is not {sort}", "")


def _count(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    least, most = fault.context.get("min_length"), fault.context.get("max_length")
    wanted = f"at least {least}" if least is not None else f"at most {most}"
    unit = "character" if isinstance(fault.value, str) else "item"
    plural = "" if 1 in (least, most) else "s"
    return f"{quoted(fault.value)} is not allowed; it needs {wanted} {unit}{plural}", ""


def _pattern(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    rule = _description(fault.key, config) or f"; it has to match {fault.context['pattern']}"
    return f"{quoted(fault.value)} is not allowed{rule}", ""


def _other(fault: Fault, config: dict[str, Any], places: Places) -> Saying:
    """A rule of the schema's own, which says itself what is wrong; or a rare one of pydantic's."""
    if fault.type == "value_error":
        return fault.message.removeprefix("Value error, "), ""
    return f"{quoted(fault.value)} is not allowed: {fault.message}", ""


_SAYINGS: dict[str, Callable[[Fault, dict[str, Any], Places], Saying]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _one_of,
    "union_tag_invalid": _kind,
    "union_tag_not_found": _kind,
    "string_pattern_mismatch": _pattern,
    "too_short": _count,
    "too_long": _count,
    "string_too_short": _count,
    "string_too_long": _count,
    "greater_than": _bound("greater than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _number("a whole number")),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _number("a number")),
    **dict.fromkeys(("bool_type", "bool_parsing"), _number("true or false")),
    **dict.fromkeys(
        ("string_type", "list_type", "dict_type", "model_type", "model_attributes_type"), _sort
    ),
}
