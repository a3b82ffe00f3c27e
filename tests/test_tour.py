"""docs/tour.md, followed from its first command to its last."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.acceptance.tiny import sft
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def stands_in(line: str, text: str) -> bool:
    """Whether a line of the page, in which ``...`` is anything, stands in a line of output."""
    pattern = ".*?".join(re.escape(part) for part in plain(line).split("..."))
    return re.search(pattern, plain(text)) is not None


def follow(lines: list[str], said: list[str]) -> None:
    """The page's lines stand in the output in this order, each in a line of its own."""
    rest = iter(said)
    for line in lines:
        assert any(stands_in(line, other) for other in rest), f"{line}\n---\n" + "\n".join(said)


def test_the_tour_is_what_happens(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    for path in (ROOT / "experiments").iterdir():
        (tmp_path / "experiments" / path.name).symlink_to(path)
    said, commands = "", 0
    for language, about, text in BLOCK.findall(PAGE):
        if language == "yaml":
            (tmp_path / about.removeprefix("file=")).write_text(text)
        elif language == "bash":
            said = ""
            for line in text.splitlines():
                done = sft(tmp_path, *shlex.split(line)[1:])
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                said, commands = said + done.stdout + done.stderr, commands + 1
        elif language == "json":
            line = text.strip()
            files = list(tmp_path.glob(about.removeprefix("line=")))
            rows = [row for file in files for row in file.read_text().splitlines()]
            assert any(stands_in(line, row) for row in rows), line
            assert all(json.loads(row) for row in rows)
        elif about == "files":
            for line in text.splitlines():
                assert list(tmp_path.glob(line.split()[0])), line
        else:
            assert language == "text", language
            follow(text.splitlines(), said.splitlines())
    assert commands == 8
    assert len(BLOCK.findall(PAGE)) * 2 == len(re.findall("^```", PAGE, re.MULTILINE))
