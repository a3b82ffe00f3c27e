"""Answers that were paid for once: an SQLite file keyed by everything that determines them."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from runner.base.errors import BackendError
from runner.records import Prediction

log = logging.getLogger(__name__)

_TABLE = """CREATE TABLE IF NOT EXISTS predictions (
  key TEXT PRIMARY KEY, answer TEXT NOT NULL, digest TEXT NOT NULL DEFAULT ''
)"""
_ADD_DIGEST = "ALTER TABLE predictions ADD COLUMN digest TEXT NOT NULL DEFAULT ''"
"""For a file of the version before, whose answers have none."""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ASKED_AT_ONCE = 500
_LOCK_SECONDS = 60


class PredictionCache:
    """Predictions by key, in one SQLite file (WAL) that several processes may share.

    A file that turns out to be broken is put aside under a ``.broken-`` name with a warning and
    started anew: it only ever saves work. An answer that is not what was stored counts as none.
    Raises BackendError when the file cannot be used at
    all (no permission, a full disk, locked for a minute).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process at a time: two that switch a new file to WAL at once can fail.
        with self._explained(), FileLock(f"{path}.lock"):
            try:
                self._open_whole()
            except sqlite3.DatabaseError as error:
                if _code(error) not in _BROKEN:
                    raise
                self._put_aside(error)
                self._open_whole()

    def get(self, keys: Sequence[str]) -> dict[str, Prediction]:
        """The stored predictions of those `keys` that have one, with empty ids."""
        found = {}
        with self._explained(), closing(self._connect()) as base:
            for start in range(0, len(keys), _ASKED_AT_ONCE):
                part = keys[start : start + _ASKED_AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, answer, digest FROM predictions WHERE key IN ({marks})"
                for key, answer, digest in base.execute(query, part):
                    if (kept := _stored(key, answer, digest)) is not None:
                        found[key] = kept
                    else:
                        log.warning("%s: a damaged answer is asked for again", self.path)
        return found

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Stores predictions one by one; each is safe from a kill as soon as `put` returns."""
        with self._explained(), closing(self._connect()) as base:
            yield Writer(base)

    def _connect(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path, timeout=_LOCK_SECONDS, isolation_level=None)
        # Survives a kill of this process; a power cut may lose the newest answers, not the file.
        base.execute("PRAGMA synchronous=NORMAL")
        # A damaged answer is one that has to be asked for again, not an error.
        base.text_factory = lambda raw: raw.decode("utf-8", "replace")
        return base

    def _open_whole(self) -> None:
        with closing(self._connect()) as base:
            base.execute("PRAGMA journal_mode=WAL")
            base.execute(_TABLE)
            if "digest" not in {row[1] for row in base.execute("PRAGMA table_info(predictions)")}:
                base.execute(_ADD_DIGEST)
            (verdict,) = base.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            error = sqlite3.DatabaseError(verdict)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename the broken file and its companions out of the way."""
        aside = f"{self.path}.broken-{time.time_ns()}"
        for ending in ("", "-wal", "-shm"):
            companion = Path(f"{self.path}{ending}")
            if companion.exists():
                companion.rename(f"{aside}{ending}")
        log.warning("%s was broken (%s); kept as %s, started anew", self.path, error, aside)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BackendError(
                f"the prediction cache {self.path} cannot be used: {error}\n"
                "  check that the folder is writable and the disk not full; "
                "the file can be deleted, its answers are then generated again"
            ) from error


class Writer:
    """Puts predictions into an open cache."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def put(self, key: str, prediction: Prediction, max_tokens: int) -> None:
        """Store the prediction, unless it is an error or was cut off before `max_tokens`.

        An error is no answer, and asking again may give one. An answer cut at `max_tokens`, which
        the key holds, would be cut there again. One cut earlier met something the key does not
        hold (a server's own cap, a full context), so it would stand for good although the model
        had more to say.
        """
        if prediction.error or prediction.finish == "error":
            return
        if prediction.finish == "length" and prediction.output_tokens < max_tokens:
            return
        answer = prediction.to_json()
        del answer["id"]
        # ASCII escapes, because half surrogate pairs cannot be stored as UTF-8.
        text = json.dumps(answer)
        self._base.execute(
            "INSERT OR REPLACE INTO predictions (key, answer, digest) VALUES (?, ?, ?)",
            (key, text, _digest(key, text)),
        )


def _stored(key: str, answer: str, digest: str) -> Prediction | None:
    """The prediction as it was stored; None for anything else. Answers of the version before
    have no digest."""
    if digest not in ("", _digest(key, answer)):
        return None
    try:
        return Prediction.from_json({"id": "", **json.loads(answer)})
    except (ValueError, TypeError, KeyError):
        return None


def _digest(key: str, answer: str) -> str:
    """What shows that an answer is the one stored under this key. SQLite has no checksums."""
    return hashlib.sha256(f"{key} {answer}".encode()).hexdigest()[:16]


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary code: the low byte of the extended one."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
