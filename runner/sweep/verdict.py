"""The verdict: each tuned arm against the strongest untuned one, and what that comes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.config import Suite
from runner.plural import plural
from runner.records import read_jsonl
from runner.results import ArmResult, Difference, Verdict
from runner.store import digest_of, sound


def primary_of(arm: ArmResult, primary: str, split: str = "test") -> float:
    """The arm's primary score on a split; nan when there is none."""
    scores = arm.test if split == "test" else arm.validation
    found = scores.overall.get(primary) if scores else None
    return found.value if found else float("nan")


def strongest(arms: Sequence[ArmResult], primary: str) -> ArmResult | None:
    """The arm with the best primary test score, None when no arm has one."""
    from runner.evaluation import better

    best: ArmResult | None = None
    for arm in arms:
        value = primary_of(arm, primary)
        if value == value and (best is None or better(primary, value, primary_of(best, primary))):
            best = arm
    return best


def differences(arms: Sequence[ArmResult], suite: Suite, seed: int) -> list[Difference]:
    """Every tuned arm against the strongest untuned arm, Holm-corrected.

    The strongest baseline is picked on the same test rows; that favours the baseline, so the
    margins are, if anything, too small.
    """
    from runner.evaluation import compare, holm

    raw = []
    for peers in _same_rows([arm for arm in arms if arm.status == "done"]):
        baseline = strongest([arm for arm in peers if arm.kind != "tuned"], suite.primary)
        if baseline is None:
            continue
        against = _rows(baseline)
        for arm in peers:
            if arm.kind == "tuned":
                pair = {"arm": arm.digest, "against": baseline.digest}
                raw.append(compare(_rows(arm), against, suite.primary, suite, seed, **pair))
    corrected = holm([difference for difference in raw if difference.n])
    alpha = 1 - suite.bootstrap.confidence
    return [item.model_copy(update={"clear": is_clear(item, alpha)}) for item in corrected]


def _same_rows(arms: Sequence[ArmResult]) -> list[list[ArmResult]]:
    """Arms by the test rows they answered: only answers to the same rows can be paired."""
    groups: dict[str, list[ArmResult]] = {}
    for arm in arms:
        asked = sorted((row["id"], row["target"]) for row in _rows(arm))
        groups.setdefault(digest_of(asked), []).append(arm)
    return list(groups.values())


def _rows(arm: ArmResult) -> list[dict[str, Any]]:
    return list(read_jsonl(sound(Path(arm.predictions["test"]))))


def verdict(arms: Sequence[ArmResult], found: Sequence[Difference], suite: Suite) -> Verdict:
    """One sentence for the winner, and the reasons behind it.

    The winner is the tuned arm with the best primary score on validation; the test split, which
    chose nothing, says how good it is. Without validation rows the test split has to choose,
    and the reasons say so.
    """
    tuned = [arm for arm in arms if arm.kind == "tuned" and arm.status == "done"]
    failed = [arm for arm in arms if arm.status == "failed"]
    reasons = (
        [f"{len(failed)} of {plural(len(arms), 'arm')} failed; see the table."] if failed else []
    )
    if not tuned:
        return Verdict(headline=_without_tuned(arms, suite.primary), reasons=reasons)
    winner, how = _winner(tuned, suite.primary)
    reasons.append(how)
    difference = next((item for item in found if item.arm == winner.digest), None)
    value = primary_of(winner, suite.primary)
    if value != value:
        return Verdict(headline=_without_answers(winner, suite.primary), reasons=reasons)
    if difference is None:
        headline = (
            f"{winner.name} has {suite.primary} {_number(value)} on the test split; "
            "there is no untuned arm on the same rows to hold it against."
        )
        return Verdict(headline=headline, winner=winner.digest, reasons=reasons)
    against = next(arm for arm in arms if arm.digest == difference.against)
    reasons.append(_evidence(difference))
    return Verdict(
        headline=_headline(winner, against, difference, suite),
        winner=winner.digest if _beats(difference) else "",
        reasons=reasons,
    )


def _winner(tuned: Sequence[ArmResult], primary: str) -> tuple[ArmResult, str]:
    from runner.evaluation import better

    judged = [
        arm
        for arm in tuned
        if primary_of(arm, primary, "validation") == primary_of(arm, primary, "validation")
    ]
    split = "validation" if judged else "test"
    best = (judged or list(tuned))[0]
    for arm in judged or tuned:
        if better(primary, primary_of(arm, primary, split), primary_of(best, primary, split)):
            best = arm
    rows = best.validation if split == "validation" else best.test
    count = rows.rows if rows else 0
    shown = _number(primary_of(best, primary, split))
    return best, f"{best.name} was chosen on {plural(count, f'{split} row')} ({primary} {shown})."


def _headline(winner: ArmResult, against: ArmResult, difference: Difference, suite: Suite) -> str:
    ours = _number(primary_of(winner, suite.primary))
    theirs = _number(primary_of(against, suite.primary))
    scores = f"{suite.primary} {ours} against {theirs} for {against.name}, the best untuned arm"
    margin = f"{_signed(difference.value)} [{_signed(difference.low)}, {_signed(difference.high)}]"
    if _beats(difference):
        return f"Tuning pays: {winner.name} reaches {scores} ({margin})."
    if difference.clear:
        return f"Tuning hurts: {winner.name} reaches {scores} ({margin})."
    return f"Not decided: {winner.name} reaches {scores} ({margin}); that can be luck."


def _evidence(difference: Difference) -> str:
    return (
        f"Paired over {plural(difference.n, 'test row')}, {difference.discordant} of which differ; "
        f"p = {difference.p:.2g}, {difference.p_holm:.2g} after Holm's correction."
    )


def is_clear(difference: Difference, alpha: float) -> bool:
    apart = difference.low > 0 or difference.high < 0
    return apart and difference.p_holm < alpha


def _beats(difference: Difference) -> bool:
    """Whether the arm is better, and clearly so."""
    from runner.evaluation import better

    return difference.clear and better(difference.metric, difference.value, 0.0)


def _without_answers(arm: ArmResult, primary: str) -> str:
    rows = arm.test.rows if arm.test else 0
    why = "none of them was answered" if rows else "there are none; see prepare.split.test"
    return (
        f"There is no {primary} on the {plural(rows, 'test row')}: {why}. So there is no verdict."
    )


def _without_tuned(arms: Sequence[ArmResult], primary: str) -> str:
    best = strongest([arm for arm in arms if arm.status == "done"], primary)
    if best is None:
        return "No arm finished, so there is no verdict."
    value = _number(primary_of(best, primary))
    return f"No tuned arm finished; the best untuned arm is {best.name} with {primary} {value}."


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}" if abs(value) <= 1 else f"{value:+.1f}"
