"""The folder of one tuning job: its state, its curves, and the lock that says it is alive.

    jobs/<label>/job.json       what was asked
                 state.json     how far it is, replaced atomically
                 metrics.jsonl  curve points in order, one JSON object a line
                 checkpoints/   checkpoint-<step>/, complete when it holds complete.json
                 worker.log     the worker's own output
                 lock           held by the worker's process for as long as it lives

The lock is an flock on a descriptor the worker inherits, so it is there before the worker has
started and gone the instant it dies, however it dies.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.backends.protocol import JobState
from runner.base.digests import tree_damage
from runner.base.errors import BackendError, SftError
from runner.base.files import replace_text
from runner.records import Checkpoint, CurvePoint, read_record

LOCK_TRIES = 20
LOCK_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Trained:
    """What a succeeded job left, without its curves; see `TuningResult`."""

    checkpoints: tuple[Checkpoint, ...]
    train_examples: int
    train_tokens: int
    seconds: float
    resolved: Mapping[str, object]


@dataclass(slots=True)
class State:
    """What `state.json` holds."""

    state: JobState = "queued"
    step: int = 0
    total_steps: int = 0
    note: str = ""
    error: str = ""
    seconds: float = 0.0
    """Training time of all attempts so far."""
    pid: int = 0
    result: Trained | None = None
    """Set once the job has succeeded."""


class JobFolder:
    """Reads and writes one job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "job.json"
        self.log = path / "worker.log"
        self.checkpoints = path / "checkpoints"
        self._state = path / "state.json"
        self._metrics = path / "metrics.jsonl"
        self._lock = path / "lock"

    def exists(self) -> bool:
        return self._state.is_file()

    # --- state -----------------------------------------------------------------------------

    def read_state(self) -> State:
        """Raises DataError when the file is damaged."""
        return read_record(self._state, State)

    def write_state(self, state: State) -> None:
        replace_text(self._state, json.dumps(dataclasses.asdict(state), indent=1))

    # --- lock ------------------------------------------------------------------------------

    def lock(self) -> int | None:
        """Take the job: the descriptor that holds the lock, or None when somebody has it.
        Tries for a moment, because `locked` holds it too while it looks."""
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o644)
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(LOCK_PAUSE)
            else:
                return handle
        os.close(handle)
        return None

    def locked(self) -> bool:
        """Whether a worker lives."""
        try:
            handle = os.open(self._lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    # --- damage ------------------------------------------------------------------------------

    def damage(self) -> str:
        """What is wrong with the job's records, or with what it left when it has succeeded, in
        words; empty when all is whole."""
        try:
            self.metrics()
            result = self.read_state().result
        except SftError as error:
            return str(error)
        made = result.checkpoints if result else ()
        trees = (tree_damage(Path(item.path), item.digest) for item in made)
        return next(filter(None, trees), "")

    def set_aside(self) -> None:
        """Move a damaged job's files out of the way, so that it starts anew and nothing is lost."""
        aside = self.path / f"damaged-{time.time_ns()}"
        aside.mkdir()
        for path in (self._state, self._metrics, self.checkpoints):
            if path.exists():
                path.rename(aside / path.name)

    # --- curves ----------------------------------------------------------------------------

    def append_metrics(self, points: Iterable[CurvePoint]) -> None:
        """One write for all points of a step: a kill leaves at most one torn last line."""
        text = "".join(json.dumps(dataclasses.asdict(point)) + "\n" for point in points)
        with self._metrics.open("ab", buffering=0) as out:
            out.write(text.encode())

    def metrics(self) -> list[CurvePoint]:
        """All whole points in order."""
        try:
            data = self._metrics.read_bytes()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        try:
            return [CurvePoint(**json.loads(line)) for line in whole.splitlines()]
        except (ValueError, TypeError) as error:
            raise BackendError(f"{self._metrics} is damaged: {error}") from error

    def keep_metrics_until(self, step: int) -> None:
        """Drop what came after `step` (and a torn line); -1 drops everything."""
        kept = [point for point in self.metrics() if point.step <= step] if step >= 0 else []
        lines = (json.dumps(dataclasses.asdict(point)) + "\n" for point in kept)
        replace_text(self._metrics, "".join(lines))


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Wait for an flock on `path` and hold it: one heavy worker at a time on this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# SHA-256 of weight files.


def file_digest(path: Path, cache: Path) -> str:
    """SHA-256 of a file, remembered by its path, size and time of change."""
    stat = path.stat()
    key = f"{path}:{stat.st_size}:{stat.st_mtime_ns}"
    note = cache / "digests" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        return note.read_text(encoding="ascii")
    except FileNotFoundError:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        note.parent.mkdir(parents=True, exist_ok=True)
        replace_text(note, digest)
        return digest


def check_digest(path: Path, wanted: str) -> None:
    """Raise BackendError unless the file has this SHA-256."""
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != wanted:
        raise BackendError(
            f"{path.name} is not the file the config pins: its sha256 is {found}, "
            f"model.sha256 says {wanted}"
        )
