"""Who is working on which experiment, as file locks: a lock vanishes with its process, even
after ``kill -9``, so a free lock of a RUNNING run says that nobody will ever end it."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def workplace(home: Path) -> str:
    """Short name of this machine and home folder; locks mean nothing to other ones."""
    place = f"{platform.node()}:{home.resolve()}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]


class Presence:
    """The locks below one home folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "mlflow" / "running"
        self._held: dict[str, BaseFileLock] = {}

    def claim(self, sweep: str) -> None:
        """Be seen working on the experiment until `leave`; harmless when someone else is."""
        if sweep not in self._held and (lock := self._taken(sweep)):
            self._held[sweep] = lock

    def abandoned(self, sweep: str) -> bool:
        """Whether no living process works on the experiment."""
        if sweep in self._held:
            return False
        lock = self._taken(sweep)
        if lock is None:
            return False
        lock.release()
        return True

    def leave(self) -> None:
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def _taken(self, sweep: str) -> BaseFileLock | None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The digest comes from a tag in a store that others may write: no path from it.
        name = hashlib.sha256(sweep.encode()).hexdigest()[:24]
        # Claimed and released by different threads: the tracker's own and the caller's.
        lock = FileLock(self.folder / f"{name}.lock", blocking=False, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock
