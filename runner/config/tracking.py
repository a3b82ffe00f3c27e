"""Where results are kept and compared: the groups `tracking`, `store` and `paths`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runner.config.base import Group


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


class Store(Group):
    """Where artifacts live."""

    root: str | None = None
    """Folder; null is ``store`` under `paths.home`."""


class PathsGroup(Group):
    """Folders."""

    home: str = "runs"
    """Everything the runner writes; relative to the folder `sft` is started in."""
    models: str | None = None
    """Cache of converted weights; null is ``~/.cache/sft/models``."""
