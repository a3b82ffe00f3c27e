"""What a data treatment bought: tuned arms that differ in their data only, held against one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.config import Suite
from runner.records import read_jsonl
from runner.results import ArmResult, Difference
from runner.store import digest_of
from runner.sweep.verdict import is_clear


def treatment_differences(arms: Sequence[ArmResult], suite: Suite, seed: int) -> list[Difference]:
    """Every tuned arm against the first one of the experiment that has another `prepare` and is
    the same in everything else, on the test rows of both; Holm-corrected.

    The first is the one that the first value of every swept key gives, so an experiment lists
    the untreated data first. Arms whose test rows differ are not compared.
    """
    from runner.evaluation import compare, holm

    raw = []
    for first, *others in _alike(arms):
        against = _rows(first)
        asked = [(row["id"], row["target"]) for row in against]
        for arm in others:
            rows = _rows(arm)
            if [(row["id"], row["target"]) for row in rows] == asked:
                pair = {"arm": arm.digest, "against": first.digest}
                raw.append(compare(rows, against, suite.primary, suite, seed, **pair))
    corrected = holm([difference for difference in raw if difference.n])
    alpha = 1 - suite.bootstrap.confidence
    return [item.model_copy(update={"clear": is_clear(item, alpha)}) for item in corrected]


def _alike(arms: Sequence[ArmResult]) -> list[list[ArmResult]]:
    """Groups of at least two tuned arms that are the same but for `prepare`, in their order."""
    groups: dict[str, list[ArmResult]] = {}
    for arm in arms:
        if arm.kind == "tuned" and arm.status == "done":
            rest = {name: value for name, value in arm.config.items() if name != "prepare"}
            groups.setdefault(digest_of(rest), []).append(arm)
    return [group for group in groups.values() if len(group) > 1]


def _rows(arm: ArmResult) -> list[dict[str, object]]:
    return list(read_jsonl(Path(arm.predictions["test"])))
