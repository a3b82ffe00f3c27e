"""From findings to the next experiment: a YAML that builds on the one that was run and differs only
in what the findings call for.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runner.records.experiments import ExperimentResult
from runner.records.findings import Finding, Findings
from runner.records.results import ArmResult

MARK = "# Written by sft advise"
WIDTH = 98


@dataclass(frozen=True, slots=True)
class Change:
    """What one finding calls for: overrides as they are typed, a key to its value."""

    finding: Finding
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NextRound:
    """The next experiment, before it is written."""

    name: str
    of: str
    """Name of the experiment that it builds on."""
    parent: str
    """Stem of that experiment's file."""
    arm: str
    """Name of the arm that it starts from."""
    typed: Mapping[str, str]
    """What was typed for the experiment beside its file."""
    dropped: Sequence[str]
    """Typed words that have no place in a file."""
    swept: Mapping[str, str]
    """The arm's values of what was swept."""
    changes: Sequence[Change]
    left: Sequence[tuple[Finding, str]] = field(default_factory=list)
    """Findings that no line stands for, and why."""


def next_round(result: ExperimentResult, findings: Findings, name: str) -> NextRound | None:
    """None where no arm was tuned. Of two findings that want one key changed, the worse and surer
    one does: they come in that order."""
    arm = next((each for each in result.arms if each.digest == findings.focus), None)
    if arm is None:
        return None
    typed, dropped = _typed(result.command, arm.varying)
    changes: list[Change] = []
    left: list[tuple[Finding, str]] = []
    taken: dict[str, Change] = {}
    for finding in findings.found:
        if finding.arm not in ("", arm.digest) or finding.severity == "note":
            continue
        words = words_of(finding.override)
        rival = next((taken[key] for key in words if key in taken), None)
        if not words:
            left.append((finding, "no setting does it"))
        elif rival:
            left.append((finding, f"{rival.finding.id} changes the same"))
        elif all(_is_set(arm, key, value) for key, value in words.items()):
            left.append((finding, f"{finding.override} is set already"))
        else:
            changes.append(Change(finding, words))
            taken |= dict.fromkeys(words, changes[-1])
    return NextRound(
        name=name,
        of=result.name,
        parent=Path(result.file).stem,
        arm=arm.name,
        typed=typed,
        dropped=dropped,
        swept=dict(arm.varying),
        changes=changes,
        left=left,
    )


def words_of(override: str) -> dict[str, str]:
    """``a=1 b/c=d`` by key."""
    return dict(word.split("=", 1) for word in shlex.split(override) if "=" in word)


def _is_set(arm: ArmResult, key: str, value: str) -> bool:
    """Whether the arm has that value; of an option it is not known, so it is not said."""
    if "/" in key:
        return False
    found: Any = arm.config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return bool(found is not None and found == yaml.safe_load(value))


def _typed(command: str, varying: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The overrides of a command by key, and those that have no place in a file: a key taken away,
    a secret, Hydra's own. What was swept is the arm's."""
    kept: dict[str, str] = {}
    dropped = []
    for word in shlex.split(command)[3:]:
        key, found, value = word.partition("=")
        key = key.lstrip("+")
        if key.startswith("~") or (found and ("***" in value or key.startswith("hydra"))):
            dropped.append(word)
        elif found and not key.startswith(("-", "sweep")) and key not in varying:
            kept[key] = value
    return kept, dropped


# As YAML.


def as_yaml(found: NextRound, groups: Collection[str], day: str) -> str:
    """The file's text. `groups` are the keys that choose an option."""
    words = dict(found.typed)
    for change in found.changes:
        words |= change.words
    options = {key: value for key, value in words.items() if key in groups and "," not in value}
    swept = {key: value for key, value in found.swept.items() if key not in words}
    grid = {key: [yaml.safe_load(value)] for key, value in swept.items()}
    grid |= {key: [yaml.safe_load(words[key])] for key in found.swept if key in words}
    body: dict[str, Any] = {}
    for key, value in words.items():
        if key not in options and key not in found.swept:
            _put(body, key.split("."), yaml.safe_load(value))
    lines = [
        "# @package _global_",
        f"{MARK}, {day}: the next round of {found.of}, from its arm {found.arm!r}.",
        "#",
        *_story(found),
        "defaults:",
        f"  - {found.parent}",
        *(f"  - override /{key}: {value}" for key, value in options.items() if key not in grid),
        "",
        f"name: {found.name}",
    ]
    if grid:
        lines += [f"# The arm that it starts from: {found.arm}."]
        body = {**body, "sweep": {"grid": grid}}
    if body:
        lines += yaml.safe_dump(body, sort_keys=False, allow_unicode=True).rstrip().splitlines()
    return "\n".join(lines) + "\n"


def _put(body: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = value


def _story(found: NextRound) -> Iterator[str]:
    """Every change with its finding and evidence, and what is left to people."""
    for change in found.changes:
        each = change.finding
        typed = " ".join(f"{key}={value}" for key, value in change.words.items())
        yield from _wrapped(f"{typed}: {each.title} ({each.id}; {each.evidence}).")
    for word in found.dropped:
        yield from _wrapped(f"Typed then, and to be typed again: {word}")
    for finding, why in found.left:
        yield from _wrapped(f"Not changed: {finding.title} ({finding.id}; {why}). {finding.advice}")


def _wrapped(text: str) -> Iterator[str]:
    import textwrap

    plain = " ".join(text.split())
    first, *more = textwrap.wrap(plain, WIDTH - 2) or [""]
    yield f"# {first}"
    yield from (f"#   {line}" for line in textwrap.wrap(" ".join(more), WIDTH - 4))
