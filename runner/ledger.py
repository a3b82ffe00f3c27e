"""The durable record of every experiment, arm, tuning job and dollar: SQLite, one file per home.

Intent is written before an outside effect and the result after it, each in its own committed
transaction, so that a kill at any instant leaves a state from which the same command goes on.
MLflow mirrors this file; it can be rebuilt from it (`sft run` on a finished experiment).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import SftError
from runner.records import Resource
from runner.results import ArmResult, ExperimentResult, Spending, Spent

SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
  digest TEXT PRIMARY KEY, name TEXT NOT NULL, file TEXT NOT NULL, result TEXT NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL DEFAULT 0, synced TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS arms (
  experiment TEXT NOT NULL, digest TEXT NOT NULL, position INTEGER NOT NULL,
  status TEXT NOT NULL, result TEXT NOT NULL, PRIMARY KEY (experiment, digest)
);
CREATE TABLE IF NOT EXISTS jobs (
  label TEXT PRIMARY KEY, state TEXT NOT NULL, intended_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0, model TEXT NOT NULL, error TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS spendings (
  label TEXT NOT NULL, what TEXT NOT NULL, month TEXT NOT NULL, experiment TEXT NOT NULL,
  arm TEXT NOT NULL, tokens INTEGER NOT NULL, usd REAL, ms INTEGER NOT NULL,
  settled INTEGER NOT NULL, rehearsal INTEGER NOT NULL, PRIMARY KEY (label, what, month)
);
CREATE TABLE IF NOT EXISTS resources (
  kind TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, created_ms INTEGER NOT NULL,
  deleted_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (name, label)
);
CREATE TABLE IF NOT EXISTS claims (
  experiment TEXT NOT NULL, arm TEXT NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (experiment, arm, label)
);
"""

