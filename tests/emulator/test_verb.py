"""`sft emulate` as a user starts and stops it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from runner.cli import main


def start(*arguments: str) -> tuple[subprocess.Popen[str], str, str]:
    """The process, the emulator's address and its storage's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "emulate", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    first = process.stdout.readline()
    url, storage = re.findall(r"http://127\.0\.0\.1:\d+", first)
    assert "gs://my-bucket" in process.stdout.readline()
    assert f"backend.emulator={url}" in process.stdout.readline()
    return process, url, storage


def gone(url: str) -> bool:
    """Whether nobody answers there any more, within a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/storage/v1/b", timeout=5)
        except urllib.error.HTTPError:
            pass
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_logs_and_stops(number: signal.Signals) -> None:
    process, url, storage = start()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/v1/nothing", timeout=10)
    process.send_signal(number)
    text, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.search(r"404 .* GET /v1/nothing", text)
    assert text.rstrip().endswith("stopped")
    assert gone(url)
    assert gone(storage)


def test_the_storage_goes_when_the_emulator_is_killed(tmp_path: Path) -> None:
    process, _, storage = start("--home", str(tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    assert gone(storage)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--speed", "0", "--quota", "0"], "2 problems"),
        (["--script", "none.yaml"], "there is no file none.yaml"),
        (["--faults", "none.yaml"], "there is no file none.yaml"),
        (["--model", "tiny_random", "--script", "x.yaml"], "--model tunes for real"),
        (["backend.threads=1"], "belong to --model"),
        (["--model", "tiny_randm"], "tiny_random"),
    ],
)
def test_bad_options_are_explained(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["emulate", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_bad_script_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("start_los: 2\nnoise: -1\n")
    assert main(["emulate", "--script", str(file)]) == 2
    said = capsys.readouterr().err
    assert "start_los" in said
    assert "start_loss" in said
    assert "noise" in said


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['googleapiclient'] = None\n"
        "from runner.cli import main; sys.exit(main(['emulate', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "pip install 'sft-runner[emulator]'" in done.stderr
    assert "Traceback" not in done.stderr
