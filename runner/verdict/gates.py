"""The gates `suite.not_worse`: the winner must be shown not to be worse than something by a margin.

That is non-inferiority: p is the one-sided chance of the data where the loss is the margin, and the
gate holds when it is below one minus the suite's confidence. Little data therefore refuses, since
it shows nothing. With replicates the mean of the recipe is held against the one model, and runs
vary as well as rows; without, it is one checkpoint, and rows alone do: by Tango's score test where
they are 0 or 1, else by the t-test that recipes are compared with. All gates have to hold, so
there is nothing to correct for their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError, GateError, Problem
from runner.base.text import plural
from runner.config import NotWorse, Suite
from runner.records import Scale, ScoredRow
from runner.records.experiments import ExperimentResult, Spread, Verdict
from runner.records.gates import GateResult
from runner.records.results import ArmResult, in_groups
from runner.store.ledger import Ledger
from runner.verdict.ranking import strongest
from runner.verdict.recipe_claims import METHOD, Decided, Look, look_at
from runner.verdict.same_rows import LEAST, rows_by_split, same_rows

if TYPE_CHECKING:
    from runner.evaluation.comparison import Contributions
    from runner.statistics.recipes import Estimate

BASELINE = "baseline"
SCORE, ROWS_ALONE = "score test (Tango)", "t, rows"


def check_gates(suite: Suite, kinds: Sequence[str], ledger: Ledger, digest: str) -> None:
    """Raise ConfigError for gates that hold the winner against what there is not: an untuned arm,
    of an experiment whose arms are of these `kinds`, or an earlier experiment with a winner."""
    problems = []
    for number, gate in enumerate(suite.not_worse):
        key = f"suite.not_worse[{number}].than"
        if gate.than == BASELINE and all(kind == "tuned" for kind in kinds):
            message = "is baseline, and there is no untuned arm"
            problems.append(Problem(key, message, hint="baseline.zero_shot: true adds one"))
        elif gate.than != BASELINE and not _predecessor(gate.than, ledger, digest):
            names = {each.name for each in ledger.experiments() if _won(each, digest)}
            listed = ", ".join(sorted(names)) or "none"
            message = f"no experiment {gate.than!r} with a winner was run in this home; there are: "
            problems.append(Problem(key, message + listed))
    if problems:
        raise ConfigError(problems)


def _won(result: ExperimentResult, besides: str) -> bool:
    return result.digest != besides and bool(result.verdict and result.verdict.winner)


def _predecessor(name: str, ledger: Ledger, besides: str) -> ExperimentResult | None:
    """The newest experiment of this name that has a winner."""
    return next((each for each in ledger.experiments(name) if _won(each, besides)), None)


@dataclass(frozen=True)
class Judged:
    """What the gates of an experiment are about."""

    arms: Sequence[ArmResult]
    chosen: ArmResult
    """The arm that would be shipped."""
    looks: int
    """Of how many arms the test rows chose it: then p counts so many times (Bonferroni)."""
    decided: Decided
    ledger: Ledger
    digest: str
    """Of this experiment."""
    earlier: Sequence[Spread]


def gate_results(judged: Judged, suite: Suite) -> list[GateResult]:
    """Every gate of the suite, in its order."""
    return [_gate(judged, gate, suite) for gate in suite.not_worse]


def _gate(judged: Judged, gate: NotWorse, suite: Suite) -> GateResult:
    score = gate.score or suite.primary
    suite = suite.model_copy(update={"primary": score})
    confidence = suite.bootstrap.confidence
    found = GateResult(
        score=score,
        margin=gate.margin,
        than=gate.than,
        arm=judged.chosen.name,
        passed=False,
        confidence=confidence,
        looks=judged.looks,
    )
    done = [arm for arm in judged.arms if arm.status == "done"]
    mine = rows_by_split(judged.chosen)
    peers = next(
        group
        for group in same_rows(done)
        if any(arm.digest == judged.chosen.digest for arm in group)
    )
    against, name = _against(judged, gate, peers, score)
    if against is None:
        return found.model_copy(update={"why": name})
    theirs = rows_by_split(against)
    asked = {(row.id, row.target) for row in mine}
    shared = [row for row in theirs if (row.id, row.target) in asked]
    found = found.model_copy(update={"than": name})
    if len(shared) < LEAST * max(len(mine), len(theirs), 1):
        rows = plural(len(mine), "row")
        why = f"it was tested on other rows: {len(shared):,} of {rows} are the same"
        return found.model_copy(update={"why": why})
    look = _look(judged, peers, against, shared, suite)
    if look:
        recipe = next(each for each in look.recipes if judged.chosen.digest in each.arms)
        return _tested(found, look.contributions, recipe.arms, look, recipe.name)
    from runner.evaluation import contributions

    both = {judged.chosen.digest: mine, THEIRS: shared}
    return _tested(found, contributions(both, score, suite), [judged.chosen.digest], None, "")


def held_against(
    ours: Sequence[ScoredRow],
    theirs: Sequence[ScoredRow],
    suite: Suite,
    margin: float,
    arm: str,
    than: str,
) -> GateResult:
    """One model against another in a suite's primary score, over the rows that both answered."""
    from runner.evaluation import contributions

    found = GateResult(
        score=suite.primary,
        margin=margin,
        than=than,
        arm=arm,
        passed=False,
        confidence=suite.bootstrap.confidence,
    )
    both = {_OURS: ours, THEIRS: theirs}
    return _tested(found, contributions(both, suite.primary, suite), [_OURS], None, "")


_OURS = "ours"
THEIRS = ""
"""Stands for the arm that is held against, among digests."""


