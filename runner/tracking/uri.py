"""Where MLflow keeps things: always an absolute address."""

from __future__ import annotations

from pathlib import Path

from runner.config import MlflowTracking, Tracking


def tracking_uri(tracking: Tracking, home: Path) -> str:
    """The MLflow tracking URI, always absolute; empty when there is no tracking.

    The default is ``mlflow/mlflow.db`` under `home`. A relative SQLite path is taken from
    `home` as well, because MLflow itself would take it from the folder `sft` happens to run in.
    """
    if not isinstance(tracking, MlflowTracking):
        return ""
    home = home.resolve()
    if tracking.uri is None:
        return f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    prefix, relative = "sqlite:///", tracking.uri.removeprefix("sqlite:///")
    if tracking.uri.startswith(prefix) and not Path(relative).is_absolute():
        return f"{prefix}{home / relative}"
    return tracking.uri
