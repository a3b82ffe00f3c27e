"""`sft compare A B --rows`: which test rows the one arm fixes and breaks against the other."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.base.errors import ConfigError
from runner.base.text import plural
from runner.config import Suite
from runner.records import read_rows
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.records.row_changes import ChangedRow, RowChanges, RowLists
from runner.store.artifacts import sound
from runner.store.ledger import Ledger
from runner.verbs.common import find_experiment
from runner.verbs.export import find_arm
from runner.verdict.row_lists import scales
from runner.verdict.same_rows import LEAST

USAGE = "--rows takes one or two of EXP or EXP:ARM, the one before first"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two arms and the experiment it is of."""

    result: ExperimentResult
    arm: ArmResult

    @property
    def name(self) -> str:
        return f"{self.result.name}:{self.arm.name}"

    @property
    def replicate(self) -> str:
        """``replicate 2 of 3, the one to ship``; empty for an arm without replicates."""
        for each in self.result.recipes:
            if self.arm.digest in each.arms and len(each.arms) > 1:
                ships = "the" if each.shipped == self.arm.digest else "not the"
                return f"replicate {self.arm.replicate} of {len(each.arms)}, {ships} one to ship"
        return ""

    def to_json(self) -> dict[str, str]:
        arm = self.arm
        return {"experiment": self.result.name, "arm": arm.name, "digest": arm.digest}


def compare_rows(options: argparse.Namespace, ledger: Ledger) -> int:
    """Print which rows changed, by `options`. Raises ConfigError."""
    from runner.evaluation import changed_rows, row_lists, row_scores, shared_share

    before, after = _sides(options.experiments, ledger)
    suite = _one_suite(before, after)
    metric = _metric(options.metric or after.result.primary, after.arm)
    tolerance = suite.row_tolerance if options.tolerance is None else options.tolerance
    files = [_file(side) for side in (before, after)]
    then, now = (row_scores(read_rows(file), metric) for file in files)
    if shared_share(then, now) < LEAST:
        raise ConfigError(
            f"{before.name} and {after.name} were not tested on the same rows: they share"
            f" {100 * shared_share(then, now):.0f} % of them (id and target), and at least"
            f" {100 * LEAST:.0f} % are needed"
        )
    lists = row_lists(
        then,
        now,
        metric,
        scales(after.arm, before.arm),
        tolerance=tolerance,
        seed=int(after.arm.config.get("seed", 0)),
        arm=after.arm.digest,
        against=before.arm.digest,
    )
    wanted = lists.changed()
    if not options.json:
        wanted = {
            row: kind
            for ids in (lists.regressed, lists.fixed)
            for row in ids[: options.limit]
            if (kind := wanted.get(row))
        }
    texts = [read_rows(file) for file in files]
    found = list(changed_rows(texts[0], texts[1], wanted, lists.changes.metric))
    if options.json:
        print(json.dumps(_as_json(before, after, lists, found), indent=1, ensure_ascii=False))
    else:
        _show(before, after, lists, found)
    return 0


# Which two arms.


def _sides(words: Sequence[str], ledger: Ledger) -> tuple[Side, Side]:
    """The arm before and the arm after."""
    if len(words) == 2:
        first, second = (_side(word, ledger) for word in words)
        return first, second
    if len(words) != 1:
        raise ConfigError(f"{USAGE}; got {len(words)}")
    after = _side(words[0], ledger)
    result = after.result
    against = next((d.against for d in result.differences if d.arm == after.arm.digest), "")
    if not against:
        raise ConfigError(
            f"{after.name} is held against no untuned arm, so name two arms: {USAGE}; the arms are "
            + _names(result)
        )
    return Side(result, result.arm(against)), after


def _side(word: str, ledger: Ledger) -> Side:
    """``EXP`` is the winner, or else the arm that people look at first; ``EXP:ARM`` any arm.
    Either part may hold a colon itself."""
    parts = word.split(":")
    failure: ConfigError | None = None
    for count in range(len(parts), 0, -1):
        experiment, arm = ":".join(parts[:count]), ":".join(parts[count:])
        try:
            result = find_experiment(ledger, experiment)
        except ConfigError as error:
            failure = error
            continue
        if arm:
            return Side(result, find_arm(result, arm, where=word))
        if not result.leading:
            raise ConfigError(
                f"{word}: {result.name} has no tuned arm that was compared; name one of its arms as"
                f" {result.name}:ARM, which are {_names(result)}"
            )
        return Side(result, result.arm(result.leading))
    assert failure
    raise failure


