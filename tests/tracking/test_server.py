"""A tracking server instead of a database file: the same contents, the same links."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runner.config import MlflowTracking
from runner.records.experiments import ExperimentResult
from runner.tracking import open_tracker, tracking_uri
from runner.tracking.ui import running, serve
from tests.tracking import sample
from tests.tracking.conftest import TRACKING, snapshot, sync


def test_a_server_gets_what_a_database_gets(
    new_home: Callable[[str], Path],
    result: ExperimentResult,
    report: Path,
) -> None:
    served, direct, ours = new_home("served"), new_home("direct"), new_home("ours")
    sync(direct, result, report)
    with running(tracking_uri(TRACKING, served), served) as (base, _):
        tracking = MlflowTracking(kind="mlflow", uri=base)
        for _ in range(2):
            tracker = open_tracker(tracking, ours)
            tracker.begin(sample.with_arms(result, [sample.pending_arm(a) for a in result.arms]))
            links = tracker.sync(result, report, {})
            tracker.close()
        assert links.problem == ""
        assert links.server == base
        assert links.at(links.leaderboard).startswith(f"{base}/#/experiments/")
        assert serve(base, ours) == 0
        got = snapshot(served, uri=base)
    assert got == snapshot(direct)
