"""The emulated service as a whole: what every handler works on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from runner.emulator.refusals import Refusal, not_found
from runner.emulator.registry import Registry, StoredResource, models
from runner.emulator.storage import StorageServer
from runner.emulator.trainer import Script, Trainer, TrainingStopped

if TYPE_CHECKING:
    from runner.config import GeminiModel
    from runner.emulator.faults import Faults

# The service's clock: its time stamps, possibly wrong, and how fast its jobs go.


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
            raise TrainingStopped

    def stop(self) -> None:
        """End the job."""
        self.stopped.set()


class JobSlots(Protocol):
    """Where tuning jobs wait for a slot of the quota."""

    def first_state(self) -> dict[str, Any]:
        """How a job that is created now begins."""

    def notice(self) -> None:
        """There is a new job."""

    def cancel(self, job: StoredResource) -> None:
        """End a job wherever it is."""


class BatchThreads(Protocol):
    """Where batch jobs run."""

    def start(self, job: StoredResource) -> None:
        """See a job through."""


@dataclass
class EmulatedService:
    """One emulated Vertex AI with all its projects."""

    registry: Registry
    storage: StorageServer
    clock: Clock
    seed: int
    script: Script
    faults: Faults
    default_epochs: int
    """Epochs of a job that leaves them open."""
    trainer: Trainer = field(init=False)
    queue: JobSlots = field(init=False)
    batches: BatchThreads = field(init=False)

    def find(self, kind: str, name: str) -> StoredResource:
        """A resource. Raises a 404 Refusal."""
        found = self.registry.get(kind, name.partition("@")[0])
        if found is None:
            raise not_found(name)
        return found

    def new_name(self, place: str, collection: str) -> str:
        """A resource name nobody has."""
        return f"{place}/{collection}/{self.registry.new_id(self.seed)}"

    def stamped(self, **more: Any) -> dict[str, Any]:
        """The time stamps of something new."""
        now = self.clock.stamp()
        return {"createTime": now, "updateTime": now, **more}


def base_model(name: str) -> GeminiModel:
    """A base model by id, ``publishers/google/models/ID`` or longer. Raises a 404 Refusal."""
    wanted = name.rpartition("/")[2].partition("@")[0]
    found = models().get(wanted)
    if found is None:
        raise Refusal(
            404,
            f"Publisher Model `publishers/google/models/{wanted}` was not found or your project "
            "does not have access to it. Please ensure you are using a valid model version.",
        )
    return found
