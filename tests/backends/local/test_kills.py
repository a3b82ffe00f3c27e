"""Kills of the worker at random instants: the job ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runner.backends.local.backend import LocalBackend
from tests.backends.local import making
from tests.backends.local.conftest import Trained

KILLS = int(os.environ.get("SFT_WORKER_KILLS", "5"))
LATEST = 0.5
"""Seconds; a forked worker takes about so long for all of its training."""


@pytest.mark.slow
def test_random_kills_change_nothing(
    trained: Trained, make_backend: Callable[..., LocalBackend], tmp_path: Path
) -> None:
    draw = random.Random(0)
    killed, finished = 0, 0
    while killed < KILLS:
        backend = make_backend()
        label = f"job{finished}"
        backend.submit(making.make_job(tmp_path / "data", label=label))
        time.sleep(draw.uniform(0, LATEST))
        state = json.loads((backend.jobs / label / "state.json").read_text())
        if state["pid"] and state["state"] not in making.ENDED:
            with suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGKILL)
            killed += 1
        elif state["state"] == "succeeded":
            assert making.curves(backend, label) == making.curves(trained.backend, "job")
            finished += 1
        backend.close()
    backend = make_backend()
    backend.submit(making.make_job(tmp_path / "data", label=f"job{finished}"))
    assert making.wait(backend, f"job{finished}").state == "succeeded"
    assert making.curves(backend, f"job{finished}") == making.curves(trained.backend, "job")
