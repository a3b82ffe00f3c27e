"""``suite.sealed``: the test split is answered once, by the finalists alone.

All arms answer validation first. The recipe that is best there, all of its replicates, and the
untuned models it is held against are the finalists: their arms then go on to the test split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runner.base.errors import ConfigError, Problem, SftError
from runner.base.text import plural
from runner.experiment.answer_sets import foreseen
from runner.experiment.arms import Arm
from runner.experiment.looks import split_rows
from runner.experiment.render_stage import examples
from runner.experiment.stage import ArmRun
from runner.experiment.stages import Stages, data_stages
from runner.records.results import ArmResult
from runner.verdict.baseline_choice import best_on_validation
from runner.verdict.recipes import recipes
from runner.verdict.same_rows import on_common_rows


def finalists(arms: Sequence[ArmResult], runs: Mapping[str, ArmRun]) -> set[str]:
    """Digests of the arms that answer test, by what all of them did on validation; none as long as
    no tuned arm has a score there.

    Of untuned models only the best one on validation, where all of them have answered that; else
    all that are asked the winner's test rows.
    """
    done = [arm for arm in arms if arm.status == "done"]
    if not done:
        return set()
    experiment = runs[done[0].digest].experiment
    suite, seed = experiment.suite, experiment.seed
    ranked = recipes(on_common_rows(done, suite, seed), suite, seed)
    if not ranked or ranked[0].validation != ranked[0].validation:
        return set()
    best = ranked[0]
    rows = split_rows(runs[best.shipped]).digest
    untuned = [arm for arm in done if arm.kind != "tuned"]
    bars = [arm for arm in untuned if split_rows(runs[arm.digest]).digest == rows]
    chosen = best_on_validation(bars, suite, seed) if bars else ""
    return {*best.arms, *(arm.digest for arm in (bars if isinstance(chosen, str) else chosen[:1]))}


def open_finalists(
    arms: Sequence[Arm],
    results: Mapping[str, ArmResult],
    runs: Mapping[str, ArmRun],
    say: Callable[[str], None],
) -> list[Arm]:
    """Let the finalists answer test, and return them; nothing without ``suite.sealed``. As long as
    an arm is incomplete nobody answers: it may still win, and then the seal would be broken."""
    if not arms[0].experiment.suite.sealed:
        return []
    if late := sum(arm.kind == "tuned" and arm.status == "incomplete" for arm in results.values()):
        say(
            f"sealed: nobody answers test before {plural(late, 'arm')} that may still win "
            f"{'has' if late == 1 else 'have'} come to an end; give the same command again"
        )
        return []
    found = finalists([results[arm.digest] for arm in arms], runs)
    for digest, run in runs.items():
        run.test = "open" if digest in found else "sealed"
    chosen = [arm for arm in arms if arm.digest in found]
    if chosen:
        say(
            f"sealed: {len(chosen)} of {plural(len(arms), 'arm')} answer test, the winner on "
            f"validation and what it is held against: {', '.join(arm.name for arm in chosen)}"
        )
    return chosen


def unanswered(arms: Sequence[ArmResult], runs: Mapping[str, ArmRun]) -> bool:
    """Whether a finalist of a sealed experiment has not answered test yet."""
    if not any(run.experiment.suite.sealed for run in runs.values()):
        return False
    by_digest = {arm.digest: arm for arm in arms}
    return any(by_digest[digest].test is None for digest in finalists(arms, runs))


# Before anything was asked.


def expect_finalists(
    arms: Sequence[Arm],
    runs: Mapping[str, ArmRun],
    stages: Stages,
    known: Sequence[ArmResult] = (),
) -> None:
    """Have forecasts count with finalists: the untuned models, and the recipe that has answered
    test already (`known`). Where none has, any may win: it is the one whose test answers cost most.
    Makes the data where that has a price."""
    if not arms[0].experiment.suite.sealed:
        return
    groups: dict[str, list[ArmRun]] = {}
    for arm in arms:
        run = runs[arm.digest]
        run.test = "expected"
        if arm.kind == "tuned":
            groups.setdefault(arm.recipe, []).append(run)
    opened = {arm.recipe for arm in known if arm.status == "done" and arm.test and arm.recipe}
    costs = {} if opened else {recipe: _test_cost(of, stages) for recipe, of in groups.items()}
    expected = opened or {max(costs, key=lambda recipe: costs[recipe], default="")}
    for recipe, of in groups.items():
        for run in of:
            run.test = "expected" if recipe in expected else "sealed"


def _test_cost(runs: Sequence[ArmRun], stages: Stages) -> float:
    """US dollars that the test answers of all `runs` cost at most, 0 where that is not known."""
    cost = 0.0
    for run in runs:
        paid = [kind for kind in stages if kind.may_cost(run.experiment)]
        for stage in data_stages(run, stages) if paid else ():
            run.make(stage)
        sets = [each for each in foreseen(run) if each.split == "test"] if paid else []
        asking = (stage for each in sets for kind in paid for stage in kind.about(run, each))
        for order in (order for stage in asking for order in stage.asks(run)):
            parts = order.parts(run.experiment.model.priced)
            cost += sum(part.usd.high for part in parts if part.usd)
    return cost


NOTHING_CHOOSES = "is true, and there are no validation rows to choose the finalists by"
GIVE = "give some (source.validation, prepare.split.validation), or type suite.sealed=false"


def refuse_without_validation(runs: Sequence[ArmRun]) -> None:
    """Raise ConfigError where a tuned arm of a sealed experiment has no validation rows. An arm
    whose data cannot be made says so where it runs."""
    for run in runs:
        if run.kind != "tuned" or not run.experiment.suite.sealed:
            continue
        try:
            there = examples(run, "validation")
        except SftError:
            continue
        if not there:
            raise ConfigError([Problem("suite.sealed", NOTHING_CHOOSES, hint=GIVE)])
