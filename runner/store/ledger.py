"""The durable record of every experiment, arm, tuning job and dollar: one database per home, SQLite
in a file of it or a Postgres that several homes may share.

Intent is written before an outside effect and the result after it, each in its own committed
transaction, so that a kill at any instant leaves a state from which the same command goes on.
MLflow mirrors this record; it can be rebuilt from it (`sft run` on a finished experiment).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Select, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from runner.base.errors import MissingExtraError, SftError
from runner.base.redact import masked
from runner.records import Resource
from runner.records.experiments import ExperimentResult
from runner.records.jobs import JobRecord, ResourceRecord
from runner.records.looks import LookBook, SplitRows
from runner.records.results import ArmResult, Spending, Spent
from runner.store.arm_rows import begin_arm, change_arm
from runner.store.looks import put_look, read_looks
from runner.store.tables import (
    NewerLedger,
    added_spending,
    alone,
    arms,
    claims,
    each_at_once,
    experiments,
    jobs,
    migrate,
    next_seq,
    note_place,
    open_engine,
    rebook,
    resources,
    spendings,
    start,
    upsert,
)


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class Ledger:
    """The ledger of one home folder: ``ledger.db`` in it, or the Postgres database at `url`.

    Raises SftError when it cannot be used, or was written by a later version, and
    MissingExtraError without the driver.
    """

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.path = home / "ledger.db"
        self.name = masked(url) if url else str(self.path)
        self._in_file = url is None
        home.mkdir(parents=True, exist_ok=True)
        try:
            self._engine = open_engine(url or self.path)
        except ImportError as error:
            raise MissingExtraError("psycopg", "postgres", "A ledger on Postgres") from error
        with self._explained():
            migrate(self._engine)
        if url:
            note_place(home, url)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the database or its driver says into a sentence and its cure."""
        try:
            yield
        except NewerLedger as error:
            raise SftError(
                f"the ledger {self.name} was written by a later version of sft\n"
                "  use that version, or another paths.home"
            ) from error
        except ValidationError as error:
            cause = f"what it holds of a result cannot be read ({error.error_count()} faults)"
            raise SftError(
                f"the ledger {self.name} cannot be used: {cause}\n{self._cure}"
            ) from error
        except DBAPIError as error:
            cause = " ".join(str(error.orig).split())
            raise SftError(
                f"the ledger {self.name} cannot be used: {cause}\n{self._cure}"
            ) from error

    @property
    def _cure(self) -> str:
        if self._in_file:
            return (
                "  free disk space or fix its permissions; if the file is damaged, move it away:"
                " finished artifacts are found again without it"
            )
        return "  see that the server runs and that store.ledger names its database and a user"

    @contextmanager
    def _write(self, *, durable: bool = True, writes: bool = True) -> Iterator[Connection]:
        """A transaction; see `ledger_tables.start`."""
        with self._explained(), self._engine.begin() as db:
            start(db, durable=durable, writes=writes)
            yield db

    def _read(self) -> AbstractContextManager[Connection]:
        return self._write(writes=False)

    def begin(self, result: ExperimentResult) -> ExperimentResult:
        """Write the experiment and its pending arms; return it as the ledger knows it.

        Arms that are done or skipped stay so. Arms left ``running`` by a kill, and failed ones,
        become ``pending`` again.
        """
        head: dict[str, str | int] = {"file": result.file, "result": self._merged_head(result)}
        head["started_ms"] = result.started_ms
        with self._write() as db:
            known = {"digest": result.digest, "name": result.name}
            asked = upsert(db, experiments).values(**known, **head)
            db.execute(asked.on_conflict_do_update(index_elements=["digest"], set_=head))
            for position, arm in enumerate(result.arms):
                begin_arm(db, result.digest, position, arm)
        found = self.experiment(result.digest)
        assert found is not None
        return found

    def _merged_head(self, result: ExperimentResult) -> str:
        """What is known of the experiment, as asked for now: the question, the file and the
        command may have changed without changing any arm."""
        known = self.experiment(result.digest)
        if known is None:
            return _head(result)
        asked = {"question": result.question, "file": result.file, "command": result.command}
        ended = (
            known.ended_ms if all(arm.status in ("done", "skipped") for arm in known.arms) else 0
        )
        return _head(known.model_copy(update={**asked, "ended_ms": ended}))

    def put_arm(self, experiment: str, arm: ArmResult, tested: SplitRows | None = None) -> None:
        """Record an arm's new state, and at once the look at the test rows it was scored on."""
        with self._write() as db:
            change_arm(db, experiment, arm)
            if tested:
                put_look(db, experiment, arm, tested)

    def looks(self) -> LookBook:
        """Every look at a test split."""
        with self._read() as db:
            return read_looks(db)

    def finish(self, result: ExperimentResult) -> None:
        """Record verdict and end of an experiment (its arms are recorded one by one)."""
        this = experiments.c.digest == result.digest
        with self._write() as db:
            values = {"result": _head(result), "ended_ms": result.ended_ms}
            db.execute(update(experiments).where(this).values(**values))

    def mark_synced(self, digest: str, target: str) -> None:
        """Remember that tracking at `target` equals the ledger for this experiment."""
        with self._write() as db:
            this = experiments.c.digest == digest
            db.execute(update(experiments).where(this).values(synced=target))

    def synced(self, digest: str) -> str:
        """Where this experiment was last mirrored completely, or an empty string."""
        with self._read() as db:
            query = select(experiments.c.synced).where(experiments.c.digest == digest)
            return str(db.execute(query).scalar() or "")

    def experiment(self, digest: str) -> ExperimentResult | None:
        """The experiment with its arms in order, or None."""
        of_it = select(arms.c.result).where(arms.c.experiment == digest).order_by(arms.c.position)
        with self._read() as db:
            query = select(experiments.c.result).where(experiments.c.digest == digest)
            head = db.execute(query).scalar()
            if head is None:
                return None
            found = [ArmResult.model_validate_json(row) for row in db.execute(of_it).scalars()]
            return ExperimentResult.model_validate_json(head).model_copy(update={"arms": found})

    def experiments(self, name: str | None = None) -> list[ExperimentResult]:
        """All experiments, newest first; only those called `name` if given."""
        query = select(experiments.c.digest).order_by(experiments.c.started_ms.desc())
        if name is not None:
            query = query.where(experiments.c.name == name)
        with self._read() as db:
            digests = list(db.execute(query).scalars())
        return [found for digest in digests if (found := self.experiment(digest))]

    def intend_job(self, label: str, model: str, tokens: int) -> None:
        """Say, before it happens, that a tuning job will be submitted."""
        values = {"label": label, "intended_ms": now_ms(), "tokens": tokens, "model": model}
        again = {"state": "intended"}
        with self._write() as db:
            asked = upsert(db, jobs).values(**values, **again)
            db.execute(asked.on_conflict_do_update(index_elements=["label"], set_=again))

    def is_intended(self, label: str) -> bool:
        """Whether a submit of this job is on record and neither its end nor its failure."""
        this = (jobs.c.label == label) & (jobs.c.state == "intended")
        with self._read() as db:
            return db.execute(select(jobs.c.label).where(this)).scalar() is not None

    def end_job(self, label: str, state: str, seconds: float, error: str = "") -> None:
        """Record how a tuning job ended."""
        values = {"state": state, "seconds": seconds, "error": error, "ended_ms": now_ms()}
        with self._write() as db:
            db.execute(update(jobs).where(jobs.c.label == label).values(**values))

    def jobs(self) -> list[JobRecord]:
        """Every tuning job, newest first."""
        query = select(jobs).order_by(jobs.c.intended_ms.desc())
        with self._read() as db:
            found = db.execute(query).mappings()
            return [JobRecord(*(row[name] for name in JobRecord.__slots__)) for row in found]

    def add_resources(self, label: str, found: Sequence[Resource], *, anew: bool = False) -> None:
        """Record what a tuning job, or a set of questions, puts or leaves on a service. What is
        known already stays as it is; put there `anew`, what was deleted is there again."""
        now = now_ms()
        with self._write() as db:
            for item in found:
                asked = upsert(db, resources).values(
                    kind=item.kind,
                    name=item.name,
                    label=label,
                    created_ms=now,
                    seq=next_seq(resources),
                )
                key = ["name", "label"]
                db.execute(
                    asked.on_conflict_do_update(
                        index_elements=key,
                        set_={"deleted_ms": 0, "created_ms": now},
                        where=resources.c.deleted_ms != 0,
                    )
                    if anew
                    else asked.on_conflict_do_nothing(index_elements=key)
                )

    def claim(self, experiment: str, arm: str, label: str) -> None:
        """Say, before it happens, that something is put on a service under this label."""
        values = {"experiment": experiment, "arm": arm, "label": label, "seq": next_seq(claims)}
        with self._write() as db:
            db.execute(upsert(db, claims).values(**values).on_conflict_do_nothing())

    def claims(self, experiment: str) -> list[tuple[str, str]]:
        """Digest of the arm and label of everything that the experiment claimed."""
        query = select(claims.c.arm, claims.c.label).order_by(claims.c.seq)
        with self._read() as db:
            rows = db.execute(query.where(claims.c.experiment == experiment))
            return [(arm, label) for arm, label in rows]

    def resources(self, labels: Sequence[str]) -> list[ResourceRecord]:
        """What the tuning jobs of these labels left, in the order in which it was recorded."""
        names = ("kind", "name", "label", "created_ms", "deleted_ms")
        query = select(*(resources.c[name] for name in names)).order_by(resources.c.seq)
        with self._read() as db:
            rows = db.execute(query)
            wanted = set(labels)
            return [record for row in rows if (record := ResourceRecord(*row)).label in wanted]

    def sharers(self, name: str) -> list[str]:
        """Labels of all tuning jobs that still need the resource of this name."""
        needed = (resources.c.name == name) & (resources.c.deleted_ms == 0)
        with self._read() as db:
            query = select(resources.c.label).where(needed).order_by(resources.c.seq)
            return list(db.execute(query).scalars())

    def mark_deleted(self, name: str) -> None:
        """Remember that the resource of this name is gone."""
        there = (resources.c.name == name) & (resources.c.deleted_ms == 0)
        with self._write() as db:
            db.execute(update(resources).where(there).values(deleted_ms=now_ms()))

    def hold(self, item: Spending, name: str, check: Callable[[Spent], None]) -> None:
        """Hold money back for a tuning job that is about to be submitted, in one transaction
        with `check`, which is told what is spent besides (by experiments called `name`) and
        raises when it is too much: two runs at once cannot both take the last dollars."""
        with self._write() as db:
            alone(db, spendings)
            check(_spent(db, name, item.arm, [item.label], item.rehearsal))
            _settle(db, item.model_copy(update={"settled": False}))

    def settle(self, item: Spending) -> None:
        """Replace what was held back for a tuning job by its true cost. Settling twice is
        settling once; the month stays that of the submit."""
        with self._write() as db:
            alone(db, spendings)
            _settle(db, item)

    def release(self, label: str) -> None:
        """Let go of money that was held back for a job which never came to a bill."""
        held = (spendings.c.label == label) & (spendings.c.settled == 0)
        with self._write() as db:
            db.execute(spendings.delete().where(held))

    def rebook(self, before: str, experiment: str, arm: str) -> None:
        """Give what was claimed and paid by `before`, an arm that was not settled, to the arm."""
        with self._write() as db:
            rebook(db, before, experiment, arm)

    def add_spending(self, item: Spending) -> None:
        """Add to what a set of answers has cost: each call of this is money gone."""
        with self._write(durable=False) as db:
            db.execute(added_spending(db), _values(item))

    @contextmanager
    def spender(self) -> Iterator[Callable[[Spending], None]]:
        """`add_spending` for many: each is committed when the call returns. In a file they share
        a connection, which to open takes longer than to write; one to a server may be lost, and
        a new one every time is not."""
        if not self._in_file:
            yield self.add_spending
            return
        with self._explained():
            db = each_at_once(self._engine)

        def add(item: Spending) -> None:
            with self._explained():
                db.execute(asked, _values(item))

        try:
            asked = added_spending(db)
            yield add
        finally:
            db.close()

    def spent(
        self, name: str, arm: str, besides: Sequence[str] = (), *, rehearsal: bool = False
    ) -> Spent:
        """Dollars gone or held back by this arm, by all experiments called `name`, and in this
        month; without what is held back for the jobs `besides`. What a `rehearsal` would have
        cost is an account of its own."""
        with self._read() as db:
            return _spent(db, name, arm, besides, rehearsal)

    def spendings(self, labels: Sequence[str] | None = None) -> list[Spending]:
        """Everything that was paid for, oldest first; only these labels' if given."""
        columns = (column for column in spendings.c if column.name != "month")
        query = select(*columns).order_by(spendings.c.ms, spendings.c.label)
        wanted = None if labels is None else set(labels)
        with self._read() as db:
            found = [Spending(**row._mapping) for row in db.execute(query)]
        return [item for item in found if wanted is None or item.label in wanted]


