"""Where recommended hyperparameters come from: the rule, why, and what was found before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.advice import (
    AdviceOnData,
    SharedAdvice,
    profile_words,
    shared_advice,
    value_words,
    values_words,
)
from runner.base.text import plural
from runner.records.advice import EarlierSetting
from runner.records.results import ArmResult


@dataclass(frozen=True, slots=True)
class EarlierRow:
    """An earlier experiment's best setting, as text."""

    experiment: str
    ended: str
    cells: list[str]
    score: str


@dataclass(frozen=True, slots=True)
class AdvisedData:
    """Arms on the same data."""

    profile: str
    taken: list[tuple[str, str]]
    """Names of arms, and the values that they took."""
    earlier: list[EarlierRow]
    none: str
    """Said where no earlier experiment is on like data."""


@dataclass(frozen=True, slots=True)
class AdviceSection:
    """One rule and the arms that took of it."""

    facts: list[tuple[str, str]]
    on: list[AdvisedData]


def advice(arms: Sequence[ArmResult]) -> list[AdviceSection]:
    """Every rule that fired, in the arms' order; replicates are those of their recipe."""
    firsts = [(arm.name, arm.advised) for arm in arms if arm.replicate == 1]
    return [_section(shared) for shared in shared_advice(firsts)]


def _section(shared: SharedAdvice) -> AdviceSection:
    found = shared.recommendation
    most = f", at most {plural(found.most_epochs, 'epoch')}" if found.most_epochs else ""
    facts = [
        ("Rule", found.rule),
        ("It says", values_words(found.values) + most),
        ("It fires for", found.fires_for),
        ("Why", found.why),
        ("Note", found.note),
        ("Source", f"{found.source}; {found.date}"),
        *((f"Beside it, {other.rule}", values_words(other.values)) for other in shared.beside),
    ]
    return AdviceSection(
        [(name, text) for name, text in facts if text], [_on(data) for data in shared.on]
    )


def _on(data: AdviceOnData) -> AdvisedData:
    looked = plural(data.looked_at, "earlier experiment")
    return AdvisedData(
        profile=profile_words(data.profile),
        taken=data.taken,
        earlier=[_row(each) for each in data.earlier],
        none="" if data.earlier else f"None of {looked} in the ledger was on like data.",
    )


def _row(each: EarlierSetting) -> EarlierRow:
    knobs = (each.epochs, each.learning_rate_multiplier, each.adapter_size)
    chosen = "–" if each.best_epoch is None else f"{each.best_epoch:g}"
    cells = [f"{each.rows:,}", *map(value_words, knobs), chosen, f"{each.arms:,}"]
    score = f"{each.metric} {each.score:.3g} on {each.split}"
    return EarlierRow(each.experiment, f"{each.model}, {each.ended}", cells, score)
