"""A tracking store in trouble costs a warning, never a run; the next sync repairs it."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.config import MlflowTracking
from runner.records.experiments import ExperimentResult
from runner.tracking import open_tracker
from runner.tracking.background import shown
from tests.tracking import sample
from tests.tracking.conftest import TRACKING, runs, sync


@contextmanager
def warnings_of(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    said: list[str] = []
    with caplog.at_level(logging.WARNING, logger="runner.tracking"):
        yield said
    said += [item.getMessage() for item in caplog.records if item.name == "runner.tracking"]


def whole_life(tracking: MlflowTracking, home: Path, result: ExperimentResult) -> str:
    """Everything a run does with a tracker; what sync says is wrong."""
    ours = open_tracker(tracking, home)
    ours.begin(sample.with_arms(result, [sample.pending_arm(arm) for arm in result.arms]))
    arm = result.arms[3]
    assert arm.tuning is not None
    for point in arm.tuning.curves:
        ours.points(result.digest, arm.digest, [point])
    problem = ours.sync(result, None, {}).problem
    ours.close()
    return problem


def test_a_dead_server_is_warned_of_once(
    tmp_path: Path,
    result: ExperimentResult,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tracking = MlflowTracking(kind="mlflow", uri=f"http://127.0.0.1:{port}")

    with warnings_of(caplog) as said:
        problem = whole_life(tracking, tmp_path / "home", result)

    assert problem
    assert len(said) == 1
    assert f"http://127.0.0.1:{port}" in said[0]
    assert "run the same command again" in said[0]
    assert "Traceback" not in said[0]


def test_a_damaged_database_is_warned_of_and_left_alone(
    home: Path, result: ExperimentResult, caplog: pytest.LogCaptureFixture
) -> None:
    database = home / "mlflow" / "mlflow.db"
    whole = database.read_bytes()
    database.write_bytes(b"this is not a database, whatever its name says" * 100)

    with warnings_of(caplog) as said:
        assert whole_life(TRACKING, home, result)
    assert len(said) == 1

    database.write_bytes(whole)
    assert sync(home, result).complete
    assert len(runs(home)) == 6


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/version").exists(), reason="needs /proc")
def test_a_home_that_cannot_be_written(
    result: ExperimentResult, caplog: pytest.LogCaptureFixture
) -> None:
    # Nobody, not even root, makes folders in /proc: the same as a full or read-only disk.
    with warnings_of(caplog) as said:
        assert whole_life(TRACKING, Path("/proc/nowhere"), result)
    assert len(said) == 1


@pytest.mark.slow
def test_a_lock_that_stays_is_reported_and_the_next_sync_repairs(
    home: Path,
    result: ExperimentResult,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # MLflow waits 20 seconds for a lock; once is enough here.
    monkeypatch.setattr("runner.tracking.background.ATTEMPTS", 1)
    holder = sqlite3.connect(home / "mlflow" / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with warnings_of(caplog) as said:
            problem = sync(home, result).problem
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert "locked" in problem
    assert len(said) == 1

    assert sync(home, result).complete
    assert len(runs(home)) == 6


def test_a_sync_that_broke_off_in_the_middle_is_repaired(
    home: Path, result: ExperimentResult
) -> None:
    full = home / "mlflow" / "artifacts"
    full.write_text("a file where the artifact folder should be: no artifact can be written")
    assert sync(home, result).problem

    full.unlink()
    assert sync(home, result).complete
    assert {run.info.status for run in runs(home).values()} == {"FINISHED"}


def test_a_password_is_never_shown() -> None:
    assert shown("postgresql://ana:s3cret@db/mlflow") == "postgresql://ana:***@db/mlflow"
    assert shown("http://127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert shown("sqlite:////tmp/a.db") == "sqlite:////tmp/a.db"
