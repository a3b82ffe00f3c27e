"""Making an MLflow store equal to an experiment's result, from whatever it holds.

Runs are found again by their tags ``sweep.id`` and ``arm.digest``. A run whose tag
``mirror.digest`` already names what it should hold is left alone, so a repeated sync is quick.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from runner.base.digests import digest_of
from runner.config import MlflowTracking
from runner.records import CurvePoint
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.tracking.arm_run import arm_params, arm_run, arm_tags, table_json
from runner.tracking.facts import (
    MAX_NAME,
    LoggedMetric,
    RunFacts,
    RunIds,
    arm_measures,
    baseline_difference,
    curve,
)
from runner.tracking.mlflow_client import Mlflow, TrackedRun, TrackingError
from runner.tracking.row_tables import changes_of
from runner.tracking.sweep_run import experiment_note, sweep_name, sweep_run, sweep_tags
from runner.tracking.ui import LEADERBOARD, TrackingLinks, experiment_page, run_page, view_page
from runner.tracking.views import baseline_arm, colours, view_tags

# Who is working on which experiment, as file locks: a lock vanishes with its process, even after
# ``kill -9``, so a free lock of a RUNNING run says that nobody will ever end it.


def workplace(home: Path) -> str:
    """Short name of this machine and home folder; locks mean nothing to other ones."""
    place = f"{platform.node()}:{home.resolve()}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]


class HomeLocks:
    """The locks below one home folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "mlflow" / "running"
        self._held: dict[str, BaseFileLock] = {}

    def claim(self, sweep: str) -> None:
        """Be seen working on the experiment until `leave`; harmless when someone else is."""
        if sweep not in self._held and (lock := self._taken(sweep)):
            self._held[sweep] = lock

    def abandoned(self, sweep: str) -> bool:
        """Whether no living process works on the experiment."""
        if sweep in self._held:
            return False
        lock = self._taken(sweep)
        if lock is None:
            return False
        lock.release()
        return True

    def leave(self) -> None:
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def _taken(self, sweep: str) -> BaseFileLock | None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The digest comes from a tag in a store that others may write: no path from it.
        name = hashlib.sha256(sweep.encode()).hexdigest()[:24]
        # Claimed and released by different threads: the tracker's own and the caller's.
        lock = FileLock(self.folder / f"{name}.lock", blocking=False, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock


MIRROR_VERSION = 2
"""Raised when the same result is to be shown differently, so that finished runs are redone."""
PARENT = ""
"""Key of the parent run among the arms' digests."""


@dataclass
class Mirror:
    """One open store. Not safe for several threads: the tracker has one thread for it."""

    store: Mlflow
    tracking: MlflowTracking
    home: Path
    presence: HomeLocks
    live: dict[tuple[str, str], str] = field(default_factory=dict)
    """(sweep digest, arm digest) to the run that takes its live points."""
    opened: set[str] = field(default_factory=set)
    """Runs that `begin` left RUNNING and `sync` did not end yet."""

    # --- while the experiment runs ---------------------------------------------------------

    def begin(self, result: ExperimentResult) -> None:
        """Open the parent and every arm that is not done as RUNNING runs."""
        self.presence.claim(result.digest)
        experiment = self._experiment(result)
        self._end_abandoned(experiment)
        found = self._found(experiment, result)
        parent = self._running(experiment, found.get(PARENT), self._parent_head(result))
        shades = colours(result.arms)
        for arm in result.arms:
            if arm.status not in ("done", "skipped"):
                head = self._arm_head(result, arm, shades[arm.digest], parent)
                run = self._running(experiment, found.get(arm.digest), head)
                self.live[result.digest, arm.digest] = run

    def points(self, sweep: str, arm: str, points: Sequence[CurvePoint]) -> None:
        """Append live points. Those of a run that could not be begun are left to `sync`."""
        if run := self.live.get((sweep, arm)):
            self.store.write(run, [curve(point) for point in points])

    def interrupted(self) -> None:
        """End what was begun and will not be synced by this process."""
        while self.opened:
            self.store.end(self.opened.pop(), "KILLED", None)

    def _end_abandoned(self, experiment: str) -> None:
        """End runs that a killed process of this home left RUNNING, e.g. of an experiment that
        was edited since and will never be synced again."""
        here = f"tags.`sweep.place` = '{workplace(self.home)}'"
        for run in self.store.runs(experiment, f"attributes.status = 'RUNNING' and {here}"):
            if self.presence.abandoned(run.tags.get("sweep.id", "")):
                self.store.end(run.id, "KILLED", None)

    def _running(self, experiment: str, found: TrackedRun | None, head: RunFacts) -> str:
        if found is None:
            run = self._created(experiment, head)
            self.opened.add(run)
            return run
        self.opened.add(found.id)
        if found.state != "RUNNING":
            self.store.reopen(found.id)
        self.store.write(found.id, tags={"sweep.place": workplace(self.home)})
        return found.id

    # --- when it is over -------------------------------------------------------------------

    def sync(
        self, result: ExperimentResult, report: Path | None, pages: Mapping[str, Path]
    ) -> TrackingLinks:
        """Make the store equal to `result` and say where to look."""
        experiment = self._experiment(result)
        found = self._found(experiment, result)
        shades = colours(result.arms)
        parent = self._present(experiment, found.get(PARENT), self._parent_head(result))
        runs: dict[str, TrackedRun] = {}
        marks: dict[str, str] = {}
        # A run without scores that says FINISHED is one more thing to explain: what was not run has
        # no run, and the parent says how many there are.
        ran = [arm for arm in result.arms if arm.status != "skipped"]
        for arm in result.arms:
            if arm.status == "skipped" and (never := found.pop(arm.digest, None)):
                self.store.delete(experiment, never.id)
                self.opened.discard(never.id)
        for arm in ran:
            head = self._arm_head(result, arm, shades[arm.digest], parent.id)
            marks[arm.digest] = _arm_mark(result, arm, head)
            usable = self._usable(experiment, found.get(arm.digest), result, arm, marks[arm.digest])
            runs[arm.digest] = self._present(experiment, usable, head)
        places = RunIds(experiment, parent.id, {arm: run.id for arm, run in runs.items()})
        for arm in ran:
            run, mark = runs[arm.digest], marks[arm.digest]
            if not _up_to_date(run, mark):
                facts = arm_run(result, arm, shades[arm.digest], places)
                self._fill(experiment, run, facts, mark)
        mark = _parent_mark(result, report, pages, places)
        if not _up_to_date(parent, mark):
            facts = sweep_run(result, report, pages, places)
            self._fill(experiment, parent, facts, mark)
        for digest in found.keys() - runs.keys() - {PARENT}:
            self._close_orphan(found[digest])
        return self._links(result, places)

    def _usable(
        self,
        experiment: str,
        found: TrackedRun | None,
        result: ExperimentResult,
        arm: ArmResult,
        mark: str,
    ) -> TrackedRun | None:
        """The run, unless it holds something that is not so: MLflow can neither delete a point
        nor change a param, so such a run is thrown away and made anew. What an unfinished or
        failed arm showed live is kept: its curve tells most about the failure."""
        if found is None or found.tags.get("mirror.digest") == mark:
            return found
        measures = arm_measures(result, arm) if arm.status == "done" else None
        if spoiled(found, arm_params(arm), measures, self.store.history):
            self.store.delete(experiment, found.id)
            self.opened.discard(found.id)
            return None
        return found

    def _fill(self, experiment: str, run: TrackedRun, facts: RunFacts, mark: str) -> None:
        """Write what is missing, remove what is too much, end the run, in this order: only a
        run that is whole gets its mark."""
        datasets = {item.split: item for item in facts.datasets}
        self.store.datasets(run.id, facts.datasets)
        models = self.store.models(experiment, run.id, facts.models)
        missing = unwritten(run, facts.measures, self.store.history)
        tables = {path: table_json(table) for path, table in facts.tables.items()}
        self.store.write(run.id, missing, facts.params, _tags(facts), models, datasets)
        self.store.artifacts(run, {**facts.texts, **tables}, facts.files)
        self.store.traces(experiment, run.id, facts.traces)
        self.store.rename(run.id, facts.name)
        self.store.write(run.id, tags={"mirror.digest": mark})
        self.store.end(run.id, facts.state, facts.end_ms)
        self.opened.discard(run.id)

    def _close_orphan(self, run: TrackedRun) -> None:
        if run.state == "RUNNING":
            self.store.end(run.id, "KILLED", None)

    # --- finding and making runs -----------------------------------------------------------

    def _experiment(self, result: ExperimentResult) -> str:
        return self.store.experiment(self.tracking.experiment or result.name)

    def _found(self, experiment: str, result: ExperimentResult) -> dict[str, TrackedRun]:
        """The runs of this sweep by arm digest. Of two that claim to be the same arm, the
        older stays: machines that share a server but no lock may both have made one."""
        found: dict[str, TrackedRun] = {}
        for run in self.store.runs(experiment, f"tags.`sweep.id` = '{result.digest}'"):
            kept = found.setdefault(run.tags.get("arm.digest", PARENT), run)
            if kept is not run:
                self.store.delete(experiment, run.id)
        return found

    def _present(self, experiment: str, found: TrackedRun | None, head: RunFacts) -> TrackedRun:
        if found is not None:
            return found
        run = self._created(experiment, head)
        return self.store.run(run)

    def _created(self, experiment: str, head: RunFacts) -> str:
        tags = {**head.tags, "sweep.place": workplace(self.home)}
        run = self.store.create(experiment, head.name, head.start_ms, tags)
        self.store.write(run, params=head.params)
        return run

    def _parent_head(self, result: ExperimentResult) -> RunFacts:
        return RunFacts(sweep_name(result), "RUNNING", result.started_ms, 0, sweep_tags(result))

    def _arm_head(
        self, result: ExperimentResult, arm: ArmResult, colour: str, parent: str
    ) -> RunFacts:
        tags = arm_tags(result, arm, colour) | {"mlflow.parentRunId": parent}
        start = arm.started_ms or result.started_ms
        return RunFacts(arm.name[:MAX_NAME], "RUNNING", start, 0, tags, arm_params(arm))

    # --- views and links -------------------------------------------------------------------

    def _links(self, result: ExperimentResult, places: RunIds) -> TrackingLinks:
        experiment = places.experiment
        leaderboard = view_page(experiment, LEADERBOARD)
        if not (self.tracking.views and self._views_seeded(result, places)):
            leaderboard = experiment_page(experiment)
        uri = self.store.uri
        return TrackingLinks(
            experiment_id=experiment,
            parent_run_id=places.parent,
            leaderboard=leaderboard,
            parent=run_page(experiment, places.parent),
            server=uri if uri.startswith(("http://", "https://")) else "",
        )

    def _views_seeded(self, result: ExperimentResult, places: RunIds) -> bool:
        """Saved views are a convenience in an undocumented form: doing without is fine."""
        baseline = places.arms.get(baseline_arm(result), "")
        tags = view_tags(result, baseline)
        tags["mlflow.note.content"] = experiment_note(result, places)
        try:
            self.store.tag_experiment(places.experiment, tags)
        except TrackingError:
            return False
        return True


def _tags(facts: RunFacts) -> dict[str, str]:
    """The run's tags, with the one that tells MLflow's pages which artifacts are tables."""
    tags = dict(facts.tags)
    if facts.tables:
        listed = [{"path": path, "type": "table"} for path in facts.tables]
        tags["mlflow.loggedArtifacts"] = json.dumps(listed)
    return tags


def _up_to_date(run: TrackedRun, mark: str) -> bool:
    return run.tags.get("mirror.digest") == mark and run.state != "RUNNING"


def _arm_mark(result: ExperimentResult, arm: ArmResult, head: RunFacts) -> str:
    """Digest of everything an arm's run shows. Artifacts are content-addressed, so their
    paths stand for what is in them."""
    found, changed = baseline_difference(result, arm), changes_of(result, arm.digest)
    return digest_of(
        [
            MIRROR_VERSION,
            result.primary,
            arm.model_dump(mode="json"),
            found.model_dump(mode="json") if found else None,
            [each.model_dump(mode="json") for each in result.baselines],
            *([changed.model_dump(mode="json")] if changed else []),
            dict(head.tags),
        ]
    )


def _parent_mark(
    result: ExperimentResult, report: Path | None, pages: Mapping[str, Path], places: RunIds
) -> str:
    files = {"report": report, **pages}
    contents = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path is not None and path.is_file()
    }
    dump = result.model_dump(mode="json")
    return digest_of([MIRROR_VERSION, dump, contents, dict(places.arms)])