def _names(result: ExperimentResult) -> str:
    return ", ".join(repr(arm.name) for arm in result.arms)


def _file(side: Side) -> Path:
    """The arm's scored test rows. Raises ConfigError where there are none."""
    file = Path(side.arm.predictions.get("test", ""))
    if not file.is_file():
        why = "its rows are not there any more" if "test" in side.arm.predictions else "none yet"
        raise ConfigError(
            f"{side.name} has no scored test rows ({side.arm.status}; {why}); 'sft run"
            f" {side.result.file}' makes them"
        )
    return sound(file)


def _one_suite(before: Side, after: Side) -> Suite:
    """The suite of both. Raises ConfigError where they score the same answer differently."""
    from runner.evaluation import NOT_SCORED

    one, other = (_suite(side) for side in (before, after))
    ours, theirs = (each.model_dump(mode="json", exclude=NOT_SCORED) for each in (one, other))
    # Only what says what a row's own score is: which score counts is asked for here.
    besides = {"primary", "bootstrap", "max_validation", "slice_min"}
    differ = [key for key in ours if key not in besides and ours[key] != theirs[key]]
    if differ:
        keys = ", ".join(f"suite.{key}" for key in differ)
        raise ConfigError(
            f"{before.name} and {after.name} are scored by different measures: {keys}; run one of"
            " them again with the suite of the other, which asks for no answer twice"
        )
    return other


def _suite(side: Side) -> Suite:
    return Suite.model_validate(side.arm.config["suite"])


def _metric(wanted: str, arm: ArmResult) -> str:
    known = list(arm.test.overall) if arm.test else []
    if known and wanted not in known:
        raise ConfigError(f"--metric: {wanted!r} was not measured; measured: {', '.join(known)}")
    return wanted


# What is printed.

WIDTH = 400
"""Characters of a text in the terminal."""


def _as_json(
    before: Side, after: Side, lists: RowLists, rows: Sequence[ChangedRow]
) -> dict[str, Any]:
    of: dict[str, list[Mapping[str, Any]]] = {"fixed": [], "regressed": []}
    for row in rows:
        of[row.change].append(row.to_json())
    changes = json.loads(lists.changes.model_dump_json(exclude={"file", "table"}))
    head = {"before": before.to_json(), "after": after.to_json(), "changes": changes}
    return {**head, **of, "unchanged": lists.unchanged}


def _show(before: Side, after: Side, lists: RowLists, rows: Sequence[ChangedRow]) -> None:
    from runner.report.format import count, one_line

    changes = lists.changes
    for when, side in (("before", before), ("after", after)):
        told = f" ({side.replicate})" if side.replicate else ""
        print(f"{when:<6} {one_line(side.name, WIDTH)}{told}{_score(side, changes.metric)}")
    print(
        f"\nfixed {count(changes.fixed)}, regressed {count(changes.regressed)}, unchanged"
        f" {count(changes.unchanged)} of {changes.basis} on test"
    )
    if changes.test:
        print(f"p = {changes.p:.3g} ({changes.test}), not corrected for other comparisons")
    for line in (changes.note, changes.rule if changes.metric else "", _left_out(changes)):
        if line:
            print(line)
    for kind, ids in (("regressed", lists.regressed), ("fixed", lists.fixed)):
        shown = [row for row in rows if row.change == kind]
        if not shown:
            continue
        of = f"the first {len(shown)} of {count(len(ids))}" if len(shown) < len(ids) else "all"
        print(f"\n{kind} ({of})")
        for row in shown:
            print(f"  {one_line(row.id, 80)}  {row.before:.3g} -> {row.after:.3g}")
            for name, text in _texts(row):
                print(f"    {name:<8} {one_line(text, WIDTH)}")
    if len(rows) < changes.fixed + changes.regressed:
        print("\n--json has all of them with their whole texts; --limit N shows more here")


def _texts(row: ChangedRow) -> list[tuple[str, str]]:
    named = [("asked", row.prompt), ("expected", row.target)]
    return [*named, ("before", row.answer_before), ("after", row.answer_after)]


def _score(side: Side, metric: str) -> str:
    score = side.arm.test.overall.get(metric) if side.arm.test else None
    return f"  {metric} {score.value:.{score.scale.places(score.value)}f}" if score else ""


def _left_out(changes: RowChanges) -> str:
    if not changes.left_out:
        return ""
    rows = plural(changes.left_out, "row")
    return f"{rows} left out: without an answer or a score of one of the two, or other rows."
