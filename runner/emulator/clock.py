"""The service's clock: its time stamps, possibly wrong, and how fast its jobs go."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runner.emulator.trainer import Stopped


@dataclass
class Clock:
    """`speed` divides every wait of a job; `skew` is added to every time stamp (seconds)."""

    speed: float
    skew: float = 0.0

    def stamp(self, seconds: float | None = None) -> str:
        """RFC 3339 time, of now or of Unix `seconds`, as the service sees it."""
        at = (time.time() if seconds is None else seconds) + self.skew
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class JobWatch:
    """What a job waits with. `stop` ends it at its next wait."""

    clock: Clock
    stopped: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """Wait for a time of the service's."""
        self.look(seconds / self.clock.speed)

    def look(self, seconds: float) -> None:
        """Wait for a real time. Raises Stopped."""
        if self.stopped.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End the job."""
        self.stopped.set()