def _spent(db: Connection, name: str, arm: str, besides: Sequence[str], rehearsal: bool) -> Spent:
    """See `Ledger.spent`."""
    counts = or_(spendings.c.settled != 0, spendings.c.label.not_in(list(besides)))

    def total(where: Any) -> float:
        query: Select[Any] = select(func.sum(spendings.c.usd)).where(
            where, spendings.c.rehearsal == int(rehearsal), counts
        )
        return float(db.execute(query).scalar() or 0.0)

    namesakes = select(experiments.c.digest).where(experiments.c.name == name)
    return Spent(
        arm=total(spendings.c.arm == arm),
        experiment=total(spendings.c.experiment.in_(namesakes)),
        month=total(spendings.c.month == _month(now_ms())),
    )


def _settle(db: Connection, item: Spending) -> None:
    this = (spendings.c.label == item.label) & (spendings.c.what == item.what)
    values = {"tokens": item.tokens, "usd": item.usd, "settled": int(item.settled)}
    if not db.execute(update(spendings).where(this).values(**values)).rowcount:
        db.execute(insert(spendings).values(**_values(item)))


def _values(item: Spending) -> dict[str, Any]:
    """The row of a spending."""
    flags = {"settled": int(item.settled), "rehearsal": int(item.rehearsal)}
    return {**item.model_dump(), **flags, "month": _month(item.ms)}


def _month(ms: int) -> str:
    """``2026-11``: the UTC calendar month of Unix milliseconds."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m}"


def _head(result: ExperimentResult) -> str:
    return result.model_copy(update={"arms": []}).model_dump_json()
