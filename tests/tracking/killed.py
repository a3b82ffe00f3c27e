"""A process that begins the sample experiment, sends half of one arm's curve and is killed:
``python -m tests.tracking.killed HOME RESULT ARM``. RESULT is the experiment as JSON."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from runner.config import MlflowTracking
from runner.records.experiments import ExperimentResult
from runner.tracking import open_tracker
from tests.tracking import sample


def main(home: Path, file: Path, digest: str) -> None:
    result = ExperimentResult.model_validate_json(file.read_text(encoding="utf-8"))
    curves = result.arm(digest).tuning.curves  # type: ignore[union-attr]
    pending = [sample.pending_arm(arm) for arm in result.arms]
    tracker = open_tracker(MlflowTracking(kind="mlflow"), home)
    tracker.begin(sample.with_arms(result, pending))
    for point in curves[: len(curves) // 2]:
        tracker.points(result.digest, digest, [point])
    # All of it is queued; a point more tells when it has been written.
    while not written(home):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def written(home: Path) -> bool:
    import sqlite3

    database = sqlite3.connect(home / "mlflow" / "mlflow.db", timeout=30)
    try:
        return bool(database.execute("select count(*) from metrics").fetchone()[0] > 10)
    finally:
        database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