# What of a run's metrics is missing in the store, and whether the store holds wrong ones.

CURVES = ("train/", "validation/", "curve/")
"""Groups with a value per step. One wrong point spoils such a picture for good."""
LARGEST = 1.7976931348623157e308
"""What MLflow stores for infinity."""

History = Callable[[str, Iterable[str]], list[LoggedMetric]]
"""Every stored point of some metrics of a run."""


def spoiled(
    found: TrackedRun,
    params: Mapping[str, str],
    measures: Sequence[LoggedMetric] | None,
    history: History,
) -> bool:
    """Whether the run holds a param value or a curve point that is not so. Points are not
    looked at when `measures` is None."""
    if any(found.params[name] != params.get(name) for name in found.params):
        return True
    if measures is None:
        return False
    wanted = {_identity(item) for item in measures}
    stored = history(found.id, [name for name in found.metrics if name.startswith(CURVES)])
    return any(_identity(item) not in wanted for item in stored)


def unwritten(
    found: TrackedRun, measures: Sequence[LoggedMetric], history: History
) -> list[LoggedMetric]:
    """The measures to write. Curve points that are there are left out; a single value is
    written when it differs, late enough to become the latest one. Scores of a checkpoint are
    always written, because their model may not have them; repetitions are recognised."""
    single = [item for item in measures if not item.key.startswith(CURVES)]
    curves = [item for item in measures if item.key.startswith(CURVES)]
    stored = {_identity(item) for item in history(found.id, _known(found, curves))}
    out = [item for item in curves if item.checkpoint or _identity(item) not in stored]
    changed = [item for item in single if not _equal(found.metrics.get(item.key), item.value)]
    latest = {item.key: item.time_ms for item in history(found.id, _known(found, changed))}
    out += [
        replace(item, time_ms=max(item.time_ms, latest.get(item.key, 0) + 1)) for item in changed
    ]
    return out + [item for item in single if item.checkpoint and item not in changed]


def _known(found: TrackedRun, measures: Iterable[LoggedMetric]) -> list[str]:
    return list(dict.fromkeys(item.key for item in measures if item.key in found.metrics))


def _identity(measure: LoggedMetric) -> tuple[str, int, int, str]:
    return measure.key, measure.step, measure.time_ms, repr(_stored(measure.value))


def _stored(value: float) -> float:
    """The value as MLflow gives it back."""
    return math.copysign(LARGEST, value) if math.isinf(value) else value


def _equal(stored: float | None, value: float) -> bool:
    return stored is not None and repr(float(stored)) == repr(_stored(value))
