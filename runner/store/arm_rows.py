"""How the ledger writes the arms of an experiment."""

from __future__ import annotations

from sqlalchemy import Connection, update

from runner.records.results import ArmResult
from runner.store.tables import arms, upsert


def begin_arm(db: Connection, experiment: str, position: int, arm: ArmResult) -> None:
    """Write a pending arm, unless it is done."""
    row = {"experiment": experiment, "digest": arm.digest, "position": position}
    values = {"status": arm.status, "result": arm.model_dump_json()}
    asked = upsert(db, arms).values(**row, **values)
    db.execute(
        asked.on_conflict_do_update(
            index_elements=["experiment", "digest"],
            set_={"status": "pending", "result": asked.excluded.result},
            where=arms.c.status.not_in(("done", "skipped")),
        )
    )


def change_arm(db: Connection, experiment: str, arm: ArmResult) -> None:
    """Write an arm's new state."""
    this = (arms.c.experiment == experiment) & (arms.c.digest == arm.digest)
    values = {"status": arm.status, "result": arm.model_dump_json()}
    db.execute(update(arms).where(this).values(**values))
