"""What the documents say is true: commands run, files exist, the map names every room."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from runner.cli import EXIT_CODES, VERBS, main
from tests.acceptance.tiny import LABELS, THINGS, sft

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHRINK = {
    "run": [
        "model=tiny_random",
        "tuning.epochs=1",
        "tracking=none",
        "suite.generation.max_tokens=2",
    ],
    "check": ["model=tiny_random"],
    "plan": ["model=tiny_random"],
}
"""Overrides that make a documented command take seconds."""


def commands() -> list[str]:
    """Every `sft` command of the README's shell blocks, in order."""
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("sft ")]


def make_targets() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    return [
        word for block in blocks for word in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader follows the README, with a file of their own."""
    folder = tmp_path_factory.mktemp("reader")
    rows = [f"{words} {thing},{label}" for label, words in LABELS.items() for thing in THINGS]
    (folder / "mail.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


def test_every_command_of_the_readme_runs(folder: Path) -> None:
    found = [line for line in commands() if not on_vertex(line)]
    assert len(found) >= 8
    for line in found:
        _, verb, *words = shlex.split(line)
        done = sft(folder, verb, *words, *SHRINK.get(verb, []))
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def on_vertex(line: str) -> bool:
    """Whether the command is one of the walk with the emulator."""
    return "vertex_quickstart" in line or line == "sft emulate"


def test_every_command_of_the_walk_on_vertex_runs(tmp_path: Path) -> None:
    emulator = pytest.importorskip("runner.emulator", reason="the extra 'emulator' is missing")
    found = [line for line in commands() if on_vertex(line)]
    assert found[0] == "sft emulate"
    assert {shlex.split(line)[1] for line in found[1:]} == {
        "plan",
        "run",
        "ship",
        "export",
        "clean",
    }
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    with emulator.Emulator() as running:
        less = [f"backend.emulator={running.url}", "backend.poll_seconds=0.1", "tracking=none"]
        for line in found[1:]:
            _, verb, *words = shlex.split(line)
            done = sft(tmp_path, verb, *words, *(less if verb in ("plan", "run") else []))
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            if verb == "plan":
                # The README quotes the price; it follows from the rows and the model's file.
                cents = re.search(r"([\d.]+) to ([\d.]+) USD", README)
                assert cents
                total = re.search(r"^total .* ([\d.]+)-([\d.]+)$", done.stdout, re.MULTILINE)
                assert total
                assert [f"{float(usd):.2f}" for usd in total.groups()] == list(cents.groups())
        assert running.overview()["violations"] == []
        assert not [job for job in running.overview()["jobs"] if "FAILED" in job["state"]]
    assert list((tmp_path / "curves").rglob("events.out.tfevents.*"))


def test_the_readme_names_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"quickstart", "test"} <= set(make_targets())
    for target in make_targets():
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_readme_shows_every_verb_of_a_first_day() -> None:
    for verb in ("init", "check", "plan", "run", "compare", "status"):
        assert f"sft {verb} " in README or f"sft {verb}\n" in README, verb


def test_links_and_pictures_exist() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_map_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [path.name for path in (ROOT / "runner").iterdir() if (path / "__init__.py").exists()]
    assert len(rooms) > 8
    for room in rooms:
        assert f"runner/{room}/" in text, room


def test_the_map_names_nothing_that_is_gone() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in re.findall(r"`(runner/[\w/.]+|tests/[\w/.]+)`", text):
        assert path.endswith("NAME.py") or (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda p: p.stem
)
def test_an_experiment_opens_with_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = text[: text.index("defaults:")]
    for word in ("Question", "Command", "Cost", "Expected"):
        assert f"# {word} " in head, word
    assert "to be filled" not in head
    assert yaml.safe_load(text)["name"] == path.stem


def test_help_lists_every_verb_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert f"  {verb} " in shown
    assert EXIT_CODES in shown
    assert (ROOT / "runner" / "verbs" / "init.py").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert VERBS[verb].split()[0] in capsys.readouterr().out


def test_a_near_verb_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rum"]) == 2
    assert "did you mean 'sft run'?" in capsys.readouterr().err
