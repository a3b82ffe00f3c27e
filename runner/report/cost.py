"""What the experiment took: seconds per stage, tokens, dollars, and what was reused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.report.scoreboard import ScoreboardLine

ORDER = ("prepare", "reword", "render", "tune", "predict", "score")
PURPOSES = ("tuning", "baseline test", "validation", "test")


@dataclass(frozen=True, slots=True)
class StageTime:
    """Seconds of a stage of one arm; None when it was not recorded."""

    seconds: float | None
    reused: bool


@dataclass(frozen=True, slots=True)
class CostRow:
    """One arm's stages in the table's order."""

    name: str
    digest: str
    stages: list[StageTime]
    total: float | None
    examples: int
    tokens: int | None
    """Tokens trained on, all epochs; None for untuned arms."""
    usd: list[float | None]
    """US dollars by purpose, in the order of `Cost.purposes`; None where nothing was paid, or
    the price is not known."""
    total_usd: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """The table. `computed` counts an artifact that arms share once."""

    stages: list[str]
    rows: list[CostRow]
    computed: float
    tokens: int
    wall: float | None
    """From start to end of the last run of the experiment; None while it goes on."""
    purposes: list[str]
    """What was paid for: ``tuning``, ``validation``, ``test`` ...; empty where nothing costs."""
    usd: float | None
    """US dollars of the experiment; what arms share is paid for once."""
    rehearsal: bool
    """Whether the dollars are what the emulator would have cost."""


def cost(lines: Sequence[ScoreboardLine], result: ExperimentResult) -> Cost:
    """The accounts of all arms that recorded any."""
    used = {stage for line in lines for stage in (*line.arm.seconds, *line.arm.reused)}
    stages = [*(stage for stage in ORDER if stage in used), *sorted(used - set(ORDER))]
    paid = [what for line in lines for _, what in line.arm.bill]
    purposes = sorted(set(paid), key=lambda what: (_place(what), what))
    shown = [line for line in lines if line.arm.seconds or line.arm.reused or line.arm.bill]
    rows = [_row(line, stages, purposes) for line in shown]
    ended = result.ended_ms > result.started_ms > 0
    return Cost(
        stages=stages,
        rows=rows,
        computed=_computed(result.arms),
        tokens=sum(_tokens_by_job(result.arms).values()),
        wall=(result.ended_ms - result.started_ms) / 1000 if ended else None,
        purposes=purposes,
        usd=result.usd,
        rehearsal=result.rehearsal,
    )


def _place(what: str) -> int:
    return PURPOSES.index(what) if what in PURPOSES else len(PURPOSES)


def _row(line: ScoreboardLine, stages: Sequence[str], purposes: Sequence[str]) -> CostRow:
    arm = line.arm
    bills = [[usd for (_, name), usd in arm.bill.items() if name == what] for what in purposes]
    return CostRow(
        name=arm.name,
        digest=arm.digest,
        stages=[StageTime(arm.seconds.get(stage), stage in arm.reused) for stage in stages],
        total=line.seconds,
        examples=arm.train_examples,
        tokens=_tokens(arm),
        usd=[_paid(bill) for bill in bills],
        total_usd=arm.usd,
    )


def _paid(bill: Sequence[float | None]) -> float | None:
    known = [usd for usd in bill if usd is not None]
    return sum(known) if known and len(known) == len(bill) else None


def _computed(arms: Sequence[ArmResult]) -> float:
    """Seconds of all distinct artifacts; an arm without a folder for a stage counts alone."""
    distinct = {
        (stage, arm.artifacts.get(stage, arm.digest)): seconds
        for arm in arms
        for stage, seconds in arm.seconds.items()
    }
    return sum(distinct.values())


def _tokens(arm: ArmResult) -> int | None:
    if not arm.tuning:
        return None
    epochs = max((item.epoch for item in arm.tuning.checkpoints), default=0.0)
    return round(arm.tuning.train_tokens * epochs)


def _tokens_by_job(arms: Sequence[ArmResult]) -> dict[str, int]:
    return {arm.artifacts.get("tune", arm.digest): _tokens(arm) or 0 for arm in arms}
