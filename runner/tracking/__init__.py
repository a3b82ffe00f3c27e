"""Tracking: MLflow as a mirror of the ledger, kept at the edge.

`open_tracker` is the door. Nothing heavy is imported here: MLflow comes in on first use, in a
background thread. The ledger is the authority; whatever tracking lost is put back by `sync`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from runner.config import MlflowTracking, Tracking
from runner.records import CurvePoint
from runner.records.experiments import ExperimentResult
from runner.tracking.ui import TrackingLinks
from runner.tracking.uri import tracking_uri

__all__ = ["NoTracker", "Tracker", "TrackingLinks", "open_tracker", "tracking_uri"]


class Tracker(Protocol):
    """Someone who is told how an experiment goes. No method ever raises for a fault of the
    tracking store: it is warned of once, and `TrackingLinks.problem` says what it was."""

    def begin(self, result: ExperimentResult) -> None:
        """Show the experiment as running, with every arm that is not done. Idempotent."""

    def points(self, experiment: str, arm: str, points: Sequence[CurvePoint]) -> None:
        """Live curve points of an arm. `experiment` and `arm` are digests; points may repeat."""

    def sync(
        self, result: ExperimentResult, report: Path | None, pages: Mapping[str, Path]
    ) -> TrackingLinks:
        """Make the store equal to `result`, whatever it held before. `pages` are further files
        to show, by name. Idempotent; rebuilds everything in an empty store."""

    def close(self) -> None:
        """Write what is left and let go of the store."""


class NoTracker:
    """The tracker of ``tracking.kind: none``: does nothing."""

    def begin(self, result: ExperimentResult) -> None:
        pass

    def points(self, experiment: str, arm: str, points: Sequence[CurvePoint]) -> None:
        pass

    def sync(
        self, result: ExperimentResult, report: Path | None, pages: Mapping[str, Path]
    ) -> TrackingLinks:
        return TrackingLinks()

    def close(self) -> None:
        pass


def open_tracker(tracking: Tracking, home: Path) -> Tracker:
    """The tracker that `tracking.kind` names. Opens nothing yet."""
    if isinstance(tracking, MlflowTracking):
        from runner.tracking.background import BackgroundTracker

        return BackgroundTracker(tracking, home)
    return NoTracker()
