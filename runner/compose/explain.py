"""One complaint of the schema in words: where, what is wrong, what is allowed, what to type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.base.errors import Problem
from runner.compose.claims import within
from runner.compose.folders import option_files, options
from runner.compose.origin import KeyOrigins, dotted
from runner.compose.request import ComposeRequest
from runner.compose.schema_keys import (
    KIND,
    child_at,
    description_at,
    kind_of,
    kinds_at,
    known_keys,
    models_at,
)
from runner.compose.values import did_you_mean, listed, nearest, quoted
from runner.compose.yaml_files import Key, read_yaml

Saying = tuple[str, str]
"""What is wrong, with the allowed values, and what to type instead."""


def explained(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Problem:
    """The problem that `fault` is."""
    message, hint = _SAYINGS.get(fault.type, _other)(fault, config, places)
    # A mapping where none belongs was made by setting something in it.
    where = isinstance(fault.value, dict) and places.inside(fault.key)
    return Problem(dotted(fault.key), message, where or places.where(fault.key), hint)


def not_set(key: tuple[str | int, ...], config: dict[str, Any], places: KeyOrigins) -> Problem:
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


def _missing(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    return f"is required{_description(fault.key, config)}", _set_it(fault.key, places)


def _set_it(key: Key, places: KeyOrigins) -> str:
    """Where a value can be set. The file's own section counts no more when it gave way."""
    for gone in places.request.replaced:
        if within(dotted(key), gone.key):
            return f"{gone.where} gave way to {gone.by}: type {dotted(key)}=VALUE as well"
    return f"set it in {places.request.file.name}, or type {dotted(key)}=VALUE"


