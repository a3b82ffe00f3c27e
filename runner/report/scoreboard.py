"""What the leaderboard says about each arm, worked out once for the page and the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, Difference, Score, Scores
from runner.report.format import decimals, one_line

Role = Literal["winner", "strongest", "baseline", "tuned"]


@dataclass(frozen=True, slots=True)
class ScoreboardLine:
    """One arm on the leaderboard."""

    arm: ArmResult
    role: Role
    """`strongest` is the untuned arm that tuned arms are held against; what chose it, `to_beat`
    says."""
    validation: Score | None
    test: Score | None
    difference: Difference | None
    """To the untuned arm to beat; None for baselines."""
    seconds: float | None
    """What its stages took, shared ones included; None when nothing was recorded."""

    @property
    def gain(self) -> float:
        """The difference with its sign turned so that more is better; nan when there is none."""
        return math.nan if self.difference is None else self.difference.gain

    @property
    def unanswered(self) -> str:
        """``40 % unanswered: blocked 38 %, cut 2 %`` of the test rows; empty when there is an
        answer to each."""
        return self.arm.test.why_unanswered() if self.arm.test else ""

    @property
    def best(self) -> str:
        """``2 of 3``: the checkpoint that was chosen."""
        made = self.arm.tuning.checkpoints if self.arm.tuning else self.arm.checkpoints
        return f"{one_line(self.arm.best, 20)} of {len(made)}" if self.arm.best else ""


def board(result: ExperimentResult) -> list[ScoreboardLine]:
    """All arms that were to be run: best test score first, then those without one, failed ones
    last."""
    against = {item.against for item in result.differences}
    found = {item.arm: item for item in result.differences}
    winner = result.verdict.winner if result.verdict else ""
    lines = [
        ScoreboardLine(
            arm=arm,
            role=_role(arm, winner, against),
            validation=primary_score(arm.validation, result.primary),
            test=primary_score(arm.test, result.primary),
            difference=found.get(arm.digest),
            seconds=sum(arm.seconds.values()) if arm.seconds else None,
        )
        for arm in result.arms
        if arm.status != "skipped"
    ]
    return sorted(lines, key=_rank)


def primary_score(scores: Scores | None, metric: str) -> Score | None:
    """The score of `metric`, None when there is none or it is not defined."""
    found = scores.overall.get(metric) if scores else None
    return found if found and math.isfinite(found.value) else None


def to_beat(result: ExperimentResult, line: ScoreboardLine) -> str:
    """What the untuned arm of this line is: the best on validation, on test, or the only one."""
    found = (each.what for each in result.baselines if each.arm == line.arm.digest)
    return next(found, "the strongest untuned arm")


def places(lines: Iterable[ScoreboardLine]) -> int:
    """Decimals for the primary metric, the same for every arm."""
    return decimals([score for line in lines for score in (line.test, line.validation) if score])


def featured(lines: Sequence[ScoreboardLine], limit: int) -> list[ScoreboardLine]:
    """The arms for places with little room: the winner and the untuned arm to beat always,
    then the other untuned ones and the best tuned ones, in leaderboard order."""
    done = [line for line in lines if line.arm.status == "done" and line.arm.test]
    order = {"winner": 0, "strongest": 1}
    untuned = [line for line in done if line.role == "baseline"][:2]
    first = sorted((line for line in done if line.role in order), key=lambda x: order[x.role])
    rest = [line for line in done if line.role == "tuned"]
    chosen = {line.arm.digest for line in [*first, *untuned, *rest][:limit]}
    return [line for line in done if line.arm.digest in chosen]


def confidence(result: ExperimentResult) -> float:
    """The level of the intervals, from the suite that was run; 0.95 when it is not known."""
    for arm in result.arms:
        level = arm.config.get("suite", {}).get("bootstrap", {}).get("confidence")
        if isinstance(level, int | float):
            return float(level)
    return 0.95


def _role(arm: ArmResult, winner: str, against: set[str]) -> Role:
    if arm.digest == winner:
        return "winner"
    if arm.kind == "tuned":
        return "tuned"
    return "strongest" if arm.digest in against else "baseline"


def _rank(line: ScoreboardLine) -> tuple[int, float]:
    if line.arm.status in ("failed", "incomplete"):
        return 2, 0.0
    if line.test:
        return 0, -line.test.scale.gain(line.test.value)
    # Of arms that a sealed test split was kept from, validation says which are better.
    return 1, -line.validation.scale.gain(line.validation.value) if line.validation else math.inf
