"""What replicates allow to say about recipes, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.base.text import plural
from runner.records.experiments import RecipeResult
from runner.records.results import Difference
from runner.verdict.ranking import shown, signed
from runner.verdict.recipe_claims import Decided

LISTED = 5
"""Rivals that are named; the page has all of them."""


def about_recipes(decided: Decided, checkpoint: str, ships: bool) -> tuple[str, list[str]]:
    """The headline about the recipe that validation chose, and the reasons before all others.

    `checkpoint` is the headline about the checkpoint, `ships` whether that is better than the
    strongest untuned arm. Where the recipe is not decided, the checkpoint may still be.
    """
    best = decided.recipes[0]
    mine = decided.claim
    reasons = [*_replicates(best), *_rivals(decided), *_tied(decided), *decided.notes]
    if mine is None:
        return checkpoint, reasons
    what = decided.choice.what if decided.choice else "the untuned arm"
    claim = _claim(best, mine, what)
    reasons += _alone(decided, mine)
    if mine.outcome == "better":
        return f"Tuning pays: {claim}", [f"To ship: {checkpoint}", *reasons]
    if mine.outcome == "worse":
        return f"Tuning hurts: {claim}", [f"To ship: {checkpoint}", *reasons]
    if mine.outcome == "equivalent":
        return f"Tuning changes nothing: {claim}", [f"To ship: {checkpoint}", *reasons]
    if ships:
        words = f"This checkpoint pays, its recipe is not decided: {claim}"
    else:
        words = f"Not decided: {claim}"
    settled = [f"{_settled_by(mine)} would decide it."] if mine.settles else []
    return words, [f"To ship: {checkpoint}", *settled, *reasons]


def _alone(decided: Decided, claim: Difference) -> Iterator[str]:
    """Where the table, which corrects for all recipes, leaves open what is claimed."""
    untuned = [item for item in decided.differences if not item.runs[1]]
    table = next((item for item in untuned if item.arm == claim.arm), claim)
    if table.outcome == "undecided" != claim.outcome:
        yield (
            f"Validation chose this one of {len(untuned)} recipes, so p = {claim.p_holm:.2g} "
            "counts without Holm's correction over the recipes."
        )


def _claim(best: RecipeResult, found: Difference, untuned: str) -> str:
    scale = found.scale
    ends = ", ".join(signed(end, scale) for end in (found.low, found.high))
    return (
        f"the recipe {best.name} reaches {found.metric} {shown(found.ours, scale)} on average "
        f"over {plural(len(best.arms), 'replicate')}, {signed(found.value, scale)} [{ends}] "
        f"against {untuned} ({shown(found.theirs, scale)}), other runs and other rows "
        "allowed for."
    )


def _replicates(best: RecipeResult) -> Iterator[str]:
    if best.test and len(best.arms) > 1:
        every = ", ".join(shown(value, best.test.scale) for value in best.scores)
        deviation = shown(best.deviation, best.test.scale)
        yield f"Its replicates have {every} on test (standard deviation {deviation})."


def _rivals(decided: Decided) -> Iterator[str]:
    best = decided.recipes[0]
    names = {each.digest: each.name for each in decided.recipes}
    rivals = [item for item in decided.differences if item.runs[1] and item.arm == best.digest]
    words = {
        "better": "It beats",
        "worse": "It is beaten on test by",
        "equivalent": "It is equivalent to",
        "undecided": "It cannot be told from",
    }
    for outcome, verb in words.items():
        found = [item for item in rivals if item.outcome == outcome]
        if found:
            yield f"{verb} {_listed(found, names)}."


def _listed(found: Sequence[Difference], names: dict[str, str]) -> str:
    shown = []
    for item in found[:LISTED]:
        ends = ", ".join(signed(end, item.scale) for end in (item.low, item.high))
        settles = f"; {item.settles} would decide" if item.settles else ""
        shown.append(f"{names[item.against]} ({signed(item.value, item.scale)} [{ends}]{settles})")
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return ", ".join(shown) + more


def _tied(decided: Decided) -> Iterator[str]:
    names = {each.digest: each.name for each in decided.recipes}
    if len(decided.tied) > 1:
        shown = ", ".join(names[digest] for digest in decided.tied[:LISTED])
        more = f" and {len(decided.tied) - LISTED} more" if len(decided.tied) > LISTED else ""
        yield f"Tied for best: {shown}{more}; the cheapest of them is {names[decided.tied[0]]}."


def _settled_by(found: Difference) -> str:
    return found.settles[:1].upper() + found.settles[1:]
