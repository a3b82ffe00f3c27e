"""Relative paths: those in YAML belong to its folder, those typed to the working directory; what
only looks like a path stays as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runner.compose.resolve import MODELS, PATHS
from tests.compose.composing import MINIMAL, compose_text

SETTINGS = {
    "source.dataset": "source: {kind: hub, dataset: here, train: train}",
    "source.media_root": "source: {train: t.jsonl, media_root: here}",
    "source.tracking_uri": "source: {kind: traces, train: prod, tracking_uri: 'sqlite:///here'}",
    "prepare.dedup.fuzzy.index": "prepare: {dedup: {fuzzy: {index: here}}}",
    "prepare.leakage.semantic.encoder.model": (
        "prepare: {leakage: {semantic: {encoder: {kind: sentence, model: here}}}}"
    ),
    "prepare.select.diverse.encoder.model": (
        "prepare: {select: {size: 5, diverse: {encoder: {kind: sentence, model: here}}}}"
    ),
    "prepare.select.hard.scores": "prepare: {select: {size: 5, hard: {scores: here}}}",
    "skew.production": "skew: {kind: file, production: here}",
    "guard.rows": "guard: {kind: rows, rows: here, suite: {name: g, "
    "metrics: [{kind: constraints}], primary: constraints}}",
    "skew.tracking_uri": "skew: {kind: traces, experiment: x, tracking_uri: 'sqlite:///here'}",
}


def value(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = config[name]
    return config


def experiment(setting: str) -> str:
    """The minimal experiment with one more line; a `source` of its own replaces the other."""
    group = setting.partition(":")[0]
    kept = MINIMAL.partition("source:")[0] if group == "source" else MINIMAL
    kind = "files" if "kind:" not in setting else setting.partition("kind: ")[2].partition(",")[0]
    if group == "source":
        kept = kept.replace("\n\n", f"\n  - override /source: {kind}\n\n")
    return f"{kept}{setting.replace(f'kind: {kind}, ', '') if group == 'source' else setting}\n"


def test_every_path_is_tried() -> None:
    assert SETTINGS.keys() == PATHS.keys()
    assert MODELS.keys() == {"gguf", "huggingface"}


@pytest.mark.parametrize("key", SETTINGS)
def test_paths_belong_to_the_folder_of_the_yaml(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lab", "elsewhere"):
        (tmp_path / name / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    (point,) = compose_text(tmp_path, experiment(SETTINGS[key])).points
    assert value(point.config, key).removeprefix("sqlite:///") == str(tmp_path / "lab" / "here")
    again = "sqlite:///here" if key.endswith("uri") else "here"
    (point,) = compose_text(tmp_path, experiment(SETTINGS[key]), f"{key}={again}").points
    typed = value(point.config, key).removeprefix("sqlite:///")
    assert typed == str(tmp_path / "elsewhere" / "here")


@pytest.mark.parametrize(
    ("kind", "splits"),
    [
        ("traces", {"train": "prod", "test": "staging"}),
        ("bigquery", {"train": "project.mail.rows", "test": "SELECT a, b FROM p.d.t ORDER BY a"}),
    ],
)
def test_what_is_no_file_is_left_as_it_is(
    kind: str, splits: dict[str, str], tmp_path: Path
) -> None:
    lines = "".join(f"  {name}: {told}\n" for name, told in splits.items())
    columns = "  input: [a]\n  target: b\n" if kind == "bigquery" else ""
    text = f"defaults:\n  - override /source: {kind}\n  - override /model: tiny_random\n\n"
    (point,) = compose_text(tmp_path, f"{text}source:\n{lines}{columns}").points
    assert {name: point.config["source"][name] for name in splits} == splits
    (point,) = compose_text(
        tmp_path, f"{text}source:\n{lines}{columns}", "source.test=other"
    ).points
    assert point.config["source"]["test"] == "other"
    assert not os.path.isabs(point.config["source"]["train"])
