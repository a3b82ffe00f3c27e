"""When to look at a job again, and when its silence has lasted too long."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from runner.backends.protocol import JobStatus
from runner.base.errors import BackendError

log = logging.getLogger(__name__)

LOST = 12
"""Looks in a row that may fail in passing before the runner gives up (the job goes on)."""
LONGEST = 300.0
"""Seconds between two looks at most."""

T = TypeVar("T")


def wait(seconds: float, failures: int = 0) -> None:
    """Sleep about `seconds`, doubled for each failure, with jitter so that many runners do not
    look at the same moments."""
    time.sleep(min(seconds * 2**failures, max(seconds, LONGEST)) * random.uniform(0.8, 1.2))


def persistent(look: Callable[[], T], seconds: float) -> T:
    """What `look` returns; it is tried again when it fails in passing. Raises BackendError when
    it fails for good, or `LOST` times in a row."""
    for failures in range(LOST):
        try:
            return look()
        except BackendError as error:
            if not error.transient or failures == LOST - 1:
                raise
            log.info("looking again at a job: %s", error)
            wait(seconds, failures)
    raise AssertionError("unreachable")


@dataclass
class StallClock:
    """How long a job has shown no progress, by our own clock."""

    began: float = field(default_factory=time.monotonic)
    last: tuple[object, ...] = ()
    warned: bool = False

    def after(self, label: str, status: JobStatus) -> str:
        """The alarm to show beside the job's note, or an empty string. Logged once."""
        now = (status.state, status.step, status.note)
        if now != self.last:
            self.began, self.last, self.warned = time.monotonic(), now, False
        quiet = time.monotonic() - self.began
        if status.state != "running" or not status.stall_after or quiet < status.stall_after:
            return ""
        if not self.warned:
            self.warned = True
            log.warning(
                "tuning job %s has shown no progress for %.0f minutes; sft cancel stops it",
                label,
                quiet / 60,
            )
        return f"NO PROGRESS for {quiet / 60:.0f} min; sft cancel stops it"
