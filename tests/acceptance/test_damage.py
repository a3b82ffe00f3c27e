"""What a finished run left is damaged; the same command heals it, or a verb says a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli import main
from runner.store.ledger import Ledger
from tests.acceptance.damage import damage, faults
from tests.acceptance.tiny import outcome, sft, write
from tests.backends.vertex import test_road as road
from tests.store.damaging import WAYS, cut, flip

Finished = tuple[Path, Path, str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished run: its folder, its YAML and what `--json` printed. Every test heals it."""
    folder = tmp_path_factory.mktemp("damaged")
    yaml = write(folder, sizes=[8], shots="[]")
    return folder, yaml, sft(folder, "run", str(yaml), "--json", check=True).stdout


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_heals_what_it_left(finished: Finished, number: int) -> None:
    """One file of every artifact and checkpoint, in all ways by turns; `python -m
    tests.acceptance.damage` walks over all files in every way."""
    folder, yaml, first = finished
    ways = [*WAYS][number:] + [*WAYS][:number]
    assert len(damage(folder / "runs", ways, number)) >= 8
    assert not list(faults(folder, yaml, first))


def test_a_changed_adapter_is_not_used(finished: Finished) -> None:
    folder, yaml, first = finished
    arm = next(arm for arm in json.loads(first)["arms"] if arm["kind"] == "tuned")
    best = next(item for item in arm["tuning"]["checkpoints"] if item["id"] == arm["best"])
    adapter = Path(best["path"]) / "adapter_model.safetensors"
    data = bytearray(adapter.read_bytes())
    data[-5000:-1000] = bytes(byte ^ 0x55 for byte in data[-5000:-1000])
    adapter.write_bytes(bytes(data))
    refused = sft(folder, "ship", "tiny", "--arm", arm["name"])
    assert refused.returncode == 1, refused.stdout
    assert "is damaged" in refused.stderr
    assert "Traceback" not in refused.stderr
    again = sft(folder, "run", str(yaml))
    assert again.returncode == 0, again.stderr
    assert "was damaged" in again.stderr.replace("\n", " ")
    assert Path(adapter).read_bytes() != bytes(data)
    assert sft(folder, "ship", "tiny", "--arm", arm["name"]).returncode == 0


def test_caches_and_job_records_that_are_damaged(finished: Finished) -> None:
    folder, yaml, first = finished
    home = folder / "runs"
    cut(home / "predictions.db")
    flip(home / "source_digests.json")
    for path in home.glob("jobs/*/*.json*"):
        cut(path)
    for path in home.glob("store/tune/[!.]*/result.json"):
        flip(path)
    assert not list(faults(folder, yaml, first))


def test_a_ledger_that_was_cut_says_what_to_do(finished: Finished) -> None:
    folder, yaml, first = finished
    whole = (folder / "runs" / "ledger.db").read_bytes()
    cut(folder / "runs" / "ledger.db")
    for words in (["run", str(yaml)], ["status"]):
        done = sft(folder, *words)
        assert done.returncode == 2
        assert "move it away" in done.stderr
        assert "Traceback" not in done.stderr
    (folder / "runs" / "ledger.db").unlink()
    assert not list(faults(folder, yaml, first)), "finished artifacts are found again"
    (folder / "runs" / "ledger.db").write_bytes(whole)


def test_a_paid_job_is_not_paid_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the ledger while it has the result, from the service when it has not."""
    from runner.emulator import Emulator

    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        file = str(road.write(tmp_path, emulator.url))
        assert main(["run", file, "--json"]) == 0
        first = capsys.readouterr().out
        paid = Ledger(tmp_path / "runs").spendings()
        (folder,) = tmp_path.glob("runs/store/tune/[!.]*[!k]")
        for lost in ("result.json", "artifact.json"):
            (folder / lost).unlink()
            assert main(["run", file, "--json"]) == 0
            assert outcome(capsys.readouterr().out) == outcome(first)
        cut(folder / "result.json")
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            (tmp_path / "runs" / name).unlink(missing_ok=True)
        assert main(["run", file, "--json"]) == 0
        assert outcome(capsys.readouterr().out) == outcome(first)
        assert len(emulator.service.registry.all("tuningJobs")) == 1
        again = {item.label: item.usd for item in Ledger(tmp_path / "runs").spendings()}
        tuning = next(item for item in paid if item.what == "tuning")
        assert again[tuning.label] == tuning.usd


def test_a_run_keeps_its_ledger_on_a_server(
    tmp_path: Path,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from runner.emulator import Emulator

    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        words = [str(road.write(tmp_path, emulator.url)), f"store.ledger={postgres}"]
        assert main(["run", *words, "--json"]) == 0, capsys.readouterr().err
        assert main(["run", *words]) == 0
        assert "nothing was run" in capsys.readouterr().out
        assert main(["status", "--json"]) == 0
        (known,) = json.loads(capsys.readouterr().out)["experiments"]
        assert known["finished"]
        assert main(["clean", "road", "--yes"]) == 0
        assert not emulator.service.registry.all("models")
    assert not (tmp_path / "runs" / "ledger.db").exists()