SPENDING = "label, what, experiment, arm, tokens, usd, ms, settled, rehearsal"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One tuning job as the ledger knows it. `tokens` are trained tokens, all epochs."""

    label: str
    state: str
    model: str
    tokens: int
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """Something of ours on a service: what it is (see `records.Resource`), the tuning job that
    left it, and when it was deleted (Unix milliseconds; 0 while it is there)."""

    kind: str
    name: str
    label: str
    created_ms: int
    deleted_ms: int


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class Ledger:
    """The ledger of one home folder. Raises SftError when the file cannot be used."""

    def __init__(self, home: Path) -> None:
        self.path = home / "ledger.db"
        home.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(SCHEMA)

    @contextmanager
    def _open(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction. One that is not `durable` outlives a kill of this process all the same,
        but perhaps not a power cut, and waits for no disk."""
        # One short-lived connection per transaction: threads and forks need no care.
        try:
            db = sqlite3.connect(self.path, timeout=60)
            try:
                db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                with db:
                    yield db
            finally:
                db.close()
        except sqlite3.DatabaseError as error:
            raise SftError(
                f"the ledger {self.path} cannot be used: {error}\n"
                "  free disk space or fix its permissions; if the file is damaged, move it away:"
                " finished artifacts are found again without it"
            ) from error

    def begin(self, result: ExperimentResult) -> ExperimentResult:
        """Write the experiment and its pending arms; return it as the ledger knows it.

        Arms that are done stay done. Arms left ``running`` by a kill, and failed ones, become
        ``pending`` again.
        """
        head = self._merged_head(result)
        with self._open() as db:
            db.execute(
                "INSERT INTO experiments (digest, name, file, result, started_ms)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET"
                " file = excluded.file, result = excluded.result,"
                " started_ms = excluded.started_ms",
                (result.digest, result.name, result.file, head, result.started_ms),
            )
            for position, arm in enumerate(result.arms):
                db.execute(
                    "INSERT INTO arms VALUES (?, ?, ?, ?, ?) ON CONFLICT (experiment, digest)"
                    " DO UPDATE SET status = 'pending', result = excluded.result"
                    " WHERE status != 'done'",
                    (result.digest, arm.digest, position, arm.status, arm.model_dump_json()),
                )
        known = self.experiment(result.digest)
        assert known is not None
        return known

    def _merged_head(self, result: ExperimentResult) -> str:
        """What is known of the experiment, as asked for now: the question, the file and the
        command may have changed without changing any arm."""
        known = self.experiment(result.digest)
        if known is None:
            return _head(result)
        asked = {"question": result.question, "file": result.file, "command": result.command}
        ended = known.ended_ms if all(arm.status == "done" for arm in known.arms) else 0
        return _head(known.model_copy(update={**asked, "ended_ms": ended}))

    def put_arm(self, experiment: str, arm: ArmResult) -> None:
        """Record an arm's new state."""
        with self._open() as db:
            db.execute(
                "UPDATE arms SET status = ?, result = ? WHERE experiment = ? AND digest = ?",
                (arm.status, arm.model_dump_json(), experiment, arm.digest),
            )

    def finish(self, result: ExperimentResult) -> None:
        """Record verdict and end of an experiment (its arms are recorded one by one)."""
        with self._open() as db:
            db.execute(
                "UPDATE experiments SET result = ?, ended_ms = ? WHERE digest = ?",
                (_head(result), result.ended_ms, result.digest),
            )

    def mark_synced(self, digest: str, target: str) -> None:
        """Remember that tracking at `target` equals the ledger for this experiment."""
        with self._open() as db:
            db.execute("UPDATE experiments SET synced = ? WHERE digest = ?", (target, digest))

    def synced(self, digest: str) -> str:
        """Where this experiment was last mirrored completely, or an empty string."""
        with self._open() as db:
            row = db.execute(
                "SELECT synced FROM experiments WHERE digest = ?", (digest,)
            ).fetchone()
        return str(row[0]) if row else ""

    def experiment(self, digest: str) -> ExperimentResult | None:
        """The experiment with its arms in order, or None."""
        with self._open() as db:
            head = db.execute(
                "SELECT result FROM experiments WHERE digest = ?", (digest,)
            ).fetchone()
            if head is None:
                return None
            rows = db.execute(
                "SELECT result FROM arms WHERE experiment = ? ORDER BY position", (digest,)
            ).fetchall()
        arms = [ArmResult.model_validate_json(row[0]) for row in rows]
        return ExperimentResult.model_validate_json(head[0]).model_copy(update={"arms": arms})

    def experiments(self, name: str | None = None) -> list[ExperimentResult]:
        """All experiments, newest first; only those called `name` if given."""
        query = (
            "SELECT digest FROM experiments WHERE ? IS NULL OR name = ? ORDER BY started_ms DESC"
        )
        with self._open() as db:
            digests = [row[0] for row in db.execute(query, (name, name))]
        return [found for digest in digests if (found := self.experiment(digest))]

    def intend_job(self, label: str, model: str, tokens: int) -> None:
        """Say, before it happens, that a tuning job will be submitted."""
        with self._open() as db:
            db.execute(
                "INSERT INTO jobs (label, state, intended_ms, tokens, model)"
                " VALUES (?, 'intended', ?, ?, ?)"
                " ON CONFLICT (label) DO UPDATE SET state = 'intended'",
                (label, now_ms(), tokens, model),
            )

    def is_intended(self, label: str) -> bool:
        """Whether a submit of this job is on record and neither its end nor its failure."""
        with self._open() as db:
            query = "SELECT 1 FROM jobs WHERE label = ? AND state = 'intended'"
            return db.execute(query, (label,)).fetchone() is not None

    def end_job(self, label: str, state: str, seconds: float, error: str = "") -> None:
        """Record how a tuning job ended."""
        with self._open() as db:
            db.execute(
                "UPDATE jobs SET state = ?, seconds = ?, error = ?, ended_ms = ? WHERE label = ?",
                (state, seconds, error, now_ms(), label),
            )

    def jobs(self) -> list[JobRecord]:
        """Every tuning job, newest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT label, state, model, tokens, seconds, error FROM jobs"
                " ORDER BY intended_ms DESC"
            ).fetchall()
        return [JobRecord(*row) for row in rows]

    def add_resources(self, label: str, found: Sequence[Resource], *, anew: bool = False) -> None:
        """Record what a tuning job, or a set of questions, puts or leaves on a service. What is
        known already stays as it is; put there `anew`, what was deleted is there again."""
        rows = [(item.kind, item.name, label, now_ms()) for item in found]
        with self._open() as db:
            db.executemany(
                "INSERT INTO resources (kind, name, label, created_ms) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name, label) DO UPDATE SET deleted_ms = 0,"
                " created_ms = excluded.created_ms WHERE deleted_ms AND ?",
                [(*row, anew) for row in rows],
            )

    def claim(self, experiment: str, arm: str, label: str) -> None:
        """Say, before it happens, that something is put on a service under this label."""
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", (experiment, arm, label))

    def claims(self, experiment: str) -> list[tuple[str, str]]:
        """Digest of the arm and label of everything that the experiment claimed."""
        with self._open() as db:
            query = "SELECT arm, label FROM claims WHERE experiment = ? ORDER BY rowid"
            return [(row[0], row[1]) for row in db.execute(query, (experiment,))]

    def resources(self, labels: Sequence[str]) -> list[ResourceRecord]:
        """What the tuning jobs of these labels left, in the order in which it was recorded."""
        with self._open() as db:
            rows = db.execute(
                "SELECT kind, name, label, created_ms, deleted_ms FROM resources"
                " WHERE label IN (SELECT value FROM json_each(?)) ORDER BY rowid",
                (json.dumps(list(labels)),),
            ).fetchall()
        return [ResourceRecord(*row) for row in rows]

    def sharers(self, name: str) -> list[str]:
        """Labels of all tuning jobs that still need the resource of this name."""
        with self._open() as db:
            rows = db.execute(
                "SELECT label FROM resources WHERE name = ? AND deleted_ms = 0", (name,)
            ).fetchall()
        return [row[0] for row in rows]

    def mark_deleted(self, name: str) -> None:
        """Remember that the resource of this name is gone."""
        with self._open() as db:
            db.execute(
                "UPDATE resources SET deleted_ms = ? WHERE name = ? AND deleted_ms = 0",
                (now_ms(), name),
            )

    def hold(self, item: Spending, name: str, judge: Callable[[Spent], None]) -> None:
        """Hold money back for a tuning job that is about to be submitted, in one transaction
        with `judge`, which is told what is spent besides (by experiments called `name`) and
        raises when it is too much: two runs at once cannot both take the last dollars."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            judge(_spent(db, name, item.arm, [item.label], item.rehearsal))
            _settle(db, item.model_copy(update={"settled": False}))

    def settle(self, item: Spending) -> None:
        """Replace what was held back for a tuning job by its true cost. Settling twice is
        settling once; the month stays that of the submit."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            _settle(db, item)

    def release(self, label: str) -> None:
        """Let go of money that was held back for a job which never came to a bill."""
        with self._open() as db:
            db.execute("DELETE FROM spendings WHERE label = ? AND NOT settled", (label,))

    def add_spending(self, item: Spending) -> None:
        """Add to what a set of answers has cost: each call of this is money gone."""
        with self._open(durable=False) as db:
            db.execute(
                f"INSERT INTO spendings ({SPENDING}, month) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (label, what, month) DO UPDATE SET usd = usd + excluded.usd,"
                " tokens = tokens + excluded.tokens, ms = excluded.ms",
                (*_values(item), _month(item.ms)),
            )

    def spent(
        self, name: str, arm: str, besides: Sequence[str] = (), *, rehearsal: bool = False
    ) -> Spent:
        """Dollars gone or held back by this arm, by all experiments called `name`, and in this
        month; without what is held back for the jobs `besides`. What a `rehearsal` would have
        cost is an account of its own."""
        with self._open() as db:
            return _spent(db, name, arm, besides, rehearsal)

    def spendings(self, labels: Sequence[str] | None = None) -> list[Spending]:
        """Everything that was paid for, oldest first; only these labels' if given."""
        query = (
            f"SELECT {SPENDING} FROM spendings"
            " WHERE ? IS NULL OR label IN (SELECT value FROM json_each(?)) ORDER BY ms, label"
        )
        wanted = None if labels is None else json.dumps(list(labels))
        with self._open() as db:
            rows = db.execute(query, (wanted, wanted)).fetchall()
        return [Spending(**dict(zip(SPENDING.split(", "), row, strict=True))) for row in rows]


