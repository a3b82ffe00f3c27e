"""`sft cancel`: what is under way on the service is stopped, and the run that waits for it ends."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from runner.cli import INCOMPLETE
from runner.emulator import Emulator
from runner.emulator.trainer import Script
from tests.acceptance.tiny import command, options, sft
from tests.acceptance.vertex_kills import experiment
from tests.backends.vertex.jobs import jobs


@pytest.mark.slow
def test_cancel_stops_the_job_and_begins_no_other(tmp_path: Path) -> None:
    with Emulator(script=Script(tuning_seconds=1e9)) as emulator:
        yaml = experiment(tmp_path, emulator)
        settings = {key: options(tmp_path)[key] for key in ("cwd", "env")}
        with subprocess.Popen(
            command("run", str(yaml)), stderr=subprocess.PIPE, text=True, **settings
        ) as running:
            for _ in range(600):
                if jobs(emulator):
                    break
                time.sleep(0.1)
            done = sft(tmp_path, "cancel", "tiny")
            _, said = running.communicate(timeout=120)
        assert done.returncode == 0, done.stderr
        assert "begins no further arm" in done.stdout
        assert [job["state"] for job in jobs(emulator)] == ["JOB_STATE_CANCELLED"]
        assert running.returncode == INCOMPLETE, said
        assert "Traceback" not in said
