"""What scores and arms came to: the records that the ledger keeps and that tracking,
`sft compare` and the report read. All of them are rebuilt from JSON by pydantic.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from runner.base.text import plural
from runner.records import EDITS, POINTS, UNKNOWN, Scale, TuningResult
from runner.records.advice import Advised


class ResultRecord(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="constants", protected_namespaces=()
    )


class Score(ResultRecord):
    """One score with its interval. `value` is nan when it is not defined (no rows)."""

    value: float
    low: float
    high: float
    n: int
    """Rows the value rests on (errors left out)."""
    signature: str = ""
    """sacreBLEU's signature, or the variant of the rule."""
    scale: Scale = UNKNOWN
    """What the value means, as the metric says."""
    method: str = ""
    """How the interval was made, in words; empty where there is none, or it was stored before it
    was said (Wilson for 0/1 rows then, else the percentile bootstrap)."""
    groups: int = 0
    """Groups of rows that the interval goes by; 0 where every row stands for itself."""

    @property
    def basis(self) -> str:
        """``400 rows in 40 groups; interval: Wilson, effective rows``."""
        method = f"; interval: {self.method}" if self.method else ""
        return in_groups(plural(self.n, "row"), self.groups) + method


class Scores(ResultRecord):
    """The scores of one set of predictions on one split."""

    split: str
    rows: int
    unanswered: dict[str, int] = {}
    """Rows without a usable answer by cause (`runner.records.Cause`), most first. Whether they
    count as wrong or are left out, the suite says."""
    overall: dict[str, Score]
    slices: dict[str, dict[str, Score]] = {}
    """``"phrasing=unseen"`` to the same scores on those rows."""

    @model_validator(mode="before")
    @classmethod
    def _old(cls, raw: Any) -> Any:
        """Scores that were stored before they had scales and causes."""
        if not isinstance(raw, Mapping) or "errors" not in raw:
            return raw
        rest = {name: value for name, value in raw.items() if name != "errors"}
        tables = [rest.get("overall", {}), *rest.get("slices", {}).values()]
        overall, *slices = ({name: _scaled(name, of) for name, of in t.items()} for t in tables)
        errors = {"unknown": raw["errors"]} if raw["errors"] else {}
        named = dict(zip(rest.get("slices", {}), slices, strict=True))
        return {**rest, "unanswered": errors, "overall": overall, "slices": named}

    @property
    def share_unanswered(self) -> float:
        """Of all rows; 0 of none."""
        return sum(self.unanswered.values()) / self.rows if self.rows else 0.0

    def why_unanswered(self, causes: Collection[str] | None = None) -> str:
        """``40 % unanswered: blocked 38 %, cut 2 %``, of these causes or of all; empty when every
        row was answered."""
        found = {c: n for c, n in self.unanswered.items() if causes is None or c in causes}
        if not found or not self.rows:
            return ""
        parts = ", ".join(f"{in_words(c)} {_percent(n, self.rows)}" for c, n in found.items())
        return f"{_percent(sum(found.values()), self.rows)} unanswered: {parts}"


def in_groups(rows: str, groups: int) -> str:
    """``400 rows in 40 groups``, or the rows alone where they have none."""
    return f"{rows} in {plural(groups, 'group')}" if groups else rows


def in_words(cause: str) -> str:
    """A cause for people: ``too_long`` is a prompt that is too long."""
    return {"too_long": "prompt too long", "refused": "refused by the service"}.get(cause, cause)


def _percent(rows: int, of: int) -> str:
    """``38 %``; below one per cent with a decimal, so that a row is never shown as none."""
    value = 100 * rows / of
    return f"{value:.1f} %" if value < 1 else f"{value:.0f} %"


_OLD_SCALES = {"ter": EDITS, "bleu": POINTS, "chrf": POINTS, "chrf++": POINTS}
"""Scales of scores that were stored without one, where they were no shares."""


def _scaled(name: str, score: Any) -> Any:
    """A stored score with the scale it has today. What a plug-in meant is not known, but until
    then higher had to be better."""
    if not isinstance(score, Mapping) or "scale" in score or name not in _OLD_SCALES:
        return score
    return {**score, "scale": _OLD_SCALES[name]}


