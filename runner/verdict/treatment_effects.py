"""What a data treatment bought: tuned arms that differ in their data only, held against one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from runner.base.digests import digest_of
from runner.config import Suite
from runner.records import ScoredRow
from runner.records.experiments import RecipeResult, Spread
from runner.records.results import ArmResult, Difference
from runner.verdict.recipe_claims import look_at, outcome_of
from runner.verdict.same_rows import LEAST, rows_by_split
from runner.verdict.verdict import is_clear

DATA = {"prepare", "source"}
"""Groups of the configuration that say what an arm is tuned on."""


def treatment_differences(
    arms: Sequence[ArmResult],
    suite: Suite,
    seed: int,
    found: Sequence[RecipeResult] = (),
    spread: Spread | None = None,
) -> list[Difference]:
    """Every tuned arm against the first one of the experiment that has other data and is the
    same in everything else, on the test rows both were asked; Holm-corrected.

    The first is the one that the first value of every swept key gives, so an experiment lists
    the untreated data first. Arms that share no test row were never meant to be compared and are
    left out; of those that share less than `LEAST` there is a difference of no rows.

    Where recipes have replicates (`found`), it is recipes that are compared: what a treatment
    bought is a statement about other runs as well. Their `spread` over the whole experiment counts.
    """
    from runner.evaluation import compare

    several = {each.digest: each for each in found if len(each.arms) > 1}
    differences = []
    for first, *others in _alike(arms):
        for arm in others:
            # Rows of one source are known by their ids, even where a treatment changed their text.
            same = arm.config.get("source") == first.config.get("source")
            by = _by_id if same else _by_prompt
            rows, against = _scored_rows(arm, by), _scored_rows(first, by)
            shared = rows.keys() & against.keys()
            if not shared:
                continue
            if len(shared) < LEAST * max(len(rows), len(against)):
                shared = set()
            mine, theirs = (
                [row for key, row in side.items() if key in shared] for side in (rows, against)
            )
            both = several.get(arm.digest), several.get(first.digest)
            if shared and both[0] and both[1]:
                kept = {str(key[0]) for key in shared}
                decided = _of_recipes((both[0], both[1]), arms, kept, suite, spread)
                differences += [decided] if decided else []
                continue
            pair = {"arm": arm.digest, "against": first.digest}
            differences.append(compare(mine, theirs, suite.primary, suite, seed, **pair))
    none = [difference for difference in differences if not difference.n]
    return [*_corrected([each for each in differences if each.n], suite), *none]


def _corrected(found: Sequence[Difference], suite: Suite) -> list[Difference]:
    """Holm's correction over all of them, whether of checkpoints or of recipes."""
    from runner.evaluation import holm

    alpha = 1 - suite.bootstrap.confidence
    return [
        outcome_of(item, suite)
        if item.outcome
        else item.model_copy(update={"clear": is_clear(item, alpha)})
        for item in holm(found)
    ]


def _of_recipes(
    pair: tuple[RecipeResult, RecipeResult],
    arms: Sequence[ArmResult],
    kept: Collection[str],
    suite: Suite,
    spread: Spread | None,
) -> Difference | None:
    by_digest = {arm.digest: arm for arm in arms}
    rows = {
        digest: [row for row in rows_by_split(by_digest[digest]) if row.id in kept]
        for each in pair
        for digest in each.arms
    }
    look = look_at(rows, by_digest, pair, suite, [spread] if spread else [])
    return look.difference(*pair) if look else None


def _alike(arms: Sequence[ArmResult]) -> list[list[ArmResult]]:
    """Groups of at least two tuned arms that are the same but for their data, in their order."""
    groups: dict[str, list[ArmResult]] = {}
    for arm in arms:
        if arm.kind == "tuned" and arm.status == "done" and arm.replicate == 1:
            rest = {name: value for name, value in arm.config.items() if name not in DATA}
            groups.setdefault(digest_of(rest), []).append(arm)
    return [group for group in groups.values() if len(group) > 1]


def _by_id(row: ScoredRow) -> tuple[str, ...]:
    return row.id, row.target


def _by_prompt(row: ScoredRow) -> tuple[str, ...]:
    return row.id, row.prompt, row.target


def _scored_rows(
    arm: ArmResult, by: Callable[[ScoredRow], tuple[str, ...]]
) -> dict[tuple[str, ...], ScoredRow]:
    """The test rows by what makes them the same row for two arms."""
    return {by(row): row for row in rows_by_split(arm)}
