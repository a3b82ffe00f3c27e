"""`sft clean` against the emulator: only what the ledger has, asked first, resumable."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.backends.vertex.cleaning import delete
from runner.backends.vertex.clients import Clients
from runner.cli import main
from runner.emulator import Emulator
from runner.records import Resource
from tests.backends.vertex.asking import backend
from tests.backends.vertex.tuned import DATA, arm, experiment, tune


def clean(home: Path, *words: str) -> int:
    return main(["clean", "exp", "--home", str(home), *words])


def left(emulator: Emulator) -> dict[str, int]:
    registry = emulator.service.registry
    kinds = {kind: len(registry.all(kind)) for kind in ("models", "endpoints", "contexts")}
    return {**kinds, "objects": int(emulator.storage.read(DATA) is not None)}


def test_it_deletes_what_the_ledger_has_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as emulator:
        settings = backend(emulator)
        clients = Clients(settings)
        ours, other = tune(clients), tune(clients)
        ledger = experiment(tmp_path, "exp", [arm(settings, ours, "job1")])
        assert left(emulator) == {"models": 2, "endpoints": 6, "contexts": 2, "objects": 1}
        assert clean(tmp_path, "--yes") == 0
        assert left(emulator) == {"models": 1, "endpoints": 3, "contexts": 1, "objects": 0}
        kept = clients.tuning.models.get(model=other["tunedModel"]["model"])
        assert kept.name
        assert not emulator.overview()["violations"]
        assert all(record.deleted_ms for record in ledger.resources(["job1"]))
        assert "deleted" in capsys.readouterr().out
        assert clean(tmp_path, "--yes") == 0
        assert "nothing to delete" in capsys.readouterr().out


def test_without_yes_it_lists_and_deletes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as emulator:
        settings = backend(emulator)
        job = tune(Clients(settings))
        experiment(tmp_path, "exp", [arm(settings, job, "job1")])
        before = left(emulator)
        assert clean(tmp_path) == 2
        said = capsys.readouterr()
        assert job["tunedModel"]["endpoint"] in said.out
        assert DATA in said.out
        assert "--yes" in said.err
        assert left(emulator) == before


def test_a_dataset_that_another_experiment_needs_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as emulator:
        settings = backend(emulator)
        clients = Clients(settings)
        experiment(tmp_path, "other", [arm(settings, tune(clients), "job2")])
        experiment(tmp_path, "exp", [arm(settings, tune(clients), "job1")])
        assert clean(tmp_path, "--yes") == 0
        assert left(emulator) == {"models": 1, "endpoints": 3, "contexts": 1, "objects": 1}
        assert "another experiment's job needs it" in capsys.readouterr().out


def test_what_the_yaml_was_before_is_cleaned_too(tmp_path: Path) -> None:
    with Emulator() as emulator:
        settings = backend(emulator)
        clients = Clients(settings)
        experiment(tmp_path, "exp", [arm(settings, tune(clients), "job1")])
        experiment(tmp_path, "exp", [arm(settings, tune(clients), "job2")], form="-edited")
        assert main(["clean", "exp-digest-e", "--home", str(tmp_path), "--yes"]) == 0
        assert left(emulator) == {"models": 1, "endpoints": 3, "contexts": 1, "objects": 1}
        assert clean(tmp_path, "--yes") == 0
        assert left(emulator) == {"models": 0, "endpoints": 0, "contexts": 0, "objects": 0}


def test_what_fails_is_tried_again_by_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [{"on": "*endpoints.delete", "do": "500", "nth": [2]}]
    with Emulator(faults=faults) as emulator:
        settings = backend(emulator)
        ledger = experiment(tmp_path, "exp", [arm(settings, tune(Clients(settings)), "job1")])
        assert clean(tmp_path, "--yes") == 1
        assert "the same command tries again" in capsys.readouterr().err
        there = [record.kind for record in ledger.resources(["job1"]) if not record.deleted_ms]
        assert "endpoint" in there
        assert clean(tmp_path, "--yes") == 0
        assert left(emulator) == {"models": 0, "endpoints": 0, "contexts": 0, "objects": 0}


def test_what_somebody_deleted_already_counts_as_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as emulator:
        settings = backend(emulator)
        clients = Clients(settings)
        ledger = experiment(tmp_path, "exp", [arm(settings, tune(clients), "job1")])
        bucket, _, path = DATA.removeprefix("gs://").partition("/")
        clients.storage.bucket(bucket).blob(path).delete()
        assert clean(tmp_path, "--yes") == 0
        assert f"was gone: {DATA}" in capsys.readouterr().out
        assert all(record.deleted_ms for record in ledger.resources(["job1"]))


def test_a_folder_of_ours_goes_with_all_that_is_in_it() -> None:
    folder = "gs://sft-emulator/tests/evaluation/job1/"
    with Emulator() as emulator:
        clients = Clients(backend(emulator))
        for name in ("a/1.jsonl", "b.jsonl"):
            emulator.storage.write(f"gs://sft-emulator/tests/evaluation/job1/{name}", b"x")
        emulator.storage.write("gs://sft-emulator/tests/evaluation/job12", b"x")
        assert delete(clients, Resource("object", folder))
        left = [blob.name for blob in clients.storage.list_blobs("sft-emulator")]
    assert not [name for name in left if name.startswith("tests/evaluation/job1/")]
    assert "tests/evaluation/job12" in left
