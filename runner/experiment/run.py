"""A whole experiment: all arms in one process, one ledger entry, one verdict, one report."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from filelock import FileLock, Timeout

from runner.backends.protocol import Backend, WarmsUp, backend_terms
from runner.backends.registry import make_backend
from runner.base.digests import digest_of
from runner.config import Experiment, Tracking
from runner.experiment import sealed
from runner.experiment.advised import fill_in
from runner.experiment.arm import run_arm
from runner.experiment.arms import Arm, Point, check_one_experiment, expand
from runner.experiment.conclusion import concluded, data_cards
from runner.experiment.console import Console
from runner.experiment.contenders import repeated
from runner.experiment.context import RunContext
from runner.experiment.findings import diagnosed, told_by
from runner.experiment.forecast import check_affordable
from runner.experiment.looks import news, tested_on
from runner.experiment.parallel import EVALUATING, Slots, run_parallel, stop_order
from runner.experiment.prepare_stage import PrepareStage, data_warnings
from runner.experiment.recovery import checkpoints_damage, from_ledger
from runner.experiment.score_stage import refuse_unfit
from runner.experiment.stage import ArmRun
from runner.experiment.stages import STAGES, Stages, get_tokenizer
from runner.money import Account
from runner.records import CurvePoint
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.store.artifacts import ArtifactStore
from runner.store.ledger import Ledger, now_ms
from runner.tracking import Tracker, open_tracker
from runner.verdict.baseline_choice import contested
from runner.verdict.gates import check_gates
from runner.verdict.recipes import earlier_spreads
from runner.verdict.row_lists import with_row_lists
from runner.verdict.same_rows import reading_once

Listener = Callable[[Sequence[CurvePoint]], None]


@dataclass(frozen=True)
class Sweep:
    """A composed experiment, ready to plan, check or run."""

    result: ExperimentResult
    """Head with pending arms; `begin` of the ledger turns it into what is known."""
    arms: tuple[Arm, ...]
    points: tuple[str, ...]
    """Digest of the tuned arm of each composed point, in the points' order."""
    runs: dict[str, ArmRun]
    """Arm digest to its view of the stages; arms of one point share their backend."""
    home: Path
    ledger: Ledger
    stages: Stages = STAGES

    def shut_accounts(self, shut: bool) -> None:
        """Whether nothing may be paid for, not even what the data needs."""
        for each in self.runs.values():
            each.account.shut = shut

    @property
    def report(self) -> Path:
        return (
            self.home / "reports" / f"{self.result.name}-{self.result.digest[:8]}" / "report.html"
        )


@dataclass(frozen=True)
class RunOutcome:
    """What `sft run` has to say at the end."""

    result: ExperimentResult
    report: Path
    tracking: Tracking
    fresh: bool
    """False when everything was there already and nothing was done."""


