"""Which of several untuned arms the tuned ones are held against, and what choosing it costs.

The best of several on the test rows was partly lucky there: against it a tuned arm that is as good
as all of them gains too little and "hurts" too often. So validation chooses, by the rules that the
winner is chosen by, and what comes of the test rows is one comparison, fixed before. Where it
cannot or must not (``baseline.chosen_on``), the test rows choose, and a loss on them counts once
for each arm that it could have been against (Bonferroni); a gain is too small as it is. Validation
may choose a weaker arm, so no gain wins while another untuned arm has the better test score.
`benchmarks/baseline_choice.py` has the rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from runner.base.text import plural
from runner.config import Suite
from runner.records.experiments import BaselineChoice
from runner.records.results import ArmKind, ArmResult, Difference, Score
from runner.verdict.ranking import best_of, primary_of, shown, strongest
from runner.verdict.same_rows import APART, chosen_on, same_rows

On = Literal["validation", "test"]


def contested(kind: ArmKind, kinds: Sequence[ArmKind], on: On) -> bool:
    """Whether an arm answers validation for being one of several untuned arms, of an experiment
    with arms of these `kinds`."""
    return kind != "tuned" and on == "validation" and sum(each != "tuned" for each in kinds) > 1


def choose_baselines(
    arms: Sequence[ArmResult], suite: Suite, seed: int, on: On
) -> list[BaselineChoice]:
    """The untuned arm to beat for each set of test rows that arms were asked; none where no
    untuned arm has a score on them."""
    found = []
    shut = [arm for arm in arms if arm.kind != "tuned" and arm.sealed]
    for peers in same_rows([arm for arm in arms if arm.status == "done"]):
        untuned = [arm for arm in peers if arm.kind != "tuned"]
        scored = [arm for arm in untuned if strongest([arm], suite.primary)]
        if scored:
            held = [arm.digest for arm in peers if arm.kind == "tuned"]
            choice = _opened(scored, shut, suite, seed) or _choice(scored, suite, seed, on)
            found.append(choice.model_copy(update={"held": held}))
    return found


def _opened(
    scored: Sequence[ArmResult], shut: Sequence[ArmResult], suite: Suite, seed: int
) -> BaselineChoice | None:
    """The one untuned arm that a sealed test split was opened for, chosen among all that answered
    validation (`shut` are the others); None where that is not how it came about."""
    if len(scored) != 1 or not shut:
        return None
    chosen = best_on_validation([*scored, *shut], suite, seed)
    if isinstance(chosen, str) or chosen[0] is not scored[0]:
        return None
    (best,) = scored
    return BaselineChoice(
        arm=best.digest, among=[best.digest], split="validation", reason=chosen[1]
    )


def _choice(untuned: Sequence[ArmResult], suite: Suite, seed: int, on: On) -> BaselineChoice:
    among = [arm.digest for arm in untuned]
    if len(untuned) == 1:
        return BaselineChoice(arm=among[0], among=among)
    why = "baseline.chosen_on: test"
    if on == "validation":
        chosen = best_on_validation(untuned, suite, seed)
        if not isinstance(chosen, str):
            best, said = chosen
            return BaselineChoice(arm=best.digest, among=among, split="validation", reason=said)
        why = chosen
    best = strongest(untuned, suite.primary) or untuned[0]
    by = {arm.digest: primary_of(arm.test, suite.primary) for arm in untuned}
    said = (
        f"{best.name} is the strongest of {len(untuned)} untuned arms on the test rows themselves "
        f"({why}){_equals(untuned, best, by)}: gains over it are, if anything, too small, and p of "
        f"a loss counts {len(untuned)} times."
    )
    return BaselineChoice(arm=best.digest, among=among, split="test", reason=said)


def best_on_validation(
    untuned: Sequence[ArmResult], suite: Suite, seed: int
) -> tuple[ArmResult, str] | str:
    """The best on validation rows that all of them were asked, and what to say; else why not."""
    if not any(arm.validation and arm.validation.rows for arm in untuned):
        return "there are no validation rows"
    if not all(arm.validation for arm in untuned):
        return "not all of them have validation rows"
    scores, note = chosen_on(untuned, suite, seed)
    if note == APART:
        return "they have too few validation rows in common"
    by = {digest: primary_of(each, suite.primary) for digest, each in scores.items()}
    if any(score.value != score.value for score in by.values()):
        return f"not all of them have {suite.primary} on validation"
    best = best_of(untuned, by) or untuned[0]
    ours = by[best.digest]
    said = (
        f"{best.name} is the untuned arm to beat: of {len(untuned)} it was chosen on "
        f"{plural(scores[best.digest].rows, 'validation row')} "
        f"({suite.primary} {shown(ours.value, ours.scale)}){_equals(untuned, best, by)}."
    )
    return best, f"{said} {note}".rstrip()


def _equals(untuned: Sequence[ArmResult], best: ArmResult, by: Mapping[str, Score]) -> str:
    """How a tie was broken; empty without one. Arms come with the fewest shots first."""
    value = by[best.digest].value
    others = [arm.name for arm in untuned if arm is not best and by[arm.digest].value == value]
    if not others:
        return ""
    tied = ", ".join(others)
    return f"; tied with {tied}, where the fewest worked examples count, then the arms' order"


def counted(found: Difference, choice: BaselineChoice | None) -> float:
    """p of the difference with the choice of its untuned arm allowed for."""
    if choice and choice.split == "test" and found.gain < 0:
        return min(1.0, found.p * len(choice.among))
    return found.p


def ahead_on_test(
    choice: BaselineChoice | None, arms: Sequence[ArmResult], primary: str
) -> ArmResult | None:
    """The untuned arm that does best on test, where that is another than validation chose."""
    if choice is None or choice.split != "validation":
        return None
    untuned = {arm.digest: arm for arm in arms if arm.digest in choice.among}
    best = strongest([untuned[choice.arm], *untuned.values()], primary)
    return best if best and best.digest != choice.arm else None
