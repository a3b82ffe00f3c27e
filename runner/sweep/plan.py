"""What a run would do: each arm, what is done already, what is reused, tokens, price and time.

The plan prepares and renders the data (cheap, kept in the store), because token counts and the
keys of everything later depend on it. Nothing is tuned, and no model is asked for anything that
has a price, unless ``--pay`` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from runner.config import GeminiModel, VertexBackend
from runner.errors import BackendError, MissingExtraError
from runner.ledger import JobRecord, Ledger
from runner.money import Band, Price, queue_seconds, tuning_seconds
from runner.pipeline import Pipeline
from runner.records.summaries import SplitTokens, read_rendered, read_train_tokens
from runner.store import digest_of
from runner.sweep.arms import Arm
from runner.sweep.console import Console
from runner.sweep.forecast import Forecast
from runner.sweep.run import Sweep


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """One line of the plan. Token counts are of all epochs; `tokens_low` and `tokens_high`
    differ where only an estimate is possible, or the epochs are left to the service. `seconds` of
    tuning are a guess, 0 where there is nothing to tune, None when the speed of this model is not
    known here."""

    name: str
    kind: str
    digest: str
    state: str
    """``done``, ``tuned`` (only answers and scores are missing), ``interrupted`` or ``new``."""
    train_rows: int
    validation_rows: int
    test_rows: int
    tokens_low: int
    tokens_high: int
    seconds: float | None
    price: Price | None
    """What is left to pay; None where nothing has a price."""


def plan(sweep: Sweep, console: Console) -> list[PlannedArm]:
    """The plan of every arm, in the order in which they would run."""
    set_up: set[int] = set()
    for pipeline in sweep.pipelines.values():
        if id(pipeline.backend) not in set_up:
            set_up.add(id(pipeline.backend))
            ready(pipeline, console)
    known = sweep.ledger.experiment(sweep.result.digest)
    done = {arm.digest for arm in known.arms if arm.status == "done"} if known else set()
    forecast, jobs = Forecast(), _Jobs(console)
    lines = [_line(arm, sweep, arm.digest in done, forecast, jobs) for arm in sweep.arms]
    console.close()
    return lines


def ready(pipeline: Pipeline, console: Console) -> None:
    """Get the tokenizer for exact counts; without the extra, counts are estimates. A service
    has none to get, so that checks and plans need no account."""
    if isinstance(pipeline.experiment.model, GeminiModel):
        return
    try:
        pipeline.backend.setup(console.watch("model"))
    except MissingExtraError as error:
        console.say(f"token counts are estimates: {error}")


def _line(arm: Arm, sweep: Sweep, done: bool, forecast: Forecast, jobs: _Jobs) -> PlannedArm:
    pipeline = sweep.pipelines[arm.digest]
    rows = Counter(read_rendered(pipeline.rendered.path).rows)
    tuned = arm.kind == "tuned"
    state = "done" if done else jobs.state(pipeline) if tuned else "new"
    price = forecast.price(arm, pipeline)
    tokens = _tokens(arm, read_train_tokens(pipeline.rendered.path), price)
    finished = state in ("done", "tuned")
    return PlannedArm(
        name=arm.name,
        kind=arm.kind,
        digest=arm.digest,
        state=state,
        train_rows=rows["train"] if tuned else arm.shots,
        validation_rows=rows["validation"] if tuned else 0,
        test_rows=rows["test"],
        tokens_low=round(tokens.low),
        tokens_high=round(tokens.high),
        seconds=0.0 if finished else _guess(arm, sweep.ledger, tokens.high),
        price=price,
    )


def _tokens(arm: Arm, train: SplitTokens, price: Price | None) -> Band:
    """Tokens of tuning: as they are billed where they are, else as the data has them."""
    billed = [part.tokens for part in price.parts if part.what == "tuning"] if price else []
    if billed:
        return billed[0]
    if arm.kind != "tuned":
        return Band()
    tuning = arm.experiment.tuning
    return Band(train.least, train.most) * Band(tuning.epochs or 1, tuning.most_epochs)


class _Jobs:
    """How tuning jobs stand. A service that cannot be reached is asked once: a plan needs no
    account and no network."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._silent: set[int] = set()

    def state(self, pipeline: Pipeline) -> str:
        if pipeline.house.store.get("tune", digest_of({"stage": "tune", **pipeline.tune_key})):
            return "tuned"
        if id(pipeline.backend) in self._silent:
            return "new"
        try:
            status = pipeline.backend.find(pipeline.job_label)
        except BackendError as error:
            self._silent.add(id(pipeline.backend))
            self._console.say(f"jobs are planned as new ones, since it is not known: {error}")
            return "new"
        return status.state if status else "new"


def _guess(arm: Arm, ledger: Ledger, tokens: float) -> float | None:
    """Tuning seconds from the speed of earlier jobs of this model here, else from the
    model's measured speed in conf; for a service from jobs that others have reported."""
    if not tokens:
        return 0.0
    if isinstance(arm.experiment.model, GeminiModel):
        return tuning_seconds(tokens)
    speed = _measured(ledger.jobs(), arm.experiment.model.name)
    speed = speed or arm.experiment.model.cpu_tokens_per_second
    return tokens / speed if speed else None


def _measured(jobs: Sequence[JobRecord], model: str) -> float | None:
    done = [job for job in jobs if job.model == model and job.seconds > 0 and job.tokens > 0]
    if not done:
        return None
    return sum(job.tokens for job in done) / sum(job.seconds for job in done)


def together(sweep: Sweep, lines: Sequence[PlannedArm]) -> float:
    """Seconds of all tuning whose time is known: one job after the other on this machine, as
    many at a time as `backend.concurrency` says on a service."""
    backend = sweep.arms[0].experiment.backend
    width = backend.concurrency if isinstance(backend, VertexBackend) else 1
    return queue_seconds([line.seconds for line in lines if line.seconds], width)


def as_json(lines: Sequence[PlannedArm]) -> list[dict[str, object]]:
    """The plan for scripts; without a word of money where nothing has a price."""
    return [_plain(line) for line in lines]


def _plain(line: PlannedArm) -> dict[str, object]:
    plain = asdict(line)
    del plain["price"]
    return plain if line.price is None else {**plain, "price": line.price.to_json()}
