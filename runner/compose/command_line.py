"""What stands behind an experiment's path: Hydra's flags, overrides, and what is neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.compose.folders import groups, user_confs
from runner.compose.overrides import Override, parse
from runner.compose.request import GROUP, OnBatch, Request
from runner.compose.surroundings import Surroundings
from runner.compose.words import did_you_mean, listed, near
from runner.errors import Problem

SWEEP = ("-m", "--multirun")
_PARTS = ("job", "hydra", "all")
_INFOS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_KEY = ("a key",)
_VALUES = {"--cfg": _PARTS, "-c": _PARTS, "--info": _INFOS, "-i": _INFOS}
_VALUES |= {"--package": _KEY, "-p": _KEY}
_FLAGS = (*SWEEP, *_VALUES, "--resolve")


def request_for(
    file: Path, words: Sequence[str], on_batch: OnBatch, outside: Surroundings
) -> tuple[Request, list[str]]:
    """The request that `words` behind the experiment `file` make, and Hydra's flags in them.
    What is neither flag nor override is noted in the request."""
    flags, overrides, problems = split(words)
    confs = user_confs(file)
    request = Request(
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


def split(words: Sequence[str]) -> tuple[list[str], list[Override], list[Problem]]:
    """Flags with their values, overrides, and the problems with all other words."""
    flags: list[str] = []
    overrides: list[Override] = []
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
            problems.append(Problem("", message, hint=did_you_mean(near(word, _FLAGS))))
        elif override := parse(word):
            overrides.append(override)
        else:
            problems.append(_no_override(word))
    return flags, overrides, problems


def _no_override(word: str) -> Problem:
    if word.endswith((".yaml", ".yml")) and Path(word).is_file():
        return Problem("", f"one experiment at a time; what should become of {word}?")
    hint = f"`{word}=VALUE` sets a key, `group=option` chooses an option"
    return Problem("", "is no override", f"override {word}", hint)
