"""The process that trains: ``python -m runner.backends.local.train_worker LIFELINE JOB_FOLDER``.

Run with more than one process in its spec it starts itself again under `accelerate launch`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

from runner.backends.local import process
from runner.backends.local.jobs import JobFolder, State, holding
from runner.backends.local.process import Cancelled, explain
from runner.backends.local.rows import TrainSpec
from runner.backends.protocol import JobState


def main(arguments: list[str]) -> int:
    job = JobFolder(Path(arguments[1]))
    spec = TrainSpec.read(job.spec)
    if "LOCAL_RANK" in os.environ:
        return _run(spec, job, writes=os.environ["RANK"] == "0")
    process.hold(int(arguments[0]))
    state = job.read_state()
    state.pid = os.getpid()
    job.write_state(state)
    with holding(job.path.parent / "device.lock"):
        if spec.processes > 1:
            return _launch(spec, job, arguments)
        return _run(spec, job, writes=True)


def _launch(spec: TrainSpec, job: JobFolder, arguments: list[str]) -> int:
    """One process a device. They share our process group, so the lifeline ends them too."""
    placing = ["--cpu"] if spec.device == "cpu" else ["--multi_gpu", "--mixed_precision", "bf16"]
    command = [sys.executable, "-P", "-m", "accelerate.commands.launch", *placing]
    command += ["--num_processes", str(spec.processes), "--num_machines", "1"]
    command += ["--dynamo_backend", "no", "-m", "runner.backends.local.train_worker", *arguments]
    launcher = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: launcher.terminate())
    code = launcher.wait()
    state = job.read_state()
    if code and state.state == "running":
        state.error = f"accelerate launch ended with exit code {code}"
        _end(job, state, "failed", writes=True)
    return code


def _run(spec: TrainSpec, job: JobFolder, *, writes: bool) -> int:
    state = job.read_state()
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    try:
        # Only now: these take seconds, and everything above has to work at once.
        from runner.backends.local.progress import Recorder
        from runner.backends.local.train import train

        state.result = train(spec, job, Recorder(job, state, writes, cancelled))
        _end(job, state, "succeeded", writes)
    except Cancelled:
        _end(job, state, "cancelled", writes)
    except Exception as error:
        traceback.print_exc()
        state.error = explain(error)
        _end(job, state, "failed", writes)
        return 1
    return 0


def _end(job: JobFolder, state: State, how: JobState, writes: bool) -> None:
    state.state = how
    state.note = ""
    if writes:
        job.write_state(state)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
