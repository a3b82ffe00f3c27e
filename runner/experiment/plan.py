"""What a run would do: each arm, what is done already, what is reused, tokens, price and time.

The plan prepares and renders the data (cheap, kept in the store), because token counts and the
keys of everything later depend on it. Nothing is tuned, and no model is asked for anything that
has a price, unless ``--pay`` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from runner.base.errors import BackendError
from runner.experiment.answer_sets import foreseen
from runner.experiment.arms import Arm
from runner.experiment.console import Console
from runner.experiment.forecast import Forecast
from runner.experiment.looks import counted, split_rows
from runner.experiment.render_stage import RenderStage
from runner.experiment.run import Sweep
from runner.experiment.score_stage import check_targets
from runner.experiment.sealed import expect_finalists, refuse_without_validation
from runner.experiment.stage import ArmRun, Stage
from runner.experiment.stages import Stages, data_stages, get_tokenizer, in_order
from runner.experiment.tune_stage import TuneStage, epochs
from runner.money import Band, Price, queue_seconds, total, tuning_seconds
from runner.records.jobs import JobRecord
from runner.records.looks import SplitLooks, SplitRows
from runner.store.ledger import Ledger

# Stage by stage, what of an arm is there already and what is still to be made.

State = Literal["done", "reused", "new"]
"""In the store; made by an arm before this one; still to be made."""


@dataclass
class StageStates:
    """Of the arms of one experiment, in the order in which they run."""

    stages: Stages
    coming: set[str] = field(default_factory=set)
    """Digests of what an arm before will make."""

    def of(self, run: ArmRun) -> dict[str, str]:
        """State by stage; ``1 of 3 done`` where an arm has several of one and they differ."""
        found: dict[str, Counter[State]] = {}
        for stage in in_order(run, self.stages, foreseen):
            found.setdefault(stage.name, Counter())[self._state(run, stage)] += 1
        return {name: _words(states) for name, states in found.items()}

    def _state(self, run: ArmRun, stage: Stage[Any]) -> State:
        if run.find(stage):
            return "done"
        if not all(run.find(need) for need in stage.needs(run)):
            return "new"  # what it is made of is not known yet, and so it has no name
        digest = run.digest(stage)
        if digest in self.coming:
            return "reused"
        self.coming.add(digest)
        return "new"


def _words(states: Counter[State]) -> str:
    if len(states) == 1:
        return next(iter(states))
    return f"{states['done']} of {states.total()} done"


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
    stages: dict[str, str]
    """Stage by stage, in their order: ``done``, ``new``, or how many of how many are done."""
    train_rows: int
    validation_rows: int
    test_rows: int
    tokens_low: int
    tokens_high: int
    seconds: float | None
    price: Price | None
    """What is left to pay; None where nothing has a price."""
    warnings: tuple[str, ...] = ()
    """Where the suite would not score right answers as such."""
    sealed: bool = False
    """Whether it is planned as an arm that does not answer test (``suite.sealed``)."""


def plan(sweep: Sweep, console: Console) -> list[PlannedArm]:
    """The plan of every arm, in the order in which they would run.

    Raises DataError and ConfigError where the suite cannot score right answers as such, and
    ConfigError for a sealed test split without validation rows.
    """
    set_up: set[int] = set()
    for run in sweep.runs.values():
        if id(run.backend) not in set_up:
            set_up.add(id(run.backend))
            get_tokenizer(run, console.say)
    known = sweep.ledger.experiment(sweep.result.digest)
    expect_finalists(sweep.arms, sweep.runs, sweep.stages, known.arms if known else ())
    done = {arm.digest for arm in known.arms if arm.status == "done"} if known else set()
    look = _Look(Forecast(sweep.stages), StageStates(sweep.stages), _Jobs(console))
    lines = [_line(arm, sweep, arm.digest in done, look) for arm in sweep.arms]
    refuse_without_validation(list(sweep.runs.values()))
    console.close()
    return lines


@dataclass(frozen=True, slots=True)
class _Look:
    """What remembers, from one arm to the next, what arms have in common."""

    forecast: Forecast
    states: StageStates
    jobs: _Jobs


def _line(arm: Arm, sweep: Sweep, done: bool, look: _Look) -> PlannedArm:
    run, tuned = sweep.runs[arm.digest], arm.kind == "tuned"
    for stage in data_stages(run, sweep.stages):
        run.make(stage)
    rendered = run.read(RenderStage())
    state = "done" if done else look.jobs.state(run) if tuned else "new"
    warnings = check_targets(run)
    price = look.forecast.price(run)
    tokens = _tokens(run, rendered.train_tokens, price)
    finished = state in ("done", "tuned")
    return PlannedArm(
        name=arm.name,
        kind=arm.kind,
        digest=arm.digest,
        state=state,
        stages=look.states.of(run),
        train_rows=rendered.rows["train"] if tuned else arm.shots,
        validation_rows=rendered.rows["validation"] if tuned or run.contested else 0,
        test_rows=rendered.rows["test"],
        tokens_low=round(tokens.low),
        tokens_high=round(tokens.high),
        seconds=0.0 if finished else _guess(run, sweep.ledger, tokens.high),
        price=price,
        warnings=warnings,
        sealed=run.test == "sealed",
    )


def _tokens(run: ArmRun, train: Band, price: Price | None) -> Band:
    """Tokens of tuning: as they are billed where they are, else as the data has them."""
    billed = [part.tokens for part in price.parts if part.what == "tuning"] if price else []
    if billed:
        return billed[0]
    return train * epochs(run) if run.kind == "tuned" else Band()


class _Jobs:
    """How tuning jobs stand. A service that cannot be reached is asked once: a plan needs no
    account and no network."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._silent: set[int] = set()

    def state(self, run: ArmRun) -> str:
        if run.find(TuneStage()):
            return "tuned"
        if id(run.backend) in self._silent:
            return "new"
        try:
            status = run.backend.find(run.digest(TuneStage()))
        except BackendError as error:
            self._silent.add(id(run.backend))
            self._console.say(f"jobs are planned as new ones, since it is not known: {error}")
            return "new"
        return status.state if status else "new"


