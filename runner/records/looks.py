"""Looks at a test split: how often its rows have answered a question, and what that does to trust.

Every comparison made on the same rows is another chance of a false alarm. With k of them at a level
of alpha each, the chance of at least one is k times alpha at most, however they hang together
(Bonferroni; Dunn 1961), and what holds at a level of alpha / k holds for all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runner.base.digests import digest_of
from runner.base.text import plural
from runner.records.results import ArmResult, Difference, ResultRecord

SKETCH = 1024
"""Row digests that are kept of a split, the smallest ones, which are a random sample that is the
same for all splits (k minimum values, Beyer et al. 2007). Of splits that have no more rows an
overlap is exact; one half of a larger one is estimated to 0.02."""

QUESTION = ("metrics", "primary", "normalize", "extract", "thinking", "unanswered")
"""What of a suite makes the same answers another question. Intervals, margins and slices do not."""


class SplitRows(ResultRecord):
    """Which rows a test split has, as far as it takes to know them again."""

    digest: str
    """Of all rows: of what is asked and what is right, never of a place, an order or a name."""
    rows: int
    sketch: tuple[str, ...] = ()
    """The smallest `SKETCH` of the rows' digests, sorted."""

    @staticmethod
    def of(digests: Sequence[str]) -> SplitRows:
        """The split with these rows."""
        kept = sorted(set(digests))
        return SplitRows(digest=digest_of(kept), rows=len(kept), sketch=tuple(kept[:SKETCH]))

    def share_in(self, other: SplitRows) -> float:
        """Share of these rows that `other` has as well, estimated where one of them has more rows
        than its sketch."""
        cut = other.rows > len(other.sketch)
        known = [each for each in self.sketch if not cut or each <= other.sketch[-1]]
        theirs = set(other.sketch)
        return sum(each in theirs for each in known) / len(known) if known else 0.0


class Look(ResultRecord):
    """One arm that was scored on a test split: the ledger keeps the first time."""

    split: str
    """Digest of the rows, see `SplitRows`."""
    question: str
    """Digest of the answers and of how they were scored, see `question_of`."""
    experiment: str
    """Digest of the experiment that looked."""
    name: str
    """Its name."""
    arm: str
    recipe: str
    """Digest of the tuned arm's recipe; empty for an untuned model."""
    sealed: bool
    """Whether only finalists were to be asked."""
    ms: int
    """When the score was there (Unix milliseconds)."""


def question_of(arm: ArmResult) -> str:
    """What a test split was asked by the arm: the same answers scored the same way are one look,
    whatever experiment they stand in."""
    suite = arm.config.get("suite") or {}
    answers = Path(arm.artifacts.get("predict", arm.digest)).name
    return digest_of([answers, [suite.get(name) for name in QUESTION]])


class LookBook(ResultRecord):
    """All looks that a ledger knows, in their order."""

    looks: list[Look]
    splits: dict[str, SplitRows]
    older: bool
    """Whether the ledger is older than its count: what was looked at before is not in it."""


