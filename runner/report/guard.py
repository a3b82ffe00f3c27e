"""The guard on the page: every arm against the untuned model, by kind of row, with lost rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.base.text import plural
from runner.records.experiments import ExperimentResult
from runner.records.gates import GuardLoss, GuardResult
from runner.report.format import number, p_value, signed

SHOWN = 5
"""Lost rows of an arm on the page."""


@dataclass(frozen=True, slots=True)
class GuardLine:
    """One arm; `outcome` is ``kept``, ``lost``, ``not shown`` or ``not tested``."""

    arm: str
    css: str
    outcome: str
    score: str
    gain: str
    least: str
    p: str
    why: str
    changed: str
    kinds: tuple[str, ...]
    """``3 of 20``, in the order of the page's kinds; `fell` has those that lost more than the
    margin."""
    fell: tuple[bool, ...]
    losses: tuple[GuardLoss, ...]


@dataclass(frozen=True, slots=True)
class GuardSection:
    """All arms, and the untuned model they are held against."""

    rows: int
    margin: str
    untuned: str
    kinds: tuple[str, ...]
    base: tuple[str, ...]
    base_score: str
    lines: tuple[GuardLine, ...]


def guard(result: ExperimentResult, looks: Mapping[str, str]) -> GuardSection | None:
    """None where nobody looked."""
    if not result.guards:
        return None
    first = result.guards[0]
    return GuardSection(
        rows=first.gate.rows,
        margin=f"{first.gate.margin:g}",
        untuned=first.gate.than,
        kinds=tuple(kind.name for kind in first.kinds),
        base=tuple(f"{kind.theirs} of {kind.rows}" for kind in first.kinds),
        base_score=number(first.gate.theirs, 3),
        lines=tuple(_line(each, result, looks) for each in result.guards),
    )


def _line(found: GuardResult, result: ExperimentResult, looks: Mapping[str, str]) -> GuardLine:
    gate = found.gate
    if gate.why:
        outcome = "not tested"
    elif gate.passed:
        outcome = "kept"
    else:
        outcome = "lost" if gate.gain + gate.margin < 0 else "not shown"
    return GuardLine(
        arm=result.arm(found.arm).name,
        css=looks.get(found.arm, ""),
        outcome=outcome,
        score=number(gate.ours, 3),
        gain=signed(gate.gain, 3),
        least=f"at worst {signed(gate.least, 3)}",
        p=p_value(gate.p),
        why=gate.why,
        changed=f"{plural(found.lost, 'row')} lost, {found.won} won",
        kinds=tuple(f"{kind.ours} of {kind.rows}" for kind in found.kinds),
        fell=tuple(kind.theirs - kind.ours > gate.margin * kind.rows for kind in found.kinds),
        losses=tuple(found.losses[:SHOWN]),
    )