def _guess(run: ArmRun, ledger: Ledger, tokens: float) -> float | None:
    """Tuning seconds from the speed of earlier jobs of this model here, else from the
    model's measured speed in conf; for a service from jobs that others have reported."""
    if not tokens:
        return 0.0
    if run.terms.remote:
        return tuning_seconds(tokens)
    model = run.experiment.model
    speed = _measured(ledger.jobs(), model.name) or model.cpu_tokens_per_second
    return tokens / speed if speed else None


def _measured(jobs: Sequence[JobRecord], model: str) -> float | None:
    done = [job for job in jobs if job.model == model and job.seconds > 0 and job.tokens > 0]
    if not done:
        return None
    return sum(job.tokens for job in done) / sum(job.seconds for job in done)


@dataclass(frozen=True, slots=True)
class Choosing:
    """What is still asked so that validation chooses the untuned arm to beat."""

    untuned: int
    answers: int
    usd: Band | None
    """None where nothing has a price, or it is not known."""


def choosing(lines: Sequence[PlannedArm]) -> Choosing | None:
    """None where there is no choice, test makes it, or everything is answered."""
    left = [
        line
        for line in lines
        if line.kind != "tuned" and line.validation_rows and line.stages["predict"] != "done"
    ]
    if not left:
        return None
    parts = [part for line in left if line.price for part in line.price.parts]
    asked = [part.usd for part in parts if (part.group, part.what) == ("baseline", "validation")]
    known = [usd for usd in asked if usd is not None]
    usd = total(known) if known and len(known) == len(asked) else None
    return Choosing(len(left), sum(line.validation_rows for line in left), usd)


def together(sweep: Sweep, lines: Sequence[PlannedArm]) -> float:
    """Seconds of all tuning whose time is known: one job after the other on this machine, as
    many at a time as `backend.concurrency` says on a service."""
    width = max(1, sweep.runs[sweep.arms[0].digest].terms.jobs_at_once)
    return queue_seconds([line.seconds for line in lines if line.seconds], width)


def as_json(lines: Sequence[PlannedArm]) -> list[dict[str, object]]:
    """The plan for scripts; without a word of money where nothing has a price."""
    return [_plain(line) for line in lines]


def _plain(line: PlannedArm) -> dict[str, object]:
    plain = asdict(line)
    del plain["price"]
    return plain if line.price is None else {**plain, "price": line.price.to_json()}


# How often its test splits have answered already.


def planned_looks(sweep: Sweep) -> list[SplitLooks]:
    """The looks at every test split of the experiment, and how many comparisons the run would add
    to them at most: a rehearsal none. Its data has to be there, or is made; of a sealed experiment
    the finalists are those that are expected."""
    book, suite = sweep.ledger.looks(), sweep.arms[0].experiment.suite
    known = {(look.split, look.arm) for look in book.looks}
    splits: dict[str, SplitRows] = {}
    recipes: dict[str, set[str]] = {}
    for arm in sweep.arms:
        run = sweep.runs[arm.digest]
        split = split_rows(run)
        splits[split.digest] = split
        new = recipes.setdefault(split.digest, set())
        counts = run.test != "sealed" and not run.experiment.backend.rehearsal
        if arm.recipe and counts and (split.digest, arm.digest) not in known:
            new.add(arm.recipe)
    return [
        counted(book, split, suite).model_copy(update={"to_come": len(recipes[digest])})
        for digest, split in splits.items()
    ]