class CheckpointScores(ResultRecord):
    """One checkpoint with its scores on the validation split."""

    id: str
    epoch: float
    step: int
    eval_loss: float
    path: str
    validation: Scores
    tied: bool = False
    """Whether it cannot be told from the best: within one standard error of their difference."""


class Spending(ResultRecord):
    """Money paid to a backend for one thing. Each thing is paid for once, however many arms
    and experiments use it."""

    label: str
    """Digest of the tuning job or of the set of answers."""
    what: str
    """``tuning``, ``baseline test``, ``validation``, ``test`` ..."""
    experiment: str
    """Digest of the experiment that paid."""
    arm: str
    """Digest of the arm that paid."""
    tokens: int
    """Billable tokens: of all epochs, or prompts and answers together."""
    usd: float | None
    """US dollars; null when the model's price is not known."""
    ms: int = 0
    """When the job was asked for, or the last answer came (Unix milliseconds)."""
    settled: bool = True
    """False while a tuning job is under way: then it is the upper estimate, held back."""
    rehearsal: bool = False
    """Whether this was the emulator, which takes no money."""


class Spent(ResultRecord):
    """US dollars spent or held back so far, as far as each cap of `budget` reaches."""

    arm: float
    experiment: float
    """Under this experiment's name, whatever its arms were at the time."""
    month: float
    """Of all experiments of the home in the calendar month (UTC)."""


ArmKind = Literal["zero_shot", "few_shot", "tuned"]
ArmStatus = Literal["pending", "running", "done", "failed", "incomplete", "skipped"]
"""`incomplete`: a service did not do its part; the same command goes on from there. `skipped`: a
replicate of a recipe that could not win any more (``replicates.of: contenders``)."""
Outcome = Literal["better", "worse", "equivalent", "undecided"]


class ArmResult(ResultRecord):
    """One arm: what it was, what became of it, where its files are."""

    digest: str
    """Identity: digest of the resolved config and the data."""
    name: str
    """Varying values joined by `` · ``, e.g. ``80 rows · lr 1.5``; unique in the experiment."""
    kind: ArmKind
    shots: int = 0
    recipe: str = ""
    """Of a tuned arm: digest of the first replicate of its recipe; empty in older results."""
    replicate: int = 1
    """Which of its recipe's runs it is, from 1."""
    status: ArmStatus = "pending"
    varying: dict[str, str] = {}
    """Swept key to this arm's value; empty for baseline arms that serve every point."""
    config: dict[str, Any] = {}
    """The full resolved config, JSON-ready."""
    model: str = ""
    advised: Advised | None = None
    """Where its hyperparameters come from, if any of them was recommended."""
    train_examples: int = 0
    tuning: TuningResult | None = None
    checkpoints: list[CheckpointScores] = []
    best: str = ""
    """Id of the checkpoint that the primary metric on validation picked."""
    validation: Scores | None = None
    """Of the best checkpoint, or of the untuned model."""
    test: Scores | None = None
    guard: Scores | None = None
    """On the rows of `guard`, where they were asked."""
    tested: str = ""
    """Digest of the test rows that it was scored on (`runner.records.looks.SplitRows`); empty
    without a test score, and in older results."""
    baseline: str = ""
    """Digest of the untuned arm this arm is held against; empty for baselines."""
    predictions: dict[str, str] = {}
    """Split to the file of its `ScoredRow`s."""
    artifacts: dict[str, str] = {}
    """Stage (``prepare``, ``render``, ``tune``, ``predict``, ``score``) to artifact folder."""
    seconds: dict[str, float] = {}
    """Stage to wall-clock seconds; a reused stage is absent."""
    reused: list[str] = []
    """Stages whose artifact was there already."""
    spent: list[Spending] = []
    """What its results cost, also what another arm or experiment paid; empty where nothing
    has a price."""
    started_ms: int = 0
    ended_ms: int = 0
    error: str = ""
    traceback: str = ""
    exit_code: int = 0
    """What `sft` exits with when every failed arm failed this way (see `runner.base.errors`)."""
    log: str = ""
    """Path of the log that has the whole story of a failure."""

    @property
    def bill(self) -> dict[tuple[str, str], float | None]:
        """What was paid for, by label and purpose, in US dollars; None where the price is not
        known. Money that is only held back is not in it."""
        found: dict[tuple[str, str], float | None] = {}
        for item in self.spent:
            if item.settled:
                key = (item.label, item.what)
                before = found.get(key, 0.0)
                found[key] = None if before is None or item.usd is None else before + item.usd
        return found

    @property
    def usd(self) -> float | None:
        """US dollars its results cost; None where nothing has a price, or it is not known."""
        return total_usd(self.bill)

    @property
    def sealed(self) -> bool:
        """Whether it has no test score because the test split is answered by finalists alone."""
        suite = self.config.get("suite")
        asked = isinstance(suite, dict) and bool(suite.get("sealed"))
        return asked and self.status == "done" and self.test is None

    @property
    def rehearsal(self) -> bool:
        """Whether it ran on the emulator: its dollars are what it would have cost."""
        backend = self.config.get("backend")
        emulated = isinstance(backend, dict) and backend.get("emulator") is not None
        return emulated or any(item.rehearsal for item in self.spent)

    @model_validator(mode="after")
    def _failed_says_why(self) -> Self:
        if self.status in ("failed", "incomplete") and not self.error:
            raise ValueError(f"an arm that is {self.status} must carry its error")
        return self


