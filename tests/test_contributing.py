"""CONTRIBUTING.md, followed block by block in a copy of the checkout."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.tiny import LABELS, THINGS
from tests.test_docs import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    section: str
    language: str
    file: str
    text: str


def blocks() -> Iterator[Block]:
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        for language, file, text in BLOCK.findall(section):
            yield Block(section.partition("\n")[0], language, file, text)


def of(section: str) -> list[Block]:
    found = [block for block in blocks() if block.section == section]
    assert found, section
    return found


@dataclass(frozen=True)
class Checkout:
    """A copy that a contributor changes; `sft` runs its code."""

    root: Path

    def apply(self, block: Block) -> list[str]:
        """Write the file, change the files, or run the commands; what the commands printed."""
        if block.file:
            path = self.root / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return []
        if block.language == "diff":
            self._patch(block.text)
            return []
        assert block.language == "bash", block
        return [self.run(line) for line in block.text.splitlines()]

    def _patch(self, text: str) -> None:
        """Hunks by their context: line numbers in a document would be wrong soon."""
        for name, hunks in re.findall(r"^\+\+\+ b/(\S+)\n(.*?)(?=^---|\Z)", text, re.S | re.M):
            path = self.root / name
            for hunk in re.split(r"^@@\n", hunks, flags=re.MULTILINE)[1:]:
                before, after = (
                    "".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[:1] in keep)
                    for keep in (" -", " +")
                )
                source = path.read_text(encoding="utf-8")
                assert source.count(before) == 1, f"{name}:\n{before}"
                path.write_text(source.replace(before, after), encoding="utf-8")

    def run(self, line: str) -> str:
        program, *words = shlex.split(line, comments=True)
        command = {
            "sft": [sys.executable, "-m", "runner", *words],
            "python": [sys.executable, *words],
            # Without a network: what the package is built with is here already.
            "pip": [
                sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                "--no-deps", "--no-build-isolation", "--no-index",
                "--target", str(self.root / "site"), *words[1:],
            ],
        }[program]  # fmt: skip
        path = os.pathsep.join([str(self.root), str(self.root / "site")])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    root = tmp_path_factory.mktemp("checkout")
    for name in ("runner", "conf"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    rows = [f"{words} {thing},{label}" for label, words in LABELS.items() for thing in THINGS]
    (root / "mail.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    copy = Checkout(root)
    copy.run("sft init mail --data mail.csv")
    return copy


def test_no_block_is_left_out() -> None:
    sections = {block.section for block in blocks()}
    assert sections == {"Set up, run one test", "An option", "A metric", "A source", "A stage"}
    for block in blocks():
        assert block.file or block.language in ("bash", "diff"), block


def test_set_up_names_what_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (block,) = of("Set up, run one test")
    for line in block.text.splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words)
        else:
            assert program == ".venv/bin/pytest"
            assert all((ROOT / word).exists() for word in words if word.startswith("tests/"))


def test_an_option_is_a_file(checkout: Checkout) -> None:
    file, commands = of("An option")
    checkout.apply(file)
    (checkout.root / "mail.yaml").unlink()
    _, plan = checkout.apply(commands)
    assert "zero-shot" in plan


def test_a_metric_whose_lower_is_better_ranks_the_arms(checkout: Checkout) -> None:
    shown = ""
    for block in of("A metric"):
        shown = "".join(checkout.apply(block))
    assert "word_errors (lower is better)" in shown
    assert "Lower word_errors is better." in shown
    (result,) = json.loads(checkout.run("sft compare mail --json"))
    for arm in result["arms"]:
        score = arm["test"]["overall"]["word_errors"]
        assert score["scale"]["unit"] == "errors per word"
        assert 0 <= score["value"] <= score["scale"]["highest"] == 2.0


def test_a_source_reads_another_format(checkout: Checkout) -> None:
    shown = ""
    for block in of("A source"):
        shown = "".join(checkout.apply(block))
    assert f"read: {len(LABELS) * len(THINGS)}" in shown


def test_a_stage_is_priced_run_and_found(checkout: Checkout) -> None:
    *parts, commands = of("A stage")
    for block in parts:
        checkout.apply(block)
    priced, ran, again = checkout.apply(commands)
    for arm in json.loads(priced)["arms"]:
        assert arm["stages"]["courtesy"] == "new"
        (part,) = [part for part in arm["price"]["parts"] if part["what"] == "courtesy"]
        assert 0 < part["usd"]["low"] < part["usd"]["high"]
    assert "No winner" in ran
    assert "courtesy" in again
    last = commands.text.splitlines()[-1]
    for arm in json.loads(checkout.run(f"{last} --json"))["arms"]:
        assert arm["stages"]["courtesy"] == "done"
