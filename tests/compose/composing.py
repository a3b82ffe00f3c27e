"""Composing an experiment in a test: written to a folder, started from another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.base.errors import ConfigError, Problem
from runner.compose import Composition, compose

MINIMAL = """\
defaults:
  - override /model: tiny_random

source:
  train: data/train.jsonl
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write `files`, path below `folder` to text."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def compose_text(folder: Path, text: str, *argv: str, file: str = "lab/exp.yaml") -> Composition:
    """The only composition of the experiment `text`, written to `file` below `folder`."""
    write(folder, {file: text})
    seen: list[Composition] = []

    def on_batch(composition: Composition) -> list[float]:
        seen.append(composition)
        return [0.0] * len(composition.points)

    compose(folder / file, argv, on_batch)
    (composition,) = seen
    return composition


def problems_of(folder: Path, text: str, *argv: str, file: str = "lab/exp.yaml") -> list[Problem]:
    """The problems that composing `text` reports; fails when there are none."""
    try:
        compose_text(folder, text, *argv, file=file)
    except ConfigError as error:
        return list(error.problems)
    raise AssertionError("composed without a problem")
