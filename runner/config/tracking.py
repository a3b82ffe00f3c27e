"""Where results are kept and compared: the groups `tracking`, `store` and `paths`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from runner.config.base import Group

POSTGRES = ("postgresql://", "postgresql+psycopg://")


class MlflowTracking(Group):
    """MLflow as the place where runs are compared."""

    kind: Literal["mlflow"]
    uri: str | None = None
    """Tracking URI; null is an SQLite file under `paths.home`."""
    experiment: str | None = None
    """MLflow experiment; null takes the experiment's name."""
    views: bool = True
    """Seed saved views (leaderboard, curves, parallel coordinates ...)."""


class NoTracking(Group):
    """No tracking: results stay in the store and the report."""

    kind: Literal["none"]


Tracking = Annotated[MlflowTracking | NoTracking, Field(discriminator="kind")]


class StoreSettings(Group):
    """Where artifacts and the ledger live."""

    root: str | None = None
    """Folder; null is ``store`` under `paths.home`."""
    ledger: str | None = None
    """Postgres URL of the record of experiments, jobs and money, such as
    ``postgresql://user@host/database``; null is ``ledger.db`` under `paths.home`. A password is
    better kept in ``~/.pgpass`` or ``PGPASSWORD``."""

    @field_validator("ledger")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(POSTGRES):
            raise ValueError(f"must be null or a URL that begins with {POSTGRES[0]}")
        return value


class PathsGroup(Group):
    """Folders."""

    home: str = "runs"
    """Everything the runner writes; relative to the folder `sft` is started in."""
    models: str | None = None
    """Cache of converted weights; null is ``~/.cache/sft/models``."""
