"""The ledger's tables, and how their database is opened: SQLite by default, Postgres by URL.

Version 1 of the schema added the table that holds the version, and `seq`, the order in which
claims and resources came, which only SQLite could tell before. Version 2 added looks at test splits
(`runner.store.looks`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Integer,
    MetaData,
    NullPool,
    Select,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

VERSION = 2
COUNTED_FROM = 2
"""The version from which on looks at test splits are on record."""

LOCK_SECONDS = 60
CREATING = 0x5F7
"""Key of Postgres's advisory lock for those who create the tables."""

PLACE = "ledger.url"
"""File in a home whose ledger is on Postgres."""

metadata = MetaData()


def _text(name: str, **more: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **more)


def _whole(name: str, **more: Any) -> Column[int]:
    """Numbers of tokens, Unix milliseconds and flags: 64 bits wide everywhere."""
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column(name, kind, nullable=False, **more)


schema_version = Table("schema_version", metadata, _whole("version", primary_key=True))
experiments = Table(
    "experiments",
    metadata,
    _text("digest", primary_key=True),
    *(_text(name) for name in ("name", "file", "result")),
    _whole("started_ms"),
    _whole("ended_ms", server_default="0"),
    _text("synced", server_default=""),
)
arms = Table(
    "arms",
    metadata,
    _text("experiment", primary_key=True),
    _text("digest", primary_key=True),
    _whole("position"),
    _text("status"),
    _text("result"),
)
jobs = Table(
    "jobs",
    metadata,
    _text("label", primary_key=True),
    _text("state"),
    _whole("intended_ms"),
    _whole("ended_ms", server_default="0"),
    _whole("tokens", server_default="0"),
    Column("seconds", Double, nullable=False, server_default="0"),
    _text("model"),
    _text("error", server_default=""),
)
spendings = Table(
    "spendings",
    metadata,
    *(_text(name, primary_key=True) for name in ("label", "what", "month")),
    _text("experiment"),
    _text("arm"),
    _whole("tokens"),
    Column("usd", Double),
    *(_whole(name) for name in ("ms", "settled", "rehearsal")),
)
resources = Table(
    "resources",
    metadata,
    _text("kind"),
    *(_text(name, primary_key=True) for name in ("name", "label")),
    _whole("created_ms"),
    _whole("deleted_ms", server_default="0"),
    _whole("seq", server_default="0"),
)
claims = Table(
    "claims",
    metadata,
    *(_text(name, primary_key=True) for name in ("experiment", "arm", "label")),
    _whole("seq", server_default="0"),
)
looks = Table(
    "looks",
    metadata,
    *(_text(name, primary_key=True) for name in ("split", "question")),
    *(_text(name) for name in ("experiment", "name", "arm", "recipe")),
    *(_whole(name) for name in ("sealed", "ms", "seq")),
)
test_splits = Table(
    "test_splits", metadata, _text("digest", primary_key=True), _whole("rows"), _text("sketch")
)


class NewerLedger(Exception):
    """The database was written by a later version of this package."""


def open_engine(place: str | Path) -> Engine:
    """The engine of a Postgres URL or an SQLite file. Raises ImportError without the driver."""
    made = make_url(place) if isinstance(place, str) else URL.create("sqlite", database=str(place))
    if made.drivername == "postgresql":
        made = made.set(drivername="postgresql+psycopg")
    # One short-lived connection per transaction: threads and forks need no care.
    if made.get_backend_name() != "sqlite":
        return create_engine(made, poolclass=NullPool)
    engine = create_engine(made, poolclass=NullPool, connect_args={"timeout": LOCK_SECONDS})
    event.listen(engine, "connect", _leave_transactions_to_us)
    return engine


