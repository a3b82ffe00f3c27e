"""What whole experiments came to: the verdict, what holds of recipes, and everything together."""

from __future__ import annotations

import math

from runner.records import UNKNOWN, Scale
from runner.records.results import ArmResult, Difference, ResultRecord, Score, total_usd
from runner.records.row_changes import RowChanges


class Verdict(ResultRecord):
    """The answer, in words a person can repeat."""

    headline: str
    """One sentence: which arm, how much better than what, and whether that is luck."""
    winner: str = ""
    """Digest of the winning arm; empty when there is none."""
    reasons: list[str] = []


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


class GateResult(ResultRecord):
    """Whether the arm that would be shipped is shown not to be worse than another one by a margin
    (`suite.not_worse`)."""

    score: str
    margin: float
    """In the score's unit."""
    than: str
    """Name of the arm that it is held against, with its experiment where that is another one."""
    arm: str
    """Name of the arm, or of its recipe where that has replicates."""
    passed: bool
    why: str = ""
    """Why nothing can be said; empty where it was tested."""
    ours: float = math.nan
    theirs: float = math.nan
    gain: float = math.nan
    """The difference with its sign turned so that more is better."""
    least: float = math.nan
    """The one-sided limit of `gain`: it is at least this, but for the chance of error."""
    p: float = math.nan
    """One-sided, of a loss of `margin` or more; times `looks`."""
    method: str = ""
    """The test, in words."""
    looks: int = 1
    """Of how many arms the same test rows chose this one; 1 where validation did."""
    confidence: float = 0.95
    """One-sided, of `least`."""
    rows: int = 0
    groups: int = 0
    """Groups of rows that this goes by; 0 where every row stands for itself."""
    runs: int = 0
    """Replicates that this is the mean of, so that it holds for other runs as well; 0 for one
    checkpoint, which goes by the rows alone."""
    scale: Scale = UNKNOWN


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
    differences: list[Difference] = []
    gates: list[GateResult] = []
    """Of `suite.not_worse`, for the arm that would be shipped."""
    row_changes: list[RowChanges] = []
    """Row by row, for the same pairs of arms as `differences`; empty in older results."""
    row_rivals: list[RowChanges] = []
    """Row by row, the `leading` arm against every other finished arm on the same rows."""
    treatments: list[Difference] = []
    """Tuned arms that differ in `prepare` only, against the first of them."""
    recipes: list[RecipeResult] = []
    """Best on validation first; empty in older results."""
    recipe_differences: list[Difference] = []
    """With replicates: every recipe against the strongest untuned arm, then the recipe that
    validation chose against every other."""
    tied: list[str] = []
    """With replicates: digests of the recipes that are not clearly worse than the best one, itself
    included; the cheapest first."""
    spread: Spread | None = None
    verdict: Verdict | None = None
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