class Backends:
    """One backend per distinct model and backend config, so that arms share a loaded model."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._made: dict[str, Backend] = {}

    def of(self, experiment: Experiment) -> Backend:
        config = experiment.model_dump(mode="json", include={"model", "backend", "paths"})
        key = digest_of(config)
        if key not in self._made:
            self._made[key] = make_backend(experiment, self.home)
        return self._made[key]

    def close(self) -> None:
        for backend in self._made.values():
            backend.close()


def _context(experiment: Experiment, console: Console) -> RunContext:
    """Where everything of the experiment is kept, and who watches."""
    home, kept = Path(experiment.paths.home), experiment.store
    ledger = Ledger(home, kept.ledger)
    store = ArtifactStore(
        Path(kept.root) if kept.root else home / "store",
        console.say,
        also={"tune": checkpoints_damage},
        recover={"tune": partial(from_ledger, ledger)},
    )
    return RunContext(home, store, ledger, console.watch, console.listen)


def assemble(
    points: Sequence[Point],
    file: Path,
    command: str,
    console: Console,
    stages: Stages = STAGES,
    *,
    pay: bool = True,
) -> Sweep:
    """Work out the arms of an experiment and where they live. Reads the data's digest only, but
    where a knob is recommended: its data is made, and paid for if need be and `pay` allows it.
    `stages` are those that every arm goes through.

    Raises ConfigError for a suite that cannot give its primary score, for points that are no arms
    of one experiment, and where nothing can be recommended.
    """
    from runner.evaluation import check_suite

    check_one_experiment(points)
    for point in points:
        check_suite(point.experiment.suite)
    first = points[0].experiment
    context = _context(first, console)
    home, ledger, backends = context.home, context.ledger, Backends(context.home)
    data = [_data_digest(point, context) for point in points]

    def unsettled(experiment: Experiment, arm: str) -> ArmRun:
        account = Account(ledger, experiment, arm, arm)
        account.shut = not pay
        return ArmRun(experiment, backends.of(experiment), context, account)

    filled = fill_in(points, data, stages, unsettled, console.say)
    arms = expand(*filled.distinct(console.say), stages)
    kinds, chosen_on = [arm.kind for arm in arms], first.baseline.chosen_on
    # What arms answer besides is no part of their identity, but of what was asked for.
    choosing = any(contested(kind, kinds, chosen_on) for kind in kinds)
    asked = [first.name, sorted(arm.digest for arm in arms)]
    digest = digest_of([*asked, "baselines on validation"] if choosing else asked)
    arms = filled.told(arms, ledger, digest)
    check_gates(first.suite, kinds, ledger, digest)
    width = max(1, min(backend_terms(backends.of(arm.experiment)).jobs_at_once for arm in arms))
    context = replace(context, slots=Slots(width, stop_order(home, digest)))
    result = ExperimentResult(
        name=first.name,
        digest=digest,
        question=first.question,
        file=str(file),
        command=command,
        primary=first.suite.primary,
        arms=[arm.pending() for arm in arms],
        home=str(home),
        started_ms=now_ms(),
    )
    runs = {
        arm.digest: ArmRun(
            arm.experiment,
            backends.of(arm.experiment),
            context,
            Account(ledger, arm.experiment, digest, arm.digest),
            arm.kind,
            arm.shots,
            arm.replicate,
            contested(arm.kind, kinds, chosen_on),
        )
        for arm in arms
    }
    return Sweep(result, tuple(arms), tuple(filled.digests), runs, home, ledger, stages)


def _data_digest(point: Point, context: RunContext) -> str:
    from runner.sources import source_digest

    return source_digest(point.experiment.source, context.known_digests)


def run(sweep: Sweep, console: Console) -> RunOutcome:
    """Run every arm that is not done, then compare, report and track.

    The same call on a finished experiment does nothing. Only one process runs an experiment at
    a time; a second one waits and then finds it finished.
    """
    from runner.report import REPORT_VERSION, write_report

    first = sweep.arms[0].experiment
    tracking, limits = first.tracking, first.diagnosis
    with _only_one(sweep, console):
        known = sweep.ledger.begin(sweep.result)
        target = digest_of([tracking.model_dump(mode="json"), *told_by(limits), REPORT_VERSION])
        finished = _finished(sweep, known) and sweep.report.exists()
        finished = finished and not news(known, sweep.ledger, first.suite)
        if finished and sweep.ledger.synced(known.digest) == target:
            return RunOutcome(known, sweep.report, tracking, fresh=False)
        pairs = zip(sweep.arms, known.arms, strict=True)
        left = [arm for arm, then in pairs if not _whole(sweep, then)]
        if left:
            _common_ground(sweep, sweep.runs[left[0].digest], console)
        sealed.expect_finalists(sweep.arms, sweep.runs, sweep.stages, known.arms)
        check_affordable(left, sweep.runs, sweep.stages, sweep.ledger, known.name)
        _warn(sweep, left, console)
        skewed = _skew(sweep, left, console)
        tracker = open_tracker(tracking, sweep.home)
        try:
            tracker.begin(known)
            result = _run_arms(sweep, known, tracker, console)
            sweep.report.parent.mkdir(parents=True, exist_ok=True)
            with reading_once():
                result = concluded(result, first, sweep.ledger)
                result = with_row_lists(result, first.suite, first.seed, sweep.report.parent)
                result = diagnosed(result, limits, sweep.runs, sweep.report.parent)
            console.stage("report")
            sweep.ledger.finish(result)
            pages = data_cards(result, sweep.report.parent) | skewed
            write_report(result, sweep.report)
            console.stage("tracking")
            links = tracker.sync(result, sweep.report, pages)
            if links.complete:
                sweep.ledger.mark_synced(result.digest, target)
        finally:
            tracker.close()
    return RunOutcome(result, sweep.report, tracking, fresh=True)


def _finished(sweep: Sweep, result: ExperimentResult) -> bool:
    """Whether there is nothing left to do. A replicate that was skipped is, unless all are wanted
    now: ``replicates.of`` changes no arm."""
    made = bool(result.ended_ms) and all(
        (arm.waits and then.status == "skipped") or _whole(sweep, then)
        for arm, then in zip(sweep.arms, result.arms, strict=True)
    )
    return made and not sealed.unanswered(result.arms, sweep.runs)


def _whole(sweep: Sweep, arm: ArmResult) -> bool:
    """Whether the arm is done and what it left is still there and as it was made."""
    if arm.status != "done" or (sweep.runs[arm.digest].test == "open" and arm.test is None):
        return False
    store = sweep.runs[arm.digest].context.store
    rows = (Path(file).parent for file in arm.predictions.values())
    return not any(store.damage(path) for path in {*map(Path, arm.artifacts.values()), *rows})


def _common_ground(sweep: Sweep, first: ArmRun, console: Console) -> None:
    """What all arms stand on, before the first of them: when that fails, it is one sentence and
    not a red row for each arm. Where arms differ in it, each of them finds out for itself."""
    if isinstance(first.backend, WarmsUp):
        first.backend.warm_up()
    runs = list(sweep.runs.values())
    if len({each.digest(PrepareStage()) for each in runs}) == 1:
        runs[0].make(PrepareStage())
    if len({id(each.backend) for each in runs}) == 1:
        runs[0].backend.setup(console.watch("model"))


def _warn(sweep: Sweep, left: Sequence[Arm], console: Console) -> None:
    """What the data of the arms that are left should be looked at for, before any is tuned. Raises
    ConfigError where no arm's right answers would count as such."""
    runs = [sweep.runs[arm.digest] for arm in left]
    for line in data_warnings(runs):
        console.say(f"warning: {line}")
    refuse_unfit(runs)
    sealed.refuse_without_validation(runs)