def _spent(
    db: sqlite3.Connection, name: str, arm: str, besides: Sequence[str], rehearsal: bool
) -> Spent:
    """See `Ledger.spent`."""
    labels = json.dumps(list(besides))

    def total(where: str, value: str) -> float:
        query = (
            f"SELECT TOTAL(usd) FROM spendings WHERE {where} AND rehearsal = ?"
            " AND (settled OR label NOT IN (SELECT value FROM json_each(?)))"
        )
        return float(db.execute(query, (value, rehearsal, labels)).fetchone()[0])

    namesakes = "experiment IN (SELECT digest FROM experiments WHERE name = ?)"
    return Spent(
        arm=total("arm = ?", arm),
        experiment=total(namesakes, name),
        month=total("month = ?", _month(now_ms())),
    )


def _settle(db: sqlite3.Connection, item: Spending) -> None:
    key = (item.label, item.what)
    known = db.execute("SELECT 1 FROM spendings WHERE label = ? AND what = ?", key).fetchone()
    if known:
        db.execute(
            "UPDATE spendings SET tokens = ?, usd = ?, settled = ? WHERE label = ? AND what = ?",
            (item.tokens, item.usd, item.settled, *key),
        )
        return
    db.execute(
        f"INSERT INTO spendings ({SPENDING}, month) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*_values(item), _month(item.ms)),
    )


def _values(item: Spending) -> tuple[str | int | float | None, ...]:
    return tuple(getattr(item, name) for name in SPENDING.split(", "))


def _month(ms: int) -> str:
    """``2026-11``: the UTC calendar month of Unix milliseconds."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m}"


def _head(result: ExperimentResult) -> str:
    return result.model_copy(update={"arms": []}).model_dump_json()
