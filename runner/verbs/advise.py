"""`sft advise`: the next experiment, written from what was found in the last one."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError
from runner.verbs.common import add_home, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.experiment.next_round import NextRound


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="name or YAML of one that was run")
    add_home(parser)
    parser.add_argument("--out", metavar="NAME", help="name of the next one; here: EXP_next")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def main(options: argparse.Namespace) -> int:
    from runner.verbs.diagnose import findings_of

    result = find_experiment(open_ledger(options.home), options.experiment)
    source = Path(result.file)
    if not source.is_file():
        raise ConfigError(f"the next round builds on {source}, which is not there any more")
    name = options.out or next_name(source.stem)
    target = _target(source, name)
    from runner.experiment.next_round import next_round

    found = next_round(result, findings_of(result), name)
    if found is None:
        raise ConfigError(f"{result.name} has no tuned arm to go on from")
    found = _composing(found, target) if found.changes else found
    _tell(found, target, as_json=options.json)
    if found.changes and not options.json:
        _plan(target)
    return 0


def next_name(stem: str) -> str:
    """``mail`` -> ``mail_next`` -> ``mail_next2`` -> ``mail_next3``."""
    before = re.fullmatch(r"(.*_next)(\d*)", stem)
    return f"{before[1]}{int(before[2] or 1) + 1}" if before else f"{stem}_next"


def _target(source: Path, name: str) -> Path:
    """Where it is written: beside the experiment, and over no file of a person's."""
    from runner.experiment.next_round import MARK

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"--out {name!r}: letters, digits, dots, dashes and underscores only")
    target = source.with_name(f"{name}.yaml")
    if target.is_file() and MARK not in target.read_text(encoding="utf-8"):
        raise ConfigError(f"{target} is there and not sft's own; choose another name: --out NAME")
    return target


def _composing(found: NextRound, target: Path) -> NextRound:
    """The round with the changes that compose with all before them, written to `target`; nothing is
    written, and a file of an earlier advice removed, where none does."""
    from runner.base.files import replace_text
    from runner.compose import compose
    from runner.compose.folders import groups
    from runner.experiment.next_round import as_yaml

    day, known = datetime.now(UTC).date().isoformat(), set(groups(()))

    def composed(asked: NextRound) -> list[object]:
        points: list[object] = []

        def keep(composition: Composition) -> list[float]:
            points.extend(point.experiment for point in composition.points)
            return [0.0] * len(composition.points)

        replace_text(target, as_yaml(asked, known, day))
        compose(target, [], keep)
        return points

    kept = replace(found, changes=[])
    before = composed(kept)
    for change in found.changes:
        more = replace(kept, changes=[*kept.changes, change])
        try:
            after = composed(more)
            why = "" if after != before else f"{change.finding.override} is so already"
        except ConfigError as error:
            after, why = before, f"it does not compose: {' '.join(str(error).split())}"
        if why:
            more = replace(kept, left=[*kept.left, (change.finding, why)])
        kept, before = more, after
    if kept.changes:
        replace_text(target, as_yaml(kept, known, day))
    else:
        target.unlink(missing_ok=True)
    return kept


def _tell(found: NextRound, target: Path, *, as_json: bool) -> None:
    if as_json:
        changes = [
            {"finding": each.finding.id, "words": dict(each.words)} for each in found.changes
        ]
        left = [{"finding": each.id, "why": why} for each, why in found.left]
        file = str(target) if found.changes else None
        print(json.dumps({"file": file, "changes": changes, "left": left}, indent=1))
        return
    from rich.console import Console
    from rich.markup import escape

    terminal = Console(highlight=False)
    for change in found.changes:
        words = " ".join(f"{key}={value}" for key, value in change.words.items())
        terminal.print(f"[bold]{escape(words)}[/]  {escape(change.finding.title)}")
        terminal.print(f"  {escape(change.finding.evidence)}", style="dim")
    for finding, why in found.left:
        terminal.print(f"not changed: {escape(finding.title)} ({escape(why)})")
        terminal.print(f"  {escape(finding.advice)}", style="dim")
    if not found.changes:
        terminal.print(f"nothing to change in {escape(found.of)}: no finding calls for a setting")
        return
    terminal.print(f"\nwrote {escape(str(target))}; its first plan:\n", soft_wrap=True)


def _plan(target: Path) -> None:
    """What it takes, what it costs and what it can show."""
    from runner.verbs import plan

    parser = argparse.ArgumentParser()
    plan.arguments(parser)
    plan.main(parser.parse_args([str(target)]))