def _skew(sweep: Sweep, left: Sequence[Arm], console: Console) -> dict[str, Path]:
    """The skew pages of the tuned arms that are left. Raises GateError before any is tuned."""
    from runner.experiment.skew import gate_skew

    tuned = [
        sweep.runs[arm.digest]
        for arm in left
        if arm.kind == "tuned" and arm.experiment.skew.kind != "none"
    ]
    for each in tuned:
        get_tokenizer(each, console.say)
    found = gate_skew(tuned, sweep.report.parent)
    for one in found.values():
        for line in one.warnings:
            console.say(f"skew: {line}")
        console.say(f"skew: {one.page}")
    return {name: one.page for name, one in found.items()}


def _run_arms(
    sweep: Sweep, known: ExperimentResult, tracker: Tracker, console: Console
) -> ExperimentResult:
    """Bring every arm to its end. The backends' processes are gone afterwards."""
    results: dict[str, ArmResult] = {arm.digest: arm for arm in known.arms}
    stop, order = threading.Event(), stop_order(sweep.home, known.digest)
    order.unlink(missing_ok=True)

    def save(result: ArmResult) -> None:
        if stop.is_set():  # a thread that was left behind
            return
        paid = sweep.runs[result.digest].account.paid()
        result = result.model_copy(update={"spent": paid})
        tested = tested_on(sweep.runs[result.digest], result)
        sweep.ledger.put_arm(known.digest, result, tested)
        results[result.digest] = result

    opened: set[str] = set()
    # Each line once: most arms have their rows and the suite in common.
    warn = cache(lambda line: console.say(f"warning: {line}"))

    def job(number: int, arm: Arm) -> None:
        if order.exists():
            raise KeyboardInterrupt
        if _whole(sweep, results[arm.digest]):
            console.arm(number, len(sweep.arms), arm.name, "done before")
            return
        note = "answers the sealed test split" if arm.digest in opened else ""
        console.arm(number, len(sweep.arms), arm.name, note)
        console.on_points(_forward(tracker, known.digest, arm.digest))
        mine, logs = sweep.runs[arm.digest], sweep.home / "logs"
        set_up = partial(mine.backend.setup, console.watch("model"))
        console.arm_done(run_arm(arm, mine, sweep.stages, logs, set_up, save, warn))

    jobs = {arm.digest: sweep.runs[arm.digest].terms.jobs_at_once for arm in sweep.arms}

    def bring(numbered: Sequence[tuple[int, Arm]]) -> None:
        here = [(n, arm) for n, arm in numbered if not jobs[arm.digest]]
        elsewhere = [partial(job, n, arm) for n, arm in numbered if jobs[arm.digest]]
        _one_by_one(here, sweep, job)
        if elsewhere:
            width = EVALUATING + max(jobs.values())
            with console.parallel():
                run_parallel(elsewhere, width, stop)

    numbered = list(enumerate(sweep.arms, 1))
    try:
        bring([(n, arm) for n, arm in numbered if not arm.waits])
        if waiting := [(n, arm) for n, arm in numbered if arm.waits]:
            earlier = earlier_spreads(sweep.ledger.experiments(), known.digest)
            bring(repeated(waiting, results, earlier, save, console))
        if chosen := sealed.open_finalists(sweep.arms, results, sweep.runs, console.say):
            opened |= {arm.digest for arm in chosen}
            check_affordable(chosen, sweep.runs, sweep.stages, sweep.ledger, known.name)
            bring([(n, arm) for n, arm in numbered if arm in chosen])
    finally:
        for backend in {id(r.backend): r.backend for r in sweep.runs.values()}.values():
            backend.close()
    return known.model_copy(update={"arms": [results[arm.digest] for arm in sweep.arms]})


def _one_by_one(
    arms: Sequence[tuple[int, Arm]], sweep: Sweep, job: Callable[[int, Arm], None]
) -> None:
    """Run arms on this machine, with one loaded model at a time."""
    before: Backend | None = None
    for number, arm in arms:
        backend = sweep.runs[arm.digest].backend
        if before is not None and before is not backend:
            before.close()
        before = backend
        job(number, arm)


def _forward(tracker: Tracker, experiment: str, arm: str) -> Listener:
    def forward(points: Sequence[CurvePoint]) -> None:
        tracker.points(experiment, arm, points)

    return forward


def _only_one(sweep: Sweep, console: Console) -> FileLock:
    """The experiment's lock; says who holds it when it is taken."""
    (folder := sweep.home / "locks").mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{sweep.result.digest}.lock")
    owner = folder / f"{sweep.result.digest}.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        pid = owner.read_text() if owner.exists() else "?"
        console.say(f"another sft run (process {pid}) is on this experiment: waiting for it")
        lock.acquire()
    owner.write_text(str(os.getpid()))
    return lock