def note_place(home: Path, url: str) -> None:
    """Leave the URL, without its password, for verbs that are told the home only."""
    given = make_url(url).difference_update_query(["password"])
    where = (given.host, given.port, given.database, given.query)
    made = URL.create(given.drivername, given.username, None, *where)
    (home / PLACE).write_text(made.render_as_string(hide_password=False), encoding="utf-8")


def start(connection: Connection, *, durable: bool, writes: bool) -> None:
    """Start a transaction. One that is not `durable` outlives a kill of this process
    all the same, but perhaps not a power cut, and waits for no disk. One that `writes` has
    SQLite's database to itself."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif not durable:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def each_at_once(engine: Engine) -> Connection:
    """A connection to an SQLite file on which every statement is a transaction of its own, which
    outlives a kill of this process, but perhaps not a power cut."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
    return connection


def alone(connection: Connection, table: Table) -> None:
    """Let nobody else write to the table until the transaction ends."""
    if connection.dialect.name != "sqlite":  # there, `begin` has seen to it
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def migrate(engine: Engine) -> None:
    """Create what is missing. Raises NewerLedger."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        if _version(connection) == VERSION:
            return
    with engine.begin() as connection:
        start(connection, durable=True, writes=True)
        if engine.dialect.name != "sqlite":
            # Two that start at once would create the same tables.
            connection.execute(select(func.pg_advisory_xact_lock(CREATING)))
        version = _version(connection)
        if version == 0:
            _add_order(connection)
        metadata.create_all(connection)
        if version == 0:
            connection.execute(insert(schema_version).values(version=0))
        if version != VERSION:
            connection.execute(insert(schema_version).values(version=VERSION))


def _version(connection: Connection) -> int | None:
    """The schema's version; 0 before there was one, None for an empty database."""
    names = inspect(connection).get_table_names()
    if schema_version.name not in names:
        return 0 if experiments.name in names else None
    found = connection.execute(select(func.max(schema_version.c.version))).scalar() or 0
    if found > VERSION:
        raise NewerLedger
    return int(found)


def _add_order(connection: Connection) -> None:
    """From version 0, which only SQLite has: rows are in the order of their `rowid`."""
    for name in {resources.name, claims.name}.intersection(inspect(connection).get_table_names()):
        added = f"ALTER TABLE {name} ADD COLUMN seq INTEGER NOT NULL DEFAULT 0"
        connection.exec_driver_sql(added)
        connection.exec_driver_sql(f"UPDATE {name} SET seq = rowid")


def next_seq(table: Table) -> Any:
    """The number after the last one, for an insert."""
    last: Select[Any] = select(func.coalesce(func.max(table.c.seq), 0) + 1)
    return last.scalar_subquery()


def upsert(connection: Connection, table: Table) -> Any:
    """An insert that can say what to do on conflict."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def added_spending(connection: Connection) -> Any:
    """An insert that adds to what the spending of the same label, what and month has come to."""
    asked = upsert(connection, spendings)
    new = asked.excluded
    return asked.on_conflict_do_update(
        index_elements=["label", "what", "month"],
        set_={
            "usd": spendings.c.usd + new.usd,
            "tokens": spendings.c.tokens + new.tokens,
            "ms": new.ms,
        },
    )


def rebook(connection: Connection, before: str, experiment: str, arm: str) -> None:
    """Move claims and spendings of the arm `before` to another arm and its experiment."""
    new = {"experiment": experiment, "arm": arm}
    of_it = spendings.c.arm == before
    connection.execute(update(spendings).where(of_it).values(**new))
    labels = select(claims.c.label, claims.c.seq).where(claims.c.arm == before)
    for label, seq in connection.execute(labels).all():
        asked = upsert(connection, claims).values(**new, label=label, seq=seq)
        connection.execute(asked.on_conflict_do_nothing())
    connection.execute(claims.delete().where(claims.c.arm == before))


def _leave_transactions_to_us(connection: Any, _: Any) -> None:
    # sqlite3 would begin by itself, and too late: not before the first write.
    connection.isolation_level = None
