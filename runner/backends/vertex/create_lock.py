"""A lock that every home sees: one object in the bucket while a tuning job is looked for and made.

The create call knows no idempotency key, so two runners that both find no job would both make
one. Cloud Storage makes an object with ``ifGenerationMatch=0`` for one of them only, and
replaces or deletes one generation of it only (documented preconditions of its JSON API), so the
object's generation is the proof of holding it.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from runner.backends.vertex.errors import ServiceError, translated
from runner.backends.vertex.jobs import Job
from runner.base.errors import BackendError
from runner.config import VertexBackendSettings
from runner.records import Resource

# Who asks for a tuning job: a home folder, and the person and machine that work in it.

FILE = "home_id"


@dataclass(frozen=True, slots=True)
class LockOwner:
    """The home at `folder`; without one nobody in particular."""

    folder: Path | None = None

    @property
    def id(self) -> str:
        """What stands for the home in a job's labels, made at the first call; empty without a
        home. Not its path: two machines may have the same one."""
        if self.folder is None:
            return ""
        file = self.folder / FILE
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = self.folder / f".{FILE}.{secrets.token_hex(4)}"
            draft.write_text(secrets.token_hex(8), encoding="utf-8")
            try:
                os.link(draft, file)  # whole or not at all, and never over another's
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_text(encoding="utf-8").strip()

    @property
    def says(self) -> str:
        """``anna on laptop (process 71, home /home/anna/work)``."""
        try:
            who = getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            who = f"user {os.getuid()}"
        where = f", home {self.folder.absolute()}" if self.folder else ""
        return f"{who} on {socket.gethostname()} (process {os.getpid()}{where})"


log = logging.getLogger(__name__)

GONE = (404, 412)
"""What a call about a generation gets when the object is another one, or none."""


class LockLostError(BackendError):
    """Somebody else took the lock over, since it was not renewed in time."""


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that somebody has. `age` is in seconds, by the storage's own clock."""

    generation: int
    since: datetime
    age: float
    owner: str
    home: str


@dataclass
class CreateLock:
    """The lock on the job with this label. Take it, use it in a `with`; at its end it is
    released, also after an error, unless a create call is `in_doubt`: then nobody may make a
    job before that one would be seen, and the lock is left to grow old."""

    storage: Any
    settings: VertexBackendSettings
    label: str
    owner: LockOwner
    note: Callable[[str], None]
    record: Callable[[Resource], None]
    forget: Callable[[str], None]
    in_doubt: bool = False
    _generation: int = field(default=0, init=False)
    _told: str = field(default="", init=False)
    _token: str = field(default_factory=lambda: secrets.token_hex(8), init=False)

    @property
    def uri(self) -> str:
        """``gs://bucket/folder/locks/LABEL.json``."""
        return f"{self.settings.bucket.rstrip('/')}/locks/{self.label}.json"

    def take(self, look: Callable[[], Job | None]) -> Job | None:
        """Hold the lock when this returns None, which may take as long as somebody else makes
        the job; the job is returned when `look` finds it in the meantime. Raises BackendError."""
        self.record(Resource("object", self.uri))
        while (held := self._try()) is not None:
            if held.age > self.settings.lock_seconds:
                log.warning("taking over the lock of %s: %s", self.label, held)
                if self._put(held.generation) is None:
                    return None
                continue
            self._say(held)
            time.sleep(min(self.settings.poll_seconds, 5.0))
            if found := self._seen(look):
                self._leave(held)
                return found
        return None

    def renew(self) -> None:
        """Begin its age anew. Raises LockLostError when it is not ours any more."""
        if self._put(self._generation) is not None:
            raise LockLostError(f"{self.uri} was taken over by somebody else", transient=True)

    def __enter__(self) -> CreateLock:
        self.in_doubt = False
        return self

    def __exit__(self, *error: object) -> None:
        if not self.in_doubt:
            self._release()

    def _leave(self, held: HeldLock) -> None:
        """Nothing is to be made any more. A lock of our own home is that of a runner that died,
        for a home has one runner for a job; another home's is for that one to release."""
        if held.home and held.home == self.owner.id:
            self._generation = held.generation
            self._release()
        else:
            self.forget(self.uri)

    def _release(self) -> None:
        try:
            with translated(f"releasing the lock {self.uri}"):
                self._blob().delete(if_generation_match=self._generation)
        except ServiceError as failed:
            if failed.code not in GONE:
                log.warning("%s; it counts no more in %.0f s", failed, self.settings.lock_seconds)
                return
        self.forget(self.uri)

    def _seen(self, look: Callable[[], Job | None]) -> Job | None:
        """What `look` finds; it comes again, so it may fail in passing."""
        try:
            return look()
        except ServiceError as error:
            if not error.transient:
                raise
            log.info("looking for %s: %s", self.label, error)
            return None

    def _say(self, held: HeldLock) -> None:
        """Tell who is waited for: at once, and again whenever somebody looks at the progress."""
        left = max(0.0, self.settings.lock_seconds - held.age)
        text = (
            f"waiting: {held.owner} has been asking for this job since {held.since:%H:%M:%S} UTC;"
            f" its job is taken when it shows up, else the lock in {left:.0f} s"
        )
        if held.owner != self._told:
            log.warning("tuning job %s: %s", self.label, text)
        self._told = held.owner
        self.note(text)

    def _try(self) -> HeldLock | None:
        """None when the lock is ours now, else who has it."""
        while (now := self._put(0)) is not None:
            if (found := self._there()) is not None:
                age = max(0.0, (now - found.updated).total_seconds())  # `Date` has whole seconds
                said = self._content(found)
                owner, home = str(said.get("owner", "somebody")), str(said.get("home", ""))
                return HeldLock(int(found.generation), found.updated, age, owner, home)
        return None

    def _put(self, generation: int) -> datetime | None:
        """Write the object in place of this generation. None when that was done; else the time
        on the storage's clock, which ours may be far from."""
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob()
        said = {
            "owner": self.owner.says,
            "home": self.owner.id,
            "time": datetime.now(UTC).isoformat(),
            "job": self.label,
            "token": self._token,
        }
        with translated(f"writing the lock {self.uri}"):
            try:
                blob.upload_from_string(
                    json.dumps(said),
                    content_type="application/json",
                    if_generation_match=generation,
                )
            except PreconditionFailed as error:
                return None if self._was_written() else server_time(error.response)
        self._generation = int(blob.generation)
        return None

    def _was_written(self) -> bool:
        """Whether the refused object is ours: the client asks again when a reply is lost."""
        found = self._there()
        if found is None or self._content(found).get("token") != self._token:
            return False
        self._generation = int(found.generation)
        return True

    def _there(self) -> Any:
        """The object as it stands, or None."""
        blob = self._blob()
        with translated(f"looking at the lock {self.uri}"):
            return blob.bucket.get_blob(blob.name)

    def _content(self, found: Any) -> dict[str, Any]:
        """What stands in the object; nothing when it is gone by now, or is not ours."""
        try:
            with translated(f"reading the lock {self.uri}"):
                content = json.loads(found.download_as_bytes())
        except ServiceError as error:
            if error.code not in GONE:
                raise
            return {}
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _blob(self) -> Any:
        bucket, _, name = self.uri.removeprefix("gs://").partition("/")
        return self.storage.bucket(bucket).blob(name)


def server_time(reply: Any) -> datetime:
    """The time in a reply's ``Date``; ours without one."""
    try:
        return parsedate_to_datetime(reply.headers["Date"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return datetime.now(UTC)
