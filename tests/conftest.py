"""What all tests share: a clean environment, the real data's folder, a small experiment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.store.postgres import binaries, cluster

CHECKOUT = Path(__file__).resolve().parent.parent

# A busy machine is no fault of the code: no example has a time to keep, nor has making them.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No telemetry, no hub, no user's settings in any test or its child processes."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HF_HUB_OFFLINE": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "SFT_TODAY": "2026-11-22",  # or models of the table would retire under the tests
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real data sets; the test is skipped when there is none."""
    folder = Path(os.environ.get("SFT_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found in {folder}; set SFT_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A Postgres of this session's own; the test is skipped where none is installed."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is missing")
    found = binaries()
    if found is None:
        pytest.skip("no Postgres here: apt-get install postgresql")
    with cluster(found) as url:
        yield url


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """URL of a database that nobody else uses."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as base:
        base.execute(f"CREATE DATABASE {name}")
    return postgres_server.replace("/postgres?", f"/{name}?")