class SplitLooks(ResultRecord):
    """How often one test split has been looked at, when it was last counted."""

    split: str
    """Digest of its rows."""
    rows: int
    comparisons: int = 0
    """Tuned recipes that were scored on it, one for each experiment that looked: k."""
    untuned: int = 0
    """Untuned models that were: they are what is compared with."""
    elsewhere: int = 0
    """Of `comparisons`, those on other splits that have many of the same rows."""
    experiments: int = 0
    since_ms: int = 0
    """The first look."""
    to_come: int = 0
    """Comparisons that a planned run would add at most."""
    level: float = 0.05
    """alpha: one minus the suite's confidence."""
    warn: int = 10
    """`suite.looks.warn`."""
    older: bool = False
    sealed: bool = False
    """`suite.sealed`, as it was asked for last."""
    held: Difference | None = None
    """The winner's difference with the interval that holds for all comparisons together; None
    without a winner, and with one comparison, of which it says nothing new."""
    sealed_ms: int = 0
    """When the test split was opened under a seal; 0 where it never was."""
    before_seal: int = 0
    """Looks at it, of tuned recipes and untuned models, that are older than that."""
    broken_ms: int = 0
    """When it was looked at again; 0 where the seal holds."""
    broken_by: str = ""
    """Name of the experiment that did."""

    @property
    def looks(self) -> int:
        """Of tuned recipes and untuned models together."""
        return self.comparisons + self.untuned

    @property
    def bound(self) -> float:
        """Upper bound of the chance that at least one of the comparisons is a false alarm."""
        return min(1.0, self.comparisons * self.level)

    @property
    def worn(self) -> bool:
        """Whether there is something to be warned of."""
        return self.comparisons >= self.warn or bool(self.seal)

    @property
    def count(self) -> str:
        """How often, by whom, since when."""
        rows = plural(self.rows, "row")
        if not self.looks:
            said = f"This test split ({rows}) has not been looked at yet."
        else:
            by = plural(self.experiments, "experiment")
            shared = f" ({self.elsewhere} of them on splits that share its rows)"
            said = (
                f"This test split ({rows}) has answered {plural(self.comparisons, 'comparison')}"
                f"{shared if self.elsewhere else ''} and scored "
                f"{plural(self.untuned, 'untuned model')}, in {by} since {day(self.since_ms)}."
            )
        if self.older:
            said += " What was looked at before this ledger counted is not among them."
        return said

    @property
    def trust(self) -> str:
        """What that does to trust; empty where there is nothing to compare."""
        if not self.comparisons:
            return ""
        level = f"{100 * self.level:g} %"
        if self.comparisons == 1:
            return f"It was the only one, so a level of {level} is what it says."
        said = (
            f"With {self.comparisons} comparisons at a level of {level} each, the chance that at "
            f"least one is a false alarm can be as high as {100 * self.bound:.3g} % (Bonferroni)."
        )
        return said + self._held if self.held else said

    @property
    def _held(self) -> str:
        assert self.held is not None
        scale, each = self.held.scale, 100 * (1 - self.level / self.comparisons)
        low, high = (f"{end:+.{scale.places(end)}f}" for end in (self.held.low, self.held.high))
        says = "so it still holds" if self.held.clear else "so it may be one of them"
        return (
            f" The interval that holds for all of them at once ({each:.4g} % for each) puts the "
            f"winner's difference between {low} and {high}, {says}."
        )

    @property
    def fresh(self) -> str:
        """What to do about it; empty where there is nothing to be warned of."""
        if self.comparisons < self.warn:
            return ""
        return "Decide on validation, and keep rows that nobody has looked at for the last word."

    @property
    def seal(self) -> str:
        """What became of the seal; empty where there was none or where it holds."""
        looks = plural(self.looks, "look")
        if self.broken_ms:
            return (
                f"The seal of this test split was broken on {day(self.broken_ms)} by "
                f"{self.broken_by}: {looks}."
            )
        if self.before_seal:
            return (
                f"This test split was no secret when it was sealed on {day(self.sealed_ms)}: "
                f"{plural(self.before_seal, 'look')} before that, {looks} in all."
            )
        if self.sealed and self.looks and not self.sealed_ms:
            return f"suite.sealed came too late for this test split: {looks} before it."
        return ""

    @property
    def said(self) -> list[str]:
        """Everything, sentence by sentence, worst first."""
        holds = ""
        if self.sealed_ms and not self.seal:
            holds = f"The seal holds: it was opened once, on {day(self.sealed_ms)}."
        return [each for each in (self.seal, self.count, holds, self.trust, self.fresh) if each]


def day(ms: int) -> str:
    """``2026-11-27``: the UTC day of Unix milliseconds."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"


def count_looks(
    book: LookBook, split: SplitRows, *, level: float, warn: int, shared: float, sealed: bool
) -> SplitLooks:
    """What the ledger knows of a test split. Looks at other splits that have at least the share
    `shared` of its rows count as well."""
    near = _near(book.splits, split, shared)
    seen = [look for look in book.looks if look.split in near]
    # Replicates of a recipe answer one question together, those of a later experiment another.
    kinds = {(each.experiment, each.recipe): each for each in reversed(seen) if each.recipe}
    counted = SplitLooks(
        split=split.digest,
        rows=split.rows,
        comparisons=len(kinds),
        untuned=sum(not each.recipe for each in seen),
        elsewhere=sum(each.split != split.digest for each in kinds.values()),
        experiments=len({each.experiment for each in seen}),
        since_ms=min((each.ms for each in seen), default=0),
        level=level,
        warn=warn,
        older=book.older,
        sealed=sealed,
    )
    return counted.model_copy(update=_seal(seen))


def _near(splits: Mapping[str, SplitRows], split: SplitRows, shared: float) -> set[str]:
    others = (each for each in splits.values() if each.digest != split.digest)
    return {split.digest, *(each.digest for each in others if split.share_in(each) >= shared)}


def _seal(seen: Sequence[Look]) -> dict[str, int | str]:
    """When the seal was opened, what came before, and who looked first after it. Opened is what
    one experiment asks of one recipe and the untuned models beside it."""
    first = next((at for at, each in enumerate(seen) if each.sealed), None)
    if first is None:
        return {}
    opening = seen[first]
    recipe = next(
        (
            each.recipe
            for each in seen[first:]
            if each.recipe and each.sealed and each.experiment == opening.experiment
        ),
        "",
    )
    own = [
        each.sealed and each.experiment == opening.experiment and each.recipe in ("", recipe)
        for each in seen
    ]
    found: dict[str, int | str] = {"sealed_ms": opening.ms, "before_seal": _distinct(seen[:first])}
    again = [each for each, mine in zip(seen[first:], own[first:], strict=True) if not mine]
    if again:
        found |= {"broken_ms": again[0].ms, "broken_by": again[0].name}
    return found


def _distinct(seen: Sequence[Look]) -> int:
    recipes = {(each.experiment, each.recipe) for each in seen if each.recipe}
    return len(recipes) + sum(not each.recipe for each in seen)
