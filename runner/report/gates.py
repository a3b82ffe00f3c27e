"""The gates of `suite.not_worse` on the page: what was asked for, and what the rows show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.base.text import plural
from runner.records.gates import GateResult
from runner.records.results import in_groups
from runner.report.format import number, p_value, signed


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate; `outcome` is ``holds``, ``refused`` or ``not tested``."""

    score: str
    arm: str
    than: str
    scores: str
    """``0.580 against 0.600``."""
    margin: str
    gain: str
    least: str
    """The one-sided limit, with its confidence."""
    p: str
    method: str
    basis: str
    outcome: str
    why: str


def gates(found: Sequence[GateResult]) -> list[GateLine]:
    """A line for each gate, in the order of the suite."""
    return [_line(each) for each in found]


def _line(found: GateResult) -> GateLine:
    places = found.scale.places(found.gain, found.margin)
    basis = in_groups(plural(found.rows, "row"), found.groups)
    runs = f" × {plural(found.runs, 'replicate')}" if found.runs else ""
    tested = not found.why
    ours, theirs = number(found.ours, places), number(found.theirs, places)
    return GateLine(
        score=found.score,
        arm=found.arm,
        than=found.than,
        scores=f"{ours} against {theirs}" if tested else "",
        margin=f"{found.margin:g}",
        gain=signed(found.gain, places),
        least=f"at worst {signed(found.least, places)}" if tested else "",
        p=p_value(found.p),
        method=found.method,
        basis=f"{basis}{runs}" if tested else "",
        outcome="holds" if found.passed else "refused" if tested else "not tested",
        why=found.why,
    )
