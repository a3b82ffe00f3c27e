"""What arms and experiments came to: the records that the ledger keeps and that tracking,
`sft compare` and the report read. All of them are rebuilt from JSON by pydantic."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from runner.records import TuningResult


class _Result(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="constants", protected_namespaces=()
    )


class Score(_Result):
    """One score with its interval. `value` is nan when it is not defined (no rows)."""

    value: float
    low: float
    high: float
    n: int
    """Rows the value rests on (errors left out)."""
    signature: str = ""
    """sacreBLEU's signature, or the variant of the rule."""


class Scores(_Result):
    """The scores of one set of predictions on one split."""

    split: str
    rows: int
    errors: int
    """Rows without an answer; an outcome of its own, not a wrong answer."""
    overall: dict[str, Score]
    slices: dict[str, dict[str, Score]] = {}
    """``"phrasing=unseen"`` to the same scores on those rows."""


class CheckpointScores(_Result):
    """One checkpoint with its scores on the validation split."""

    id: str
    epoch: float
    step: int
    eval_loss: float
    path: str
    validation: Scores


ArmKind = Literal["zero_shot", "few_shot", "tuned"]
ArmStatus = Literal["pending", "running", "done", "failed"]


class ArmResult(_Result):
    """One arm: what it was, what became of it, where its files are."""

    digest: str
    """Identity: digest of the resolved config and the data."""
    name: str
    """Varying values joined by `` · ``, e.g. ``80 rows · lr 1.5``; unique in the experiment."""
    kind: ArmKind
    shots: int = 0
    status: ArmStatus = "pending"
    varying: dict[str, str] = {}
    """Swept key to this arm's value; empty for baseline arms that serve every point."""
    config: dict[str, Any] = {}
    """The full resolved config, JSON-ready."""
    model: str = ""
    train_examples: int = 0
    tuning: TuningResult | None = None
    checkpoints: list[CheckpointScores] = []
    best: str = ""
    """Id of the checkpoint that the primary metric on validation picked."""
    validation: Scores | None = None
    """Of the best checkpoint, or of the untuned model."""
    test: Scores | None = None
    baseline: str = ""
    """Digest of the strongest untuned arm this arm is held against; empty for baselines."""
    predictions: dict[str, str] = {}
    """Split to a JSONL file: id, prompt, target, references, text, error, slices and, under
    ``scores``, the per-row value of every row-wise metric."""
    artifacts: dict[str, str] = {}
    """Stage (``prepare``, ``render``, ``tune``, ``predict``, ``score``) to artifact folder."""
    seconds: dict[str, float] = {}
    """Stage to wall-clock seconds; a reused stage is absent."""
    reused: list[str] = []
    """Stages whose artifact was there already."""
    started_ms: int = 0
    ended_ms: int = 0
    error: str = ""
    traceback: str = ""
    exit_code: int = 0
    """What `sft` exits with when every failed arm failed this way (see `runner.errors`)."""
    log: str = ""
    """Path of the log that has the whole story of a failure."""

    @model_validator(mode="after")
    def _failed_says_why(self) -> Self:
        if self.status == "failed" and not self.error:
            raise ValueError("a failed arm must carry its error")
        return self


class Difference(_Result):
    """A paired difference of the primary metric on the test rows both arms answered."""

    arm: str
    """Digest of the arm."""
    against: str
    """Digest of the arm it is compared with."""
    metric: str
    value: float
    low: float
    high: float
    p: float
    """Two-sided; exact McNemar for 0/1 metrics, else sign-flip permutation."""
    p_holm: float
    """Holm-corrected over the arms of the experiment."""
    n: int
    discordant: int
    """Rows where the two arms' values differ."""
    clear: bool = False
    """Whether this is more than luck: the interval leaves 0 out, and `p_holm` is below one minus
    the suite's confidence. Both, because a percentile bootstrap is too narrow for few
    discordant rows."""


class Verdict(_Result):
    """The answer, in words a person can repeat."""

    headline: str
    """One sentence: which arm, how much better than what, and whether that is luck."""
    winner: str = ""
    """Digest of the winning arm; empty when there is none."""
    reasons: list[str] = []


class ExperimentResult(_Result):
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
    verdict: Verdict | None = None
    home: str = ""
    versions: dict[str, str] = {}
    """Package and runner versions, git commit when there is one."""
    started_ms: int = 0
    ended_ms: int = 0

    def arm(self, digest: str) -> ArmResult:
        """The arm with this digest. Raises KeyError."""
        for arm in self.arms:
            if arm.digest == digest:
                return arm
        raise KeyError(digest)