def _against(
    judged: Judged, gate: NotWorse, peers: Sequence[ArmResult], score: str
) -> tuple[ArmResult | None, str]:
    """The arm that the winner is held against and its name; or None, and why there is none."""
    if gate.than != BASELINE:
        before = _predecessor(gate.than, judged.ledger, judged.digest)
        if before is None or before.verdict is None:
            return None, f"there is no experiment {gate.than!r} with a winner any more"
        arm = before.arm(before.verdict.winner)
        if not rows_by_split(arm):
            return None, f"the test rows of {before.name} are not there any more"
        return arm, f"{before.name}: {arm.name}"
    untuned = strongest([arm for arm in peers if arm.kind != "tuned"], score)
    if untuned is None:
        return None, "there is no untuned arm on the same rows"
    return untuned, untuned.name


def _look(
    judged: Judged,
    peers: Sequence[ArmResult],
    against: ArmResult,
    shared: Sequence[ScoredRow],
    suite: Suite,
) -> Look | None:
    """The experiment's recipes beside the other arm, where the chosen one has replicates."""
    recipes = judged.decided.recipes
    mine = next((each for each in recipes if judged.chosen.digest in each.arms), None)
    if mine is None or len(mine.arms) < 2:
        return None
    rows = {arm.digest: rows_by_split(arm) for arm in peers if arm.kind == "tuned"}
    by_digest = {arm.digest: arm for arm in peers}
    return look_at({**rows, THEIRS: shared}, by_digest, recipes, suite, judged.earlier)


def _tested(
    found: GateResult, measured: Contributions, arms: Sequence[str], look: Look | None, name: str
) -> GateResult:
    import numpy as np

    from runner.statistics.non_inferiority import score_limit, score_test
    from runner.statistics.recipes import RunSpread, difference_estimate

    if measured.rows < 2:
        return found.model_copy(update={"why": f"{plural(measured.rows, 'row')} cannot tell"})
    ours = np.stack([measured.values[digest] for digest in arms])
    theirs, scale = measured.values[THEIRS][None], measured.scale
    # What is held against is one model and stays it, so that only our runs vary.
    spread = look.spread if look else RunSpread()
    estimate = difference_estimate(ours, theirs, spread, untuned=True, width=scale.width)
    gain, alpha = scale.gain(estimate.value), (1 - found.confidence) / found.looks
    if look is None and not measured.groups and np.isin([ours, theirs], (0, 1)).all():
        change = scale.gain(1.0) * (ours[0] - theirs[0])
        counts = int((change > 0).sum()), int((change < 0).sum()), len(change)
        p, least = score_test(*counts, found.margin), score_limit(*counts, 1 - alpha)
        method = SCORE
    else:
        # The one-sided limit is an end of the two-sided interval of twice the error.
        low, _ = estimate.interval(1 - 2 * alpha)
        p, least = non_inferiority(estimate, scale, found.margin), gain - (estimate.value - low)
        method = METHOD if look else ROWS_ALONE
    p = min(1.0, found.looks * p)
    return found.model_copy(
        update={
            "arm": name or found.arm,
            "passed": p < 1 - found.confidence,
            "ours": float(ours.mean()),
            "theirs": float(theirs.mean()),
            "gain": gain,
            "least": least,
            "p": p,
            "method": method,
            "rows": measured.rows,
            "groups": measured.groups,
            "runs": len(arms) if look else 0,
            "scale": scale,
        }
    )


def non_inferiority(found: Estimate, scale: Scale, margin: float) -> float:
    """One-sided p of a loss of `margin` or more: below alpha, the loss is less than that."""
    return found.above(-margin) if scale.higher_is_better else found.below(margin)


# What the verdict says of them.


def gated(said: Verdict, gates: Sequence[GateResult]) -> Verdict:
    """The verdict with what came of the gates: no winner where one of them does not hold."""
    reasons = [gate_words(each) for each in gates]
    failed = [each for each in gates if not each.passed]
    if not failed or not said.winner:
        return said.model_copy(update={"reasons": [*said.reasons, *reasons]})
    return Verdict(
        headline=f"No winner: {gate_words(failed[0])}",
        reasons=[f"Without that gate: {said.headline}", *reasons, *said.reasons],
    )


def gate_words(found: GateResult) -> str:
    """A sentence for people."""
    number = f"{{:+.{found.scale.places(found.gain, found.margin)}f}}"
    margin = f"{found.margin:g}"
    if found.why:
        return (
            f"{found.arm} is not shown to be within {margin} of {found.than} in {found.score}, "
            f"which {found.asked_by} asks for: {found.why}."
        )
    basis = in_groups(plural(found.rows, "test row"), found.groups)
    if found.runs:
        basis = f"{basis} and {plural(found.runs, 'replicate')}"
    if found.looks > 1:
        basis = f"{basis} that chose it of {plural(found.looks, 'arm')}, as often as which p counts"
    how = (
        f"{number.format(found.gain)}, at worst {number.format(found.least)} with "
        f"{100 * found.confidence:g} % confidence, over {basis}; p = {found.p:.2g}, {found.method}"
    )
    if found.passed:
        return f"{found.arm} is not worse than {found.than} in {found.score} by {margin} ({how})."
    return (
        f"{found.arm} may be worse than {found.than} in {found.score} by {margin} or more ({how}; "
        f"{found.asked_by})."
    )


def exit_code(result: ExperimentResult) -> int:
    """0 all arms done and through all gates; what the arms not done agree on; else 1."""
    codes = {arm.exit_code for arm in result.arms if arm.status in ("failed", "incomplete")}
    if not codes:
        return 0 if all(gate.passed for gate in result.gates) else GateError.exit_code
    return codes.pop() if len(codes) == 1 else 1
