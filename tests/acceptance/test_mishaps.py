"""What users do to a runner: wrong keys, broken rows, empty files, full disks, two at once."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.tiny import command, options, outcome, sft, write


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    return write(tmp_path, sizes=[8], shots="[]")


def refused(folder: Path, *words: str, code: int = 2) -> str:
    """What the command says when it refuses; never a traceback."""
    done = sft(folder, *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr


def test_wrong_keys_are_all_named(tmp_path: Path, yaml: Path) -> None:
    said = refused(tmp_path, "run", str(yaml), "tuning.epoch=3", "sweet=1")
    assert "did you mean `tuning.epochs`?" in said
    assert "did you mean `sweep`?" in said
    assert not (tmp_path / "runs").exists()


def test_an_empty_file(tmp_path: Path, yaml: Path) -> None:
    (tmp_path / "rows.csv").write_text("")
    for verb in ("check", "run"):
        done = sft(tmp_path, verb, str(yaml))
        assert done.returncode == 4, done.stdout + done.stderr
        assert "Traceback" not in done.stderr + done.stdout
        assert "rows.csv" in done.stderr + done.stdout


def test_a_missing_file_and_column(tmp_path: Path, yaml: Path) -> None:
    assert "nothing.csv" in refused(tmp_path, "check", str(yaml), "source.train=nothing.csv")
    said = refused(tmp_path, "check", str(yaml), "source.target=labels")
    assert "did you mean 'label'" in said


def test_too_many_broken_rows_are_a_gate(tmp_path: Path, yaml: Path) -> None:
    with (tmp_path / "rows.csv").open("a") as file:
        file.writelines(f"text without a label {n},\n" for n in range(30))
    said = refused(tmp_path, "check", str(yaml), code=4)
    assert "rows.csv:62" in said
    assert "empty_target" in said
    assert "max_bad_share" in refused(tmp_path, "run", str(yaml), code=4)
    kept = sft(tmp_path, "check", str(yaml), "source.max_bad_share=0.5", "--json")
    assert kept.returncode == 0, kept.stderr


def test_a_few_broken_rows_are_reported_and_passed_over(tmp_path: Path, yaml: Path) -> None:
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("text without a label,\n")
    done = sft(tmp_path, "check", str(yaml), "--json")
    report = json.loads(done.stdout)["treatments"][0]
    assert report["faults"]["train"]["empty_target"] == 1


def test_leaks_above_the_threshold_are_a_gate(tmp_path: Path, yaml: Path) -> None:
    (tmp_path / "test.csv").write_text((tmp_path / "rows.csv").read_text())
    said = refused(tmp_path, "check", str(yaml), "source.test=test.csv", code=4)
    assert "prepare.leakage.max_share" in said


def test_two_runs_at_once_are_one(tmp_path: Path, yaml: Path) -> None:
    both = [
        subprocess.Popen(
            command("run", str(yaml), "--json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=options(tmp_path)["env"],
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert outcome(said[0][0]) == outcome(said[1][0])
    jobs = json.loads(sft(tmp_path, "status", "--json").stdout)["jobs"]
    assert len(jobs) == 1


def test_ctrl_c_stops_and_the_same_command_goes_on(tmp_path: Path, yaml: Path) -> None:
    with subprocess.Popen(
        command("run", str(yaml), "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=options(tmp_path)["env"],
        start_new_session=True,
        # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        while not list(tmp_path.glob("runs/jobs/*/job.json")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "the same command again goes on" in said
    assert "Traceback" not in said
    again = sft(tmp_path, "run", str(yaml), "--json")
    assert again.returncode == 0, again.stderr


def test_a_full_disk_is_a_sentence(tmp_path: Path, yaml: Path) -> None:
    """A limit on file size stands in for a full disk: the same call fails, in the same place."""

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        command("run", str(yaml)), **options(tmp_path), preexec_fn=small_files, timeout=300
    )
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    again = sft(tmp_path, "run", str(yaml), "--json")
    assert again.returncode == 0, again.stderr
