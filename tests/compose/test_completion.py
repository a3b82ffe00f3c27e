"""Tab completion: verbs are ours, overrides are Hydra's, with the experiment's own files known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.compose import complete
from runner.compose.completion import VERBS
from tests.compose.composing import MINIMAL, write


@pytest.fixture(autouse=True)
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment to complete behind, with an option of the user's beside it."""
    write(tmp_path, {"exp.yaml": MINIMAL, "conf/suite/zebra.yaml": "name: zebra\n"})
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sft ", list(VERBS)),
        ("sft c", ["check", "cancel", "compare", "clean"]),
        ("sft run ex", []),
        ("sft run other.yaml tun", []),
        ("sft status exp.yaml tun", []),
        ("sft run exp.yaml tuning.ep", ["tuning.epochs="]),
        ("sft plan exp.yaml seed=3 tuning=", ["tuning=auto", "tuning=default", "tuning=quick"]),
        ("sft check seed=3 exp.yaml suite=z", ["suite=zebra"]),
        (
            "sft run exp.yaml prepare/dedup=",
            [f"prepare/dedup={n}" for n in ("exact", "fuzzy", "none", "substring")],
        ),
        ("sft run exp.yaml source.train", ["source.train="]),
    ],
)
def test_a_line_is_completed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    expected: list[str],
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert complete(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == expected


def test_only_what_stands_before_the_cursor_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", "sft run exp.yaml tuning=q seed=3")
    monkeypatch.setenv("COMP_POINT", str(len("sft run exp.yaml tuning=q")))
    complete(["-sc", "query=bash"])
    assert capsys.readouterr().out.split() == ["tuning=quick"]


def test_the_shell_script_is_hydras(capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(["-sc", "install=bash"]) == 0
    script = capsys.readouterr().out
    assert "hydra_bash_completion" in script
    assert "sft" in script


def test_the_command_hands_completion_on(tmp_path: Path) -> None:
    """What a user puts into a shell's start-up file: eval "$(sft -sc install=bash)"."""
    command = [sys.executable, "-m", "runner", "-sc", "install=bash"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "complete -o nospace" in done.stdout


def test_the_verbs_are_those_of_the_command_line() -> None:
    from runner.cli import VERBS as COMMANDS

    assert tuple(COMMANDS) == VERBS
