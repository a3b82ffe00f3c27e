"""The guard: what tuning may have cost beside the task.

The untuned model and the checkpoint that each arm ships answer the same rows, as they stand,
without the template. An arm keeps the guard when it is shown not to meet fewer of them by the
margin or more (non-inferiority, as in `gates`, by rows alone: it is about the model that would be
shipped). Nobody chooses by these rows, so there is nothing to correct for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.config import RowsGuard
from runner.records import ScoredRow
from runner.records.experiments import Verdict
from runner.records.gates import GUARD, KIND, OTHER, GateResult, GuardKind, GuardLoss, GuardResult
from runner.records.results import ArmResult
from runner.verdict.gates import held_against
from runner.verdict.same_rows import rows_by_split

SHOWN = 20
"""Lost rows that a result keeps; the file of scored rows has all of them."""
MET = "constraints"
"""The metric that says of a row whether its conditions are met."""


def guard_results(arms: Sequence[ArmResult], guard: RowsGuard) -> list[GuardResult]:
    """Every tuned arm that has answered, against the untuned model that it was tuned from."""
    done = [arm for arm in arms if arm.status == "done" and GUARD in arm.predictions]
    untuned = {arm.model: arm for arm in done if arm.kind == "zero_shot"}
    return [
        _result(arm, untuned[arm.model], guard)
        for arm in done
        if arm.kind == "tuned" and arm.model in untuned
    ]


def _result(arm: ArmResult, untuned: ArmResult, guard: RowsGuard) -> GuardResult:
    ours, theirs = (
        sorted(rows_by_split(each, GUARD), key=lambda row: row.id) for each in (arm, untuned)
    )
    gate = held_against(ours, theirs, guard.suite, guard.margin, arm.name, untuned.name)
    pairs = list(zip(ours, theirs, strict=True))
    if gate.theirs < guard.margin:
        met = sum(_met(row) for row in theirs)
        why = f"it meets {met} of {len(theirs)} rows itself, so there is nothing to lose"
        gate = gate.model_copy(update={"why": why, "passed": False})
    lost = [pair for pair in pairs if _met(pair[1]) and not _met(pair[0])]
    return GuardResult(
        arm=arm.digest,
        gate=gate,
        kinds=list(_kinds(pairs)),
        lost=len(lost),
        won=sum(_met(one) and not _met(other) for one, other in pairs),
        losses=[
            GuardLoss(
                id=one.id,
                kind=one.slices.get(KIND, OTHER),
                prompt=one.prompt,
                conditions=one.target,
                before=other.text,
                after=one.text,
            )
            for one, other in lost[:SHOWN]
        ],
    )


def _met(row: ScoredRow) -> bool:
    return row.scores.get(MET, 0.0) == 1.0


def _kinds(pairs: Sequence[tuple[ScoredRow, ScoredRow]]) -> Iterator[GuardKind]:
    names = dict.fromkeys(one.slices.get(KIND, OTHER) for one, _ in pairs)
    for name in names:
        mine = [pair for pair in pairs if pair[0].slices.get(KIND, OTHER) == name]
        yield GuardKind(
            name=name,
            rows=len(mine),
            ours=sum(_met(one) for one, _ in mine),
            theirs=sum(_met(other) for _, other in mine),
        )


def required(found: Sequence[GuardResult], guard: RowsGuard, arm: str) -> list[GateResult]:
    """The guard as a gate for the arm that would be shipped, where ``guard.required`` says so."""
    asked = [each.gate for each in found if each.arm == arm and guard.required]
    return [gate.model_copy(update={"asked_by": "guard.required"}) for gate in asked]


def guarded(said: Verdict, found: Sequence[GuardResult], chosen: ArmResult | None) -> Verdict:
    """The verdict with what became of the guard in the arm that would be shipped: a winner that
    has not kept it is none without that being said."""
    of = next((each for each in found if chosen and each.arm == chosen.digest), None)
    if of is None or chosen is None:
        return said
    headline = said.headline
    if said.winner and not of.gate.passed:
        headline += f" But it {'has lost' if _lost(of) else 'is not shown to have kept'} the guard."
    reasons = [guard_words(of, chosen.name), *said.reasons]
    return said.model_copy(update={"headline": headline, "reasons": reasons})


def _lost(found: GuardResult) -> bool:
    """Whether more than the margin is gone in these very rows."""
    return not found.gate.why and found.gate.gain + found.gate.margin < 0


def guard_words(found: GuardResult, arm: str) -> str:
    """One sentence for people: kept, lost, or not shown either way."""
    gate = found.gate
    if gate.why:
        return f"Guard: {arm} could not be held against {gate.than}: {gate.why}."
    places = gate.scale.places(gate.gain, gate.margin)
    how = (
        f"it meets {gate.ours:.{places}f} of {gate.rows} rows against {gate.theirs:.{places}f} "
        f"untuned ({gate.gain:+.{places}f}, at worst {gate.least:+.{places}f} with "
        f"{100 * gate.confidence:g} % confidence)"
    )
    if gate.passed:
        return f"Guard kept: {arm} has not lost {gate.margin:g} or more: {how}."
    worst = max(found.kinds, key=lambda kind: (kind.theirs - kind.ours) / kind.rows)
    drop = f"; most of it in {worst.name}, {worst.ours} of {worst.rows} against {worst.theirs}"
    where = drop if worst.ours < worst.theirs else ""
    if _lost(found):
        return f"Guard lost: {arm} has lost general ability: {how}{where}."
    return f"Guard not kept: {arm} may have lost {gate.margin:g} or more: {how}{where}."
