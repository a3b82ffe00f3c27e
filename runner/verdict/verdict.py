"""The verdict: each tuned arm against the untuned one to beat, and what that comes to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from runner.base.text import plural
from runner.config import Suite
from runner.records.experiments import BaselineChoice, RecipeResult, Verdict
from runner.records.results import ArmResult, Difference
from runner.verdict.baseline_choice import ahead_on_test, counted
from runner.verdict.ranking import best_of, primary_of, shown, signed, strongest
from runner.verdict.recipe_claims import Decided
from runner.verdict.recipe_words import about_recipes
from runner.verdict.same_rows import chosen_on, rows_by_split


def differences(
    arms: Sequence[ArmResult],
    choices: Sequence[BaselineChoice],
    suite: Suite,
    seed: int,
    found: Sequence[RecipeResult] = (),
) -> list[Difference]:
    """Every tuned arm of `arms` against the untuned arm of its test rows, Holm-corrected:
    checkpoint by checkpoint.

    Of a recipe with replicates (`found`) it is the one that would be shipped, which validation
    chose; the others are draws of the same recipe and no further questions.
    """
    from runner.evaluation import compare, holm, only, shared_rows

    by_digest = {arm.digest: arm for arm in arms}
    raw: list[tuple[Difference, float]] = []
    kept = {each.shipped for each in found}
    for choice in choices:
        held = [one for one in choice.held if one in by_digest]
        rows = {one: rows_by_split(by_digest[one]) for one in (*choice.among, *held)}
        shared = shared_rows(list(rows.values()), suite)
        against = only(rows[choice.arm], shared)
        for digest in held:
            if digest in kept or not kept:
                pair = {"arm": digest, "against": choice.arm}
                mine = only(rows[digest], shared)
                item = compare(mine, against, suite.primary, suite, seed, **pair)
                if item.n:
                    raw.append((item, counted(item, choice)))
    corrected = holm([item.model_copy(update={"p": p}) for item, p in raw])
    alpha = 1 - suite.bootstrap.confidence
    done = [
        item.model_copy(update={"p_holm": each.p_holm})
        for (item, _), each in zip(raw, corrected, strict=True)
    ]
    return [item.model_copy(update={"clear": is_clear(item, alpha)}) for item in done]


def verdict(
    arms: Sequence[ArmResult],
    found: Sequence[Difference],
    suite: Suite,
    seed: int = 0,
    decided: Decided | None = None,
    choices: Sequence[BaselineChoice] = (),
) -> Verdict:
    """One sentence for the winner, and the reasons behind it.

    Two claims are kept apart. "This checkpoint is better" is about what would be shipped, and goes
    by the rows (`found`). "This recipe is better" is about other runs of it as well, and is made
    only where `decided` has replicates to go by. `choices` say how the untuned arms of `found` were
    chosen.

    The winner is the tuned arm with the best primary score on validation; the test split, which
    chose nothing, says how good it is. Without validation rows the test split has to choose,
    and the reasons say so. No arm wins against `suite.max_unanswered`, nor where an untuned arm
    that was not chosen has a better test score.
    """
    tuned = [arm for arm in arms if arm.kind == "tuned" and arm.status == "done"]
    reasons = list(_not_done(arms))
    if not tuned:
        return Verdict(headline=_without_tuned(arms, suite.primary), reasons=reasons)
    winner, split, how = _winner(tuned, suite, seed, decided)
    reasons += how
    difference = next((item for item in found if item.arm == winner.digest), None)
    choice = next((one for one in choices if difference and one.arm == difference.against), None)
    reasons += [choice.reason] if choice and choice.reason else []
    if difference and split == "validation":
        difference, how = _chosen_before(difference, len(found), choice, suite)
        reasons += how
    score = primary_of(winner.test, suite.primary)
    if score.value != score.value:
        return Verdict(headline=_without_answers(winner, suite.primary), reasons=reasons)
    against = next((arm for arm in arms if difference and arm.digest == difference.against), None)
    ahead = ahead_on_test(choice, arms, suite.primary)
    passed = ahead if ahead and _better(ahead, winner, suite.primary) else None
    wins = difference is None or (_beats(difference) and not passed)
    if difference is None or against is None:
        value = shown(score.value, score.scale)
        headline = (
            f"{winner.name} has {suite.primary} {value} on the test split"
            f"{_left_out(winner)}; there is no untuned arm on the same rows to hold it against."
        )
    else:
        headline = _headline(winner, against, difference, choice, passed)
        reasons += [_evidence(difference, choice), *_left_out_too(against)]
        reasons += [_still_gained(ahead, against, winner, suite.primary)] if ahead else []
    if decided and decided.spread and split == "validation":
        headline, said = about_recipes(decided, headline, wins)
        reasons = [*said, *reasons]
    elif decided and decided.spread:
        reasons.append(
            "Without validation rows no recipe was chosen before the test, so none is said to be "
            "better than another."
        )
    if refused := refusal(winner, against, arms, suite):
        return Verdict(headline=refused, reasons=[f"Without that limit: {headline}", *reasons])
    return Verdict(headline=headline, winner=winner.digest if wins else "", reasons=reasons)


def candidate(
    arms: Sequence[ArmResult], suite: Suite, seed: int, decided: Decided | None = None
) -> tuple[ArmResult, int] | None:
    """The tuned arm that would be shipped if nothing stood against it, and of how many arms the
    test rows chose it: 1 where validation did. None without one."""
    tuned = [arm for arm in arms if arm.kind == "tuned" and arm.status == "done"]
    if not tuned:
        return None
    arm, split, _ = _winner(tuned, suite, seed, decided)
    return arm, 1 if split == "validation" else len(tuned)


def _not_done(arms: Sequence[ArmResult]) -> Iterator[str]:
    words = {
        "failed": "failed; see the table.",
        "incomplete": "incomplete, since a service did not answer; give the same command again.",
    }
    for status, said in words.items():
        count = sum(arm.status == status for arm in arms)
        if count:
            verb = "" if status == "failed" else "is " if count == 1 else "are "
            yield f"{count} of {plural(len(arms), 'arm')} {verb}{said}"


def _chosen_before(
    difference: Difference, compared: int, choice: BaselineChoice | None, suite: Suite
) -> tuple[Difference, list[str]]:
    """The difference of an arm that validation chose, and what to say about its p.

    It is one test, chosen before the test rows were looked at, so there is nothing to correct for
    over the arms; Holm's correction stays for the table, where all of them are looked at. What the
    choice of the untuned arm costs, `counted` says."""
    p = counted(difference, choice)
    apart = difference.low > 0 or difference.high < 0
    clear = apart and p < 1 - suite.bootstrap.confidence
    said = []
    if clear != difference.clear:
        times = f" times {len(choice.among)} untuned arms" if choice and p != difference.p else ""
        said.append(
            f"Validation chose this one of {compared} comparisons, so p{times} counts without "
            "Holm's correction over the arms."
        )
    return difference.model_copy(update={"clear": clear}), said


def _winner(
    tuned: Sequence[ArmResult], suite: Suite, seed: int, decided: Decided | None
) -> tuple[ArmResult, str, list[str]]:
    """The arm that validation chose, else the test split; which of them; what to say about it.
    Of recipes with replicates the mean chooses, so that one lucky run does not."""
    if decided and decided.spread:
        first = decided.recipes[0]
        chosen = next(arm for arm in tuned if arm.digest == first.shipped)
        if first.validation == first.validation:
            scale = primary_of(chosen.validation, suite.primary).scale
            said = (
                f"{first.name} was chosen on validation ({suite.primary} "
                f"{shown(first.validation, scale)}, mean of {len(first.arms)}), and of its "
                f"replicates number {chosen.replicate} to be shipped."
            )
            return chosen, "validation", [said]
    on_validation, said = chosen_on(tuned, suite, seed)
    validation = {arm.digest: on_validation.get(arm.digest) for arm in tuned}
    test = {arm.digest: arm.test for arm in tuned}
    for split, scores in (("validation", validation), ("test", test)):
        by = {digest: primary_of(each, suite.primary) for digest, each in scores.items()}
        if best := best_of(tuned, by):
            score, of = by[best.digest], scores[best.digest]
            value = f"({suite.primary} {shown(score.value, score.scale)})"
            rows = plural(of.rows if of else 0, f"{split} row")
            note = [said] if said and split == "validation" else []
            return best, split, [f"{best.name} was chosen on {rows} {value}.", *note]
    return tuned[0], "", []


def _headline(
    winner: ArmResult,
    against: ArmResult,
    difference: Difference,
    choice: BaselineChoice | None,
    passed: ArmResult | None,
) -> str:
    """`passed` is an untuned arm that validation did not choose, and that is better on test."""
    scale = difference.scale
    ours, theirs = shown(difference.ours, scale), shown(difference.theirs, scale)
    what = choice.what if choice else "untuned"
    scores = f"{difference.metric} {ours} against {theirs} for {against.name}, {what}"
    ends = (difference.low, difference.high)
    between = ", ".join(signed(end, scale) for end in ends)
    told = f"{scores} ({signed(difference.value, scale)} [{between}]){_left_out(winner)}"
    if _beats(difference) and passed:
        score = primary_of(passed.test, difference.metric).value
        return (
            f"Not decided: {winner.name} reaches {told}; but {passed.name}, which validation did "
            f"not choose, has {shown(score, scale)} on test without tuning."
        )
    if _beats(difference):
        return f"Tuning pays: {winner.name} reaches {told}."
    if difference.clear:
        return f"Tuning hurts: {winner.name} reaches {told}."
    return f"Not decided: {winner.name} reaches {told}; that can be luck."


def _better(arm: ArmResult, than: ArmResult, primary: str) -> bool:
    ours = primary_of(arm.test, primary)
    return ours.scale.better(ours.value, primary_of(than.test, primary).value)


def _still_gained(ahead: ArmResult, against: ArmResult, winner: ArmResult, primary: str) -> str:
    """A bar chosen beforehand need not be the best one afterwards: a reader sees that it is not."""
    score, ours = primary_of(ahead.test, primary), primary_of(winner.test, primary).value
    return (
        f"On the test rows {ahead.name} does better than {against.name} "
        f"({shown(score.value, score.scale)}), which was not known when it was chosen: against "
        f"{ahead.name} it is {signed(ours - score.value, score.scale)}."
    )


def _left_out(arm: ArmResult) -> str:
    """``, with 4 % unanswered: cut 4 %``; empty when every test row was answered."""
    found = arm.test.why_unanswered() if arm.test else ""
    return f", with {found}" if found else ""


def _left_out_too(arm: ArmResult) -> list[str]:
    found = arm.test.why_unanswered() if arm.test else ""
    return [f"{arm.name} left {found}."] if found else []


def _evidence(difference: Difference, choice: BaselineChoice | None) -> str:
    again = choice is not None and counted(difference, choice) != difference.p
    times = f"counted {len(choice.among)} times and " if choice and again else ""
    lower = "" if difference.scale.higher_is_better else f" Lower {difference.metric} is better."
    return (
        f"Paired over {plural(difference.n, 'test row')}, {difference.discordant} of which differ; "
        f"p = {difference.p:.2g}, {difference.p_holm:.2g} {times}after Holm's correction.{lower}"
    )


def is_clear(difference: Difference, alpha: float) -> bool:
    apart = difference.low > 0 or difference.high < 0
    return apart and difference.p_holm < alpha


def _beats(difference: Difference) -> bool:
    """Whether the arm is better, and clearly so."""
    return difference.clear and difference.gain > 0


def _without_answers(arm: ArmResult, primary: str) -> str:
    if arm.sealed:
        return (
            f"{arm.name} was chosen on validation, and has not answered the sealed test split: "
            "give the same command again."
        )
    rows = arm.test.rows if arm.test else 0
    why = "none of them was answered" if rows else "there are none; see prepare.split.test"
    return (
        f"There is no {primary} on the {plural(rows, 'test row')}: {why}. So there is no verdict."
    )


def _without_tuned(arms: Sequence[ArmResult], primary: str) -> str:
    best = strongest([arm for arm in arms if arm.status == "done"], primary)
    if best is None:
        return "No arm finished, so there is no verdict."
    score = primary_of(best.test, primary)
    value = shown(score.value, score.scale)
    return f"No tuned arm finished; the best untuned arm is {best.name} with {primary} {value}."


# The gate `suite.max_unanswered`: no arm wins on rows that too many answers are missing from.

NO_SKILL = ("blocked", "refused", "too_long", "unknown")
"""Causes that say nothing about how well a model does the task."""


def refusal(
    winner: ArmResult, against: ArmResult | None, arms: Sequence[ArmResult], suite: Suite
) -> str:
    """Why there is no winner, in one sentence; empty when the gate has nothing to say.

    The arm that would win has to answer, whatever keeps it. An untuned arm may talk past the token
    limit or write no JSON, which is what tuning is for; but beating one that was blocked proves
    nothing. On common rows every arm counts, since one that answers little takes everyone's rows.
    """
    most = suite.max_unanswered
    if most is None:
        return ""
    looked_at = [(winner, None)] + [(against, NO_SKILL)] * (against is not None)
    if suite.unanswered == "common":
        looked_at = [(arm, None) for arm in (winner, *arms) if arm.status == "done"]
    for arm, causes in looked_at:
        if arm and _share(arm, causes) > most:
            why = arm.test.why_unanswered(causes) if arm.test else ""
            return (
                f"No winner: {arm.name} left {why} "
                f"(suite.max_unanswered allows {100 * most:g} % of the test rows)."
            )
    return ""


def _share(arm: ArmResult, causes: Collection[str] | None) -> float:
    if arm.test is None or not arm.test.rows:
        return 0.0
    found = arm.test.unanswered
    return sum(n for cause, n in found.items() if causes is None or cause in causes) / arm.test.rows