class Difference(ResultRecord):
    """A paired difference of the primary metric on the test rows that count for both arms."""

    arm: str
    """Digest of the arm."""
    against: str
    """Digest of the arm it is compared with."""
    metric: str
    value: float
    low: float
    high: float
    p: float
    """Two-sided; exact McNemar for 0/1 metrics, else sign-flip permutation, of whole groups
    where rows have groups."""
    p_holm: float
    """Holm-corrected over the arms of the experiment. Where the untuned arm was the best of
    several on these rows, a loss counts once for each of them first."""
    n: int
    discordant: int
    """Rows where the two arms' values differ."""
    clear: bool = False
    """Whether this is more than luck: the interval leaves 0 out, and `p_holm` is below one minus
    the suite's confidence. Both, because each is approximate where few rows are discordant."""
    scale: Scale = UNKNOWN
    """Of the two scores, as the metric says."""
    ours: float = math.nan
    """The arm's own score on the `n` rows; nan where it was not recorded."""
    theirs: float = math.nan
    """The other arm's, on the same rows."""
    runs: tuple[int, int] = (0, 0)
    """Replicates of either side that this is the mean of, (0, 0) for two checkpoints; the other
    side's is 0 where that is an untuned model. Then `arm` and `against` are recipes, and whatever
    is said holds for other runs of them as well."""
    rows_error: float = math.nan
    """Standard error that comes of the rows, where `runs` are known."""
    runs_error: float = math.nan
    """Standard error that comes of the runs."""
    degrees: float = math.nan
    """Degrees of freedom of the t-test."""
    p_equivalent: float = math.nan
    """p of two one-sided tests that the difference is within `suite.margin` (Schuirmann 1987)."""
    outcome: Outcome | None = None
    """Of recipes: what is decided; None for checkpoints, which `clear` speaks of."""
    settles: str = ""
    """What would decide it, where it is undecided."""
    method: str = ""
    """How the interval was made, as in `Score`."""
    groups: int = 0
    """Groups of rows that interval and p go by; 0 where every row stands for itself."""

    @model_validator(mode="before")
    @classmethod
    def _old(cls, raw: Any) -> Any:
        """Differences that were stored before they had scales."""
        return _scaled(str(raw.get("metric", "")), raw) if isinstance(raw, Mapping) else raw

    @property
    def gain(self) -> float:
        """The value with its sign turned so that more is better."""
        return self.scale.gain(self.value)

    @property
    def basis(self) -> str:
        """As of a score, and how many of the paired rows differ."""
        method = f"; interval: {self.method}" if self.method else ""
        rows = in_groups(plural(self.n, "row"), self.groups)
        return f"{rows}, {self.discordant} of them differ{method}"


def total_usd(bill: Mapping[tuple[str, str], float | None]) -> float | None:
    """Of a bill; None where nothing has a price, or one of them is not known."""
    known = [usd for usd in bill.values() if usd is not None]
    return sum(known) if known and len(known) == len(bill) else None
