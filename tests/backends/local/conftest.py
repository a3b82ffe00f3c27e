"""Shared by the local backend's tests: one cache of tiny weights, one finished job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.backends.local.backend import LocalBackend
from runner.backends.protocol import TuningJob
from runner.records import TuningResult
from tests.backends.local import making


@dataclass(frozen=True)
class Trained:
    """A finished tuning job and the backend that ran it."""

    backend: LocalBackend
    job: TuningJob
    result: TuningResult


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def tiny(models: Path) -> Path:
    """The tiny model's folder."""
    return making.tiny_folder(models)


@pytest.fixture(scope="session")
def trained(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    home = tmp_path_factory.mktemp("trained")
    backend = LocalBackend(making.experiment(models), home)
    job = making.make_job(home / "data")
    backend.submit(job)
    status = making.wait(backend, job.label)
    assert status.state == "succeeded", status
    yield Trained(backend, job, backend.result(job.label))
    backend.close()


@pytest.fixture
def make_backend(models: Path, tmp_path: Path) -> Iterator[Callable[..., LocalBackend]]:
    """Makes backends over one home; all are closed at the end."""
    made: list[LocalBackend] = []

    def make(**settings: Any) -> LocalBackend:
        made.append(LocalBackend(making.experiment(models, **settings), tmp_path))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
