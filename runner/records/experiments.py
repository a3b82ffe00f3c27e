"""What whole experiments came to: the verdict, what holds of recipes, and everything together."""

from __future__ import annotations

import math
from typing import Literal

from runner.records import UNKNOWN, Scale
from runner.records.findings import Findings
from runner.records.gates import GateResult, GuardResult
from runner.records.looks import SplitLooks
from runner.records.results import ArmResult, Difference, ResultRecord, Score, total_usd
from runner.records.row_changes import RowChanges


class Verdict(ResultRecord):
    """The answer, in words a person can repeat."""

    headline: str
    """One sentence: which arm, how much better than what, and whether that is luck."""
    winner: str = ""
    """Digest of the winning arm; empty when there is none."""
    reasons: list[str] = []


class BaselineChoice(ResultRecord):
    """The untuned arm that tuned arms are held against, of all that answered the same test rows."""

    arm: str
    """Its digest."""
    among: list[str]
    """Digests of the untuned arms it was chosen from, itself included."""
    split: Literal["validation", "test", ""] = ""
    """The rows that chose it; empty where there was one only."""
    reason: str = ""
    """Why it is this one, in a sentence; empty where there was one only."""
    held: list[str] = []
    """Digests of the tuned arms on these rows."""

    @property
    def what(self) -> str:
        """What the arm is, to stand behind its name."""
        chosen = f"the best untuned arm on {self.split}"
        return chosen if self.split else "the only untuned arm"


class RecipeResult(ResultRecord):
    """All runs of one recipe: what is claimed of it is their mean, what is shipped one of them."""

    digest: str
    """Of its first replicate."""
    name: str
    arms: list[str]
    """Digests of its finished replicates, in their order."""
    shipped: str
    """The replicate that validation likes best; the first one without validation rows."""
    validation: float = math.nan
    """Mean primary score of the replicates on validation; nan without."""
    test: Score | None = None
    """Mean primary score on test; from two replicates on, its interval holds for another run on
    other rows. None where there is no score."""
    scores: list[float] = []
    """Of each replicate on test, nan where there is none."""
    deviation: float = math.nan
    """Standard deviation of `scores`; nan below two."""


class Spread(ResultRecord):
    """How far runs of one recipe lie apart, pooled over an experiment's recipes: what later
    experiments with few replicates lean on. See `runner.statistics.recipes.RunSpread`."""

    metric: str
    suite: str
    model: str
    means: float
    residual: float
    rows: int
    degrees: float


class ExperimentResult(ResultRecord):
    """One experiment with all its arms."""

    name: str
    digest: str
    question: str = ""
    file: str = ""
    """The experiment's YAML."""
    command: str = ""
    """How to run it again."""
    primary: str = ""
    arms: list[ArmResult] = []
    baselines: list[BaselineChoice] = []
    """The untuned arms of `differences`; empty in older results, where test chose them."""
    differences: list[Difference] = []
    gates: list[GateResult] = []
    """Of `suite.not_worse`, for the arm that would be shipped."""
    guards: list[GuardResult] = []
    """Every tuned arm on the rows of `guard`; empty where nobody looked."""
    row_changes: list[RowChanges] = []
    """Row by row, for the same pairs of arms as `differences`; empty in older results."""
    row_rivals: list[RowChanges] = []
    """Row by row, the `leading` arm against every other finished arm on the same rows."""
    treatments: list[Difference] = []
    """Tuned arms that differ in `prepare` only, against the first of them."""
    recipes: list[RecipeResult] = []
    """Best on validation first; empty in older results."""
    recipe_differences: list[Difference] = []
    """With replicates: every recipe against the untuned arm to beat, then the recipe that
    validation chose against every other."""
    tied: list[str] = []
    """With replicates: digests of the recipes that are not clearly worse than the best one, itself
    included; the cheapest first."""
    spread: Spread | None = None
    verdict: Verdict | None = None
    looks: list[SplitLooks] = []
    """How often each of its test splits has been looked at, by all experiments of the home; empty
    in older results."""
    findings: Findings | None = None
    """What was diagnosed when it ended; None in older results and before the end."""
    home: str = ""
    versions: dict[str, str] = {}
    """Package and runner versions, git commit when there is one."""
    started_ms: int = 0
    ended_ms: int = 0

    @property
    def bill(self) -> dict[tuple[str, str], float | None]:
        """As of an arm; what several arms use stands in it once."""
        return {key: usd for arm in self.arms for key, usd in arm.bill.items()}

    @property
    def usd(self) -> float | None:
        """US dollars all arms cost together; None where nothing has a price, or it is not
        known."""
        return total_usd(self.bill)

    @property
    def scale(self) -> Scale:
        """What the primary metric's values mean, as its first score says; unknown before that."""
        kept = (each for arm in self.arms for each in (arm.test, arm.validation) if each)
        found = (each.overall[self.primary] for each in kept if self.primary in each.overall)
        first = next(found, None)
        return first.scale if first else UNKNOWN

    @property
    def leading(self) -> str:
        """Digest of the arm that people look at first: the winner, else the tuned arm with the best
        primary score on validation, or on test where nothing was validated; empty without one."""
        if self.verdict and self.verdict.winner:
            return self.verdict.winner
        best: tuple[float, str] | None = None
        tuned = [arm for arm in self.arms if arm.digest in {item.arm for item in self.differences}]
        validated = any(arm.validation for arm in tuned)
        for arm in tuned:
            scores = arm.validation if validated else arm.test
            value = scores.overall[self.primary].value if scores else math.nan
            if best is None or self.scale.better(value, best[0]):
                best = value, arm.digest
        return best[1] if best else ""

    @property
    def rehearsal(self) -> bool:
        """Whether any arm ran on the emulator, which takes no money."""
        return any(arm.rehearsal for arm in self.arms)

    def arm(self, digest: str) -> ArmResult:
        """The arm with this digest. Raises KeyError."""
        for arm in self.arms:
            if arm.digest == digest:
                return arm
        raise KeyError(digest)
