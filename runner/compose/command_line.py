"""What stands behind an experiment's path: Hydra's flags, overrides, and what is neither."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override as Parsed
from hydra.core.override_parser.types import ValueType
from hydra.errors import HydraException

from runner.base.errors import Problem
from runner.compose.claims import Claim
from runner.compose.folders import groups, user_confs
from runner.compose.overlaps import said_twice
from runner.compose.request import GROUP, ComposeRequest, OnBatch, ProcessState
from runner.compose.user_yaml import unknown_group, unknown_option
from runner.compose.values import (
    TypedOverride,
    assignment,
    did_you_mean,
    listed,
    nearest,
    parse_override,
)

SWEEP = ("-m", "--multirun")
_PARTS = ("job", "hydra", "all")
_INFOS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_KEY = ("a key",)
_VALUES = {"--cfg": _PARTS, "-c": _PARTS, "--info": _INFOS, "-i": _INFOS}
_VALUES |= {"--package": _KEY, "-p": _KEY}
_FLAGS = (*SWEEP, *_VALUES, "--resolve")


def request_for(
    file: Path, words: Sequence[str], on_batch: OnBatch, outside: ProcessState
) -> tuple[ComposeRequest, list[str]]:
    """The request that `words` behind the experiment `file` make, and Hydra's flags in them.
    What is neither flag nor override is noted in the request."""
    flags, overrides, problems = split(words)
    confs = user_confs(file)
    request = ComposeRequest(
        file=file,
        typed=tuple(overrides),
        multirun=any(flag in SWEEP for flag in flags),
        confs=confs,
        groups=frozenset((*groups(confs), GROUP)),
        on_batch=on_batch,
        outside=outside,
    )
    for problem in problems:
        request.report(problem)
    return request, flags


def split(words: Sequence[str]) -> tuple[list[str], list[TypedOverride], list[Problem]]:
    """Flags with their values, overrides, and the problems with all other words."""
    flags: list[str] = []
    overrides: list[TypedOverride] = []
    problems: list[Problem] = []
    rest = iter(words)
    for word in rest:
        if word in _VALUES:
            value = next(rest, "")
            if value in _VALUES[word] or (value and _VALUES[word] is _KEY):
                flags += [word, value]
            else:
                allowed = " or ".join(_VALUES[word])
                problems.append(Problem("", f"the flag {word} needs {allowed} behind it"))
        elif word in _FLAGS:
            flags.append(word)
        elif word.startswith("-"):
            message = f"there is no flag {word}; the flags are {listed(_FLAGS)}"
            problems.append(Problem("", message, hint=did_you_mean(nearest(word, _FLAGS))))
        elif override := parse_override(word):
            overrides.append(override)
        else:
            problems.append(_no_override(word))
    return flags, overrides, problems


def _no_override(word: str) -> Problem:
    if word.endswith((".yaml", ".yml")) and Path(word).is_file():
        return Problem("", f"one experiment at a time; what should become of {word}?")
    hint = f"`{word}=VALUE` sets a key, `group=option` chooses an option"
    return Problem("", "is no override", f"override {word}", hint)


# The command line behind an experiment's path, checked before Hydra sees it.

_STRUCTURE = re.compile(
    r"""^\s*[\[{'"]|,|^(choice|range|interval|glob|sort|shuffle|tag|extend_list|int|float|str|bool|json_str)\("""
)
"""How a list, a mapping, a quoted text, several values and a function begin."""

_OURS = {
    GROUP: "the experiment is the file that was named first",
    "hydra/launcher": "arms are launched by sft itself",
    "hydra.launcher": "arms are launched by sft itself",
    "hydra.mode": "type -m to sweep",
}


def usable(request: ComposeRequest) -> list[str]:
    """The overrides that can be composed, for Hydra; what is wrong with the others is reported.

    A value that Hydra's grammar cannot read is text, as in ``source.train=~/data(1).csv``,
    unless it was begun as something else.
    """
    parser = OverridesParser.create()
    texts = [text for override in request.typed for text in _usable(request, override, parser)]
    for problem in said_twice(request.claims):
        request.report(problem)
    return texts


def _usable(
    request: ComposeRequest, override: TypedOverride, parser: OverridesParser
) -> Iterator[str]:
    text = override.hydra(request.is_group)
    try:
        parsed = parser.parse_override(text)
    except HydraException as error:
        if override.value is None or _STRUCTURE.search(override.value):
            request.report(_unreadable(override, error))
            return
        text = override.as_text(request.is_group)
        parsed = parser.parse_override(text)
    if parsed.is_sweep_override():
        request.sweeping.add(override.key)
    if problem := _problem(request, override, parsed):
        request.report(problem, unchosen=override.key)
    else:
        request.claims.append(claim_of(override.key, override.named, parsed, parser, request))
        yield text


def claim_of(
    key: str, where: str, parsed: Parsed, parser: OverridesParser, request: ComposeRequest
) -> Claim:
    """What a parsed override or axis asks for; `where` says where it stands."""
    values: tuple[Any, ...] = ()
    if parsed.is_sweep_override():
        if parsed.is_discrete_sweep() and parsed.value_type != ValueType.GLOB_CHOICE_SWEEP:
            each = (f"key={text}" for text in parsed.sweep_string_iterator())
            values = tuple(parser.parse_override(text).value() for text in each)
    elif not parsed.is_delete():
        values = (parsed.value(),)
    chooses = request.is_group(key) and not any(isinstance(value, dict) for value in values)
    return Claim(key, where, chooses, values, parsed.is_sweep_override())


def _unreadable(override: TypedOverride, error: HydraException) -> Problem:
    reason = str(error).splitlines()[0]
    text = assignment(override.key, override.value or "")
    return Problem(
        override.key, f"cannot be read: {reason}", override.named, f'for plain text type "{text}"'
    )


def _problem(request: ComposeRequest, override: TypedOverride, parsed: Parsed) -> Problem | None:
    for ours, why in _OURS.items():
        if override.key == ours or override.key.startswith(f"{ours}."):
            return Problem(override.key, f"cannot be set: {why}", override.named)
    if parsed.is_sweep_override() and not request.multirun:
        return _sweep_without_flag(override)
    if override.key.startswith("hydra/"):
        return None
    if not request.is_group(override.key):
        return unknown_group(request, override.key, override.named) if "/" in override.key else None
    return _choice(request, override, parsed)


def _choice(request: ComposeRequest, override: TypedOverride, parsed: Parsed) -> Problem | None:
    """The problem with one option of a group; those of a sweep are validated job by job."""
    value = parsed.value()
    if value is None and override.sign != "~":
        hint = f"to do without the group type ~{override.key}"
        return Problem(override.key, "null is no option", override.named, hint)
    if override.sign == "~" or parsed.is_sweep_override() or isinstance(value, dict):
        return None
    chosen: Sequence[object] = value if isinstance(value, list) else [value]
    found = (
        unknown_option(request, override.key, str(option), override.named)
        for option in chosen
        if option is not None
    )
    return next((problem for problem in found if problem), None)


def _sweep_without_flag(override: TypedOverride) -> Problem:
    return Problem(
        key=override.key,
        message=f"'{override.value}' reads as several values",
        where=override.named,
        hint=f'type -m to sweep over them, "{override.key}=[...]" for a list, '
        f"or \"{override.key}='...'\" for one text",
    )
