"""The tracker that is never in the way: MLflow is loaded and written in a thread of its own,
and a fault of the tracking store costs a warning, never a run.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from runner.config import MlflowTracking
from runner.records import CurvePoint
from runner.records.experiments import ExperimentResult
from runner.tracking.mirror import HomeLocks
from runner.tracking.mlflow_client import TrackingError
from runner.tracking.ui import TrackingLinks

if TYPE_CHECKING:
    from runner.tracking.mirror import Mirror

log = logging.getLogger("runner.tracking")

ATTEMPTS = 3
"""Tries of the last, complete sync when the store is only busy."""


class BackgroundTracker:
    """Keeps an MLflow store in step with an experiment. All methods may be called from any
    thread; only `sync` and `close` wait."""

    def __init__(self, tracking: MlflowTracking, home: Path) -> None:
        from runner.tracking.uri import tracking_uri

        self.tracking = tracking
        self.home = home.resolve()
        self.uri = tracking_uri(tracking, home)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._mirror: Mirror | None = None
        self._presence = HomeLocks(self.home)
        self._waiting: dict[tuple[str, str], list[CurvePoint]] = {}
        self._guard = threading.Lock()
        self._begun = False
        self._broken = False
        self._warned = False

    def begin(self, result: ExperimentResult) -> None:
        """Queue the opening of the experiment's runs."""
        self._begun = True
        self._worker.submit(self._live, lambda mirror: mirror.begin(result))

    def points(self, experiment: str, arm: str, points: Sequence[CurvePoint]) -> None:
        """Queue points. Whatever comes while the store is busy goes out in one request."""
        with self._guard:
            first = not self._waiting
            self._waiting.setdefault((experiment, arm), []).extend(points)
        if first:
            self._worker.submit(self._live, self._flush)

    def sync(
        self, result: ExperimentResult, report: Path | None, pages: Mapping[str, Path]
    ) -> TrackingLinks:
        """Wait for what is queued, then bring the store to the state of `result`."""
        job: Future[TrackingLinks] = self._worker.submit(self._sync, result, report, dict(pages))
        return job.result()

    def close(self) -> None:
        """Wait for what is queued and end the thread. Runs that were begun and not synced are
        ended as killed, so that an interrupted run does not look alive."""
        if self._begun:
            self._worker.submit(self._live, lambda mirror: mirror.interrupted())
        self._worker.shutdown(wait=True)
        self._presence.leave()

    # --- in the thread ---------------------------------------------------------------------

    def _live(self, step: Callable[[Mirror], None]) -> None:
        """One live step. After a fault the rest is left to `sync`, so that a dead server does
        not hold up the queue at every point."""
        if self._broken:
            return
        try:
            with self._locked():
                step(self._opened())
        except Exception as error:  # whatever happens here must not end the run
            self._broken = True
            self._warn(error)

    def _flush(self, mirror: Mirror) -> None:
        with self._guard:
            waiting, self._waiting = self._waiting, {}
        for (experiment, arm), points in waiting.items():
            mirror.points(experiment, arm, points)

    def _sync(
        self, result: ExperimentResult, report: Path | None, pages: Mapping[str, Path]
    ) -> TrackingLinks:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._locked():
                    links = self._opened().sync(result, report, pages)
                self._broken = False
                return links
            except Exception as error:  # the results are safe, only their mirror is not
                if not getattr(error, "passing", False) or attempt == ATTEMPTS:
                    self._warn(error)
                    return TrackingLinks(problem=str(error))
        raise AssertionError("unreachable: the last attempt returns")

    def _opened(self) -> Mirror:
        if self._mirror is None:
            from runner.tracking.mirror import Mirror
            from runner.tracking.mlflow_client import Mlflow

            store = Mlflow(self.uri, self.home)
            self._mirror = Mirror(store, self.tracking, self.home, self._presence)
        return self._mirror

    def _locked(self) -> ExitStack:
        """Processes of one home take turns: MLflow has no way to make a run only once."""
        folder = self.home / "mlflow"
        folder.mkdir(parents=True, exist_ok=True)
        stack = ExitStack()
        stack.enter_context(FileLock(folder / "write.lock"))
        return stack

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        cause = (
            str(error) if isinstance(error, TrackingError) else f"{type(error).__name__}: {error}"
        )
        log.warning(
            "MLflow at %s is not up to date: %s\n"
            "  Results are complete in the store and the report; run the same command again to "
            "bring MLflow up to date.",
            shown(self.uri),
            cause.replace(self.uri, shown(self.uri)),
        )
        log.debug("cause", exc_info=error)


def shown(uri: str) -> str:
    """The tracking URI without its password, for messages."""
    return re.sub(r"(://[^/:@]*):[^/@]*@", r"\1:***@", uri)
