"""The ledger's table of looks: which arm was scored on which test split, once for each question.

Written in the transaction that records the arm as done, so that a kill neither loses a look nor
doubles one. Version 2 of the ledger's schema.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from runner.records.looks import Look, LookBook, SplitRows, question_of
from runner.records.results import ArmResult
from runner.store.tables import (
    COUNTED_FROM,
    experiments,
    looks,
    next_seq,
    schema_version,
    test_splits,
    upsert,
)


def put_look(db: Connection, experiment: str, arm: ArmResult, rows: SplitRows) -> None:
    """Record that the arm was scored on these test rows, unless they have answered that before."""
    named = select(experiments.c.name).where(experiments.c.digest == experiment)
    suite = arm.config.get("suite") or {}
    db.execute(
        upsert(db, test_splits)
        .values(digest=rows.digest, rows=rows.rows, sketch=" ".join(rows.sketch))
        .on_conflict_do_nothing()
    )
    db.execute(
        upsert(db, looks)
        .values(
            split=rows.digest,
            question=question_of(arm),
            experiment=experiment,
            name=db.execute(named).scalar() or experiment,
            arm=arm.digest,
            recipe=(arm.recipe or arm.digest) if arm.kind == "tuned" else "",
            sealed=int(bool(suite.get("sealed"))),
            ms=arm.ended_ms,
            seq=next_seq(looks),
        )
        .on_conflict_do_nothing()
    )


def read_looks(db: Connection) -> LookBook:
    """Every look, in the order in which they were recorded."""
    found = db.execute(select(looks).order_by(looks.c.seq, looks.c.ms)).mappings()
    splits = db.execute(select(test_splits))
    first = db.execute(select(func.min(schema_version.c.version))).scalar()
    return LookBook(
        looks=[Look(**{name: row[name] for name in Look.model_fields}) for row in found],
        splits={
            row.digest: SplitRows(
                digest=row.digest, rows=row.rows, sketch=tuple(row.sketch.split())
            )
            for row in splits
        },
        older=first is not None and first < COUNTED_FROM,
    )
