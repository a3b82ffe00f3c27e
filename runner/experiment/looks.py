"""Looks at test splits: which rows an arm is tested on, and what a verdict on them is worth now."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from runner.base.digests import digest_of
from runner.base.errors import SftError
from runner.base.text import normalize
from runner.config import Suite
from runner.experiment.prepare_stage import PrepareStage
from runner.experiment.render_stage import RenderStage
from runner.experiment.stage import ArmRun
from runner.records import Row, read_jsonl
from runner.records.experiments import ExperimentResult
from runner.records.looks import LookBook, SplitLooks, SplitRows, count_looks
from runner.records.results import ArmResult, Difference
from runner.store.ledger import Ledger
from runner.verdict.verdict import differences

ALIKE = ("unicode", "case", "whitespace")
"""Rows that differ in these only are the same row, so that other cleaning makes no other split."""


def split_rows(run: ArmRun) -> SplitRows:
    """The test rows that the arm is asked, before any template: another prompt is another question
    about the same rows. The arm's data is made if it is not there."""
    rendered = run.read(RenderStage()).file("test")
    return _split_rows(run.read(PrepareStage()) / "test.jsonl", rendered)


@lru_cache(maxsize=8)
def _split_rows(prepared: Path, rendered: Path) -> SplitRows:
    asked = {raw["id"] for raw in read_jsonl(rendered)}
    rows = (Row.from_json(raw) for raw in read_jsonl(prepared))
    return SplitRows.of([_row_digest(row) for row in rows if row.id in asked])


def _row_digest(row: Row) -> str:
    """16 hex digits of what the row asks and what is right."""
    asked = [*(text for _, text in sorted(row.fields.items())), row.system]
    asked += [f"{turn.role}: {turn.text}" for turn in row.history]
    return digest_of([[normalize(text, ALIKE) for text in asked], row.target])[:16]


def tested_on(run: ArmRun, arm: ArmResult) -> SplitRows | None:
    """The test rows that the arm was scored on; None while it has no test score, and in a rehearsal
    on the emulator, where nothing is learned about the model."""
    scored = arm.status == "done" and arm.test and not arm.rehearsal
    return split_rows(run) if scored else None


# What the looks of a ledger say about an experiment.


def with_looks(
    result: ExperimentResult, ledger: Ledger, asked: Suite | None = None
) -> ExperimentResult:
    """The result with what the ledger knows today of looks at its test splits, by the rules of the
    suite that is `asked` for now, or else was. Results that do not say which rows they were tested
    on stay as they are."""
    suite = asked or _suite(result)
    found = _looks_at(result, ledger, suite)
    if suite is None or not found:
        return result
    looks = [each.model_copy(update={"held": _held(each, result, suite)}) for each in found]
    return result.model_copy(update={"looks": looks})


def news(result: ExperimentResult, ledger: Ledger, asked: Suite) -> bool:
    """Whether there is something else to say than when the result was written: other experiments
    have looked at its test splits, or the rules are other ones now."""
    then = [each.model_copy(update={"held": None}) for each in result.looks]
    return bool(then) and then != _looks_at(result, ledger, asked)


def _looks_at(result: ExperimentResult, ledger: Ledger, suite: Suite | None) -> list[SplitLooks]:
    tested = list(dict.fromkeys(arm.tested for arm in result.arms if arm.tested))
    if not tested or suite is None:
        return []
    book = ledger.looks()
    splits = (book.splits[digest] for digest in tested if digest in book.splits)
    return [counted(book, split, suite) for split in splits]


def _suite(result: ExperimentResult) -> Suite | None:
    """The suite that all arms are scored by."""
    sealed = any(each.sealed for each in result.looks)
    for arm in result.arms:
        try:
            suite = Suite.model_validate(arm.config.get("suite"))
        except ValidationError:
            continue
        return suite.model_copy(update={"sealed": suite.sealed or sealed})
    return None


def counted(book: LookBook, split: SplitRows, suite: Suite) -> SplitLooks:
    """What the ledger knows of the split, by the rules of the suite."""
    rules, level = suite.looks, round(1 - suite.bootstrap.confidence, 9)
    return count_looks(
        book, split, level=level, warn=rules.warn, shared=rules.shared, sealed=suite.sealed
    )


def _held(looks: SplitLooks, result: ExperimentResult, suite: Suite) -> Difference | None:
    """The winner's difference at the level that holds for all comparisons together; None where its
    rows are gone or damaged, which is no reason not to count."""
    winner = next((arm for arm in result.arms if arm.digest == _winner(result)), None)
    if winner is None or winner.tested != looks.split or looks.comparisons < 2:
        return None
    level = looks.level / looks.comparisons
    of_recipe = next((item for item in result.recipe_differences if _untuned(item, winner)), None)
    found = of_recipe and _of_runs(of_recipe, level)
    if found is None:
        strict = suite.bootstrap.model_copy(update={"confidence": 1 - level})
        arms = result.arms
        if suite.unanswered == "wrong":  # which rows count does not depend on other arms
            arms = [arm for arm in arms if arm.kind != "tuned" or arm is winner]
        stricter = suite.model_copy(update={"bootstrap": strict})
        seed = int(winner.config.get("seed", 0))
        try:
            again = differences(arms, result.baselines, stricter, seed, result.recipes)
        except SftError:
            return None
        found = next((item for item in again if item.arm == winner.digest), None)
    if found is None:
        return None
    apart = found.low > 0 or found.high < 0
    return found.model_copy(update={"clear": apart and found.p < level})


def _winner(result: ExperimentResult) -> str:
    return result.verdict.winner if result.verdict else ""


def _untuned(found: Difference, winner: ArmResult) -> bool:
    """Whether it is the winner's recipe against the untuned model."""
    return found.arm == (winner.recipe or winner.digest) and not found.runs[1]


def _of_runs(found: Difference, level: float) -> Difference:
    """The interval of a recipe's difference at another level."""
    from runner.statistics.recipes import Estimate

    estimate = Estimate(found.value, found.rows_error**2, found.runs_error**2, found.degrees)
    low, high = estimate.interval(1 - level)
    return found.model_copy(update={"low": low, "high": high})