def _unknown_key(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    return unknown_key(fault, config)


def _one_of(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    expected = str(fault.context["expected"])
    meant = nearest(str(fault.value), re.findall(r"'([^']*)'", expected))
    message = f"{quoted(fault.value)} is not allowed; allowed are {expected}"
    return message, f"did you mean '{meant}'?" if meant else ""


def _kind(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    kinds = [kind for model in kinds_at(fault.key[:-1], config) if (kind := kind_of(model))]
    chosen = fault.context.get("tag")
    meant = nearest(str(chosen), kinds) if chosen is not None else None
    wrong = f"there is no kind {quoted(chosen)}" if chosen is not None else "no kind is named"
    return f"{wrong}; the kinds are {listed(kinds)}", did_you_mean(meant)


def _sort(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    """A value of the wrong sort, such as the name of an option where its content belongs."""
    message = f"{quoted(fault.value)} is not {' or '.join(fault.sorts)}"
    group = "/".join(map(str, fault.key))
    known = options(group, places.request.confs)
    if isinstance(fault.value, str) and known:
        if group.replace("/", ".") in places.grid:
            return message, f"to sweep over options, write the key with a slash: `{group}`"
        option = nearest(fault.value, known) or "OPTION"
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


def _bound(
    words: str, bound: str
) -> Callable[[ValidationFault, dict[str, Any], KeyOrigins], Saying]:
    def say(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
        limit = quoted(fault.context[bound]).removesuffix(".0")
        return f"{quoted(fault.value)} is not allowed; it has to be {words} {limit}", ""

    return say


def _number(sort: str) -> Callable[[ValidationFault, dict[str, Any], KeyOrigins], Saying]:
    return lambda fault, config, places: (f"{quoted(fault.value)} is not {sort}", "")


def _count(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    least, most = fault.context.get("min_length"), fault.context.get("max_length")
    wanted = f"at least {least}" if least is not None else f"at most {most}"
    unit = "character" if isinstance(fault.value, str) else "item"
    plural = "" if 1 in (least, most) else "s"
    return f"{quoted(fault.value)} is not allowed; it needs {wanted} {unit}{plural}", ""


def _pattern(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    rule = _description(fault.key, config) or f"; it has to match {fault.context['pattern']}"
    return f"{quoted(fault.value)} is not allowed{rule}", ""


def _other(fault: ValidationFault, config: dict[str, Any], places: KeyOrigins) -> Saying:
    """A rule of the schema's own, which says itself what is wrong; or a rare one of pydantic's."""
    if fault.type == "value_error":
        return fault.message.removeprefix("Value error, "), ""
    return f"{quoted(fault.value)} is not allowed: {fault.message}", ""


_SAYINGS: dict[str, Callable[[ValidationFault, dict[str, Any], KeyOrigins], Saying]] = {
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

# The schema's complaints, brought down to the keys a user writes.
#
# Pydantic puts the names of union members into its paths and complains once for each member that
# did not fit; here every complaint has the path as it stands in YAML, and a value has one.

SORTS = {
    "string_type": "text",
    "list_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "model_attributes_type": "a mapping",
}
"""Complaints about what sort of thing a value is, and the sort that was expected."""

_KINDS = {"union_tag_invalid", "union_tag_not_found"}


@dataclass(frozen=True, slots=True)
class ValidationFault:
    """One complaint of pydantic's."""

    key: Key
    type: str
    """Pydantic's name for it, such as ``extra_forbidden``."""
    message: str
    value: Any
    context: Mapping[str, Any]
    sorts: tuple[str, ...] = field(default=())
    """What sorts of things would have fitted, when that is the complaint."""


def faults(errors: Sequence[Mapping[str, Any]], config: Any) -> list[ValidationFault]:
    """Pydantic's `errors` on `config`, those left out that only say a union member did not fit
    when something deeper says why."""
    found = [fault for error in errors for fault in _each(error, config)]
    kept: dict[tuple[Key, bool], ValidationFault] = {}
    for fault in found:
        if fault.sorts and any(_below(other.key, fault.key) for other in found):
            continue
        at = (fault.key, bool(fault.sorts))
        sorts = (*kept[at].sorts, *fault.sorts) if at in kept else fault.sorts
        kept[at] = replace(kept.get(at, fault), sorts=tuple(dict.fromkeys(sorts)))
    return list(kept.values())


def _each(error: Mapping[str, Any], config: Any) -> Iterator[ValidationFault]:
    """One fault an error; values that do not go together are one each."""
    if error["type"] != "does_not_fit":
        yield _fault(error, config)
        return
    for misfit in error["ctx"]["all"]:
        yield ValidationFault(tuple(misfit.key.split(".")), "value_error", misfit.message, None, {})


def _fault(error: Mapping[str, Any], config: Any) -> ValidationFault:
    kind, loc = error["type"], error["loc"]
    own = loc[-1:] if kind == "missing" else (KIND,) if kind in _KINDS else ()
    key = (*_written(loc[:-1] if kind == "missing" else loc, config), *own)
    sorts = (SORTS[kind],) if kind in SORTS else ()
    return ValidationFault(key, kind, error["msg"], error["input"], error.get("ctx", {}), sorts)


def _written(loc: Sequence[str | int], config: Any) -> Iterator[str | int]:
    """The parts of `loc` that stand in `config`: not kinds and not names of union members."""
    value, untagged = config, True
    for part in loc:
        if isinstance(value, dict) and untagged and value.get(KIND) == part:
            untagged = False
        elif _has(value, part):
            yield part
            value, untagged = value[part], True


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _below(key: Key, other: Key) -> bool:
    return len(key) > len(other) and key[: len(other)] == other


# A key the schema does not know: which one was meant, or why it does not belong there.


def unknown_key(fault: ValidationFault, config: Any) -> tuple[str, str]:
    """What is wrong with an unknown key, and a hint: another kind that knows it, the nearest
    key of its group, the nearest of the whole schema, or the keys there are."""
    group, name = fault.key[:-1], str(fault.key[-1])
    kind = quoted(child_at(config, (*group, KIND)))
    others = [kind_of(m) for m in kinds_at(group, config) if name in m.model_fields]
    if others:
        return f"unknown key of kind {kind}; it belongs to {listed(map(quoted, others))}", ""
    siblings = dict.fromkeys(key for m in models_at(group, config) for key in m.model_fields)
    if beside := nearest(name, siblings):
        return "unknown key", did_you_mean(dotted((*group, beside)))
    inside = f"in `{dotted(group)}`" if group else "at the top"
    keys = f"the keys {inside} are {listed(siblings)}"
    return "unknown key", did_you_mean(_nearest(dotted(fault.key))) or keys


def _nearest(key: str) -> str | None:
    """The key of the whole schema that `key` most likely means: of those with its last name, or
    one like it, the one that reads most like `key`; else whatever reads like it as a whole."""
    names = {known.rpartition(".")[2] for known in known_keys()}
    name = nearest(key.rpartition(".")[2], names, cutoff=0.8)
    same = [known for known in known_keys() if known.rpartition(".")[2] == name]
    return nearest(key, same, cutoff=0.0) or nearest(key, known_keys(), cutoff=0.75)


def mixed_kinds(
    found: Iterable[ValidationFault], config: Any, places: KeyOrigins
) -> dict[Key, Problem]:
    """Groups with unknown keys that come from an option of another kind, since `kind:` was
    changed on top of it instead of choosing another option: one problem for each group."""
    problems: dict[Key, Problem] = {}
    for fault in found:
        group, kind = fault.key[:-1], child_at(config, (*fault.key[:-1], KIND))
        if fault.type != "extra_forbidden" or kind is None:
            continue
        said, key = places.origin((*group, KIND)), places.origin(fault.key)
        if not (said and key and key.layer):
            continue
        under = _kind_in(key.layer.file) if key.layer.package == group else None
        if under not in (None, kind):
            problems[group] = Problem(
                dotted((*group, KIND)),
                f"{quoted(kind)} stands on top of the option '{key.layer.file.stem}', "
                f"which is of kind {quoted(under)} and has other keys",
                said.where,
                _option_of_kind(places.request, "/".join(map(str, group)), kind),
            )
    return problems


def _option_of_kind(request: ComposeRequest, group: str, kind: Any) -> str:
    """How to start from an option of the kind that is wanted; empty when there is none."""
    files = option_files(group, request.confs)
    fitting = sorted(name for name, file in files.items() if _kind_in(file) == kind)
    best = kind if kind in fitting else next(iter(fitting), None)
    return f"choose its option under defaults: `- override /{group}: {best}`" if best else ""


def _kind_in(file: Any) -> Any:
    content = read_yaml(file)
    return content.get(KIND) if isinstance(content, dict) else None
