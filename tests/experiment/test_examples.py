"""What a model is asked about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from runner.experiment.console import Console
from runner.experiment.render_stage import RenderStage, examples
from runner.experiment.run import assemble
from runner.experiment.stage import ArmRun
from tests.compose.composing import compose_text

YAML = """\
defaults:
  - override /model: tiny_random
  - override /suite: classification
  - override /tracking: none
  - override /prepare/split: given
source: {train: train.csv, validation: validation.csv, test: test.csv, input: [text], target: label}
"""


def tuned(folder: Path, *overrides: str, talks: int = 0) -> ArmRun:
    """The tuned arm, over files that are sorted by label; with `talks`, in so many groups."""
    for split, count in {"train": 4, "validation": 60, "test": 60}.items():
        rows = [f"{split} {n} {split}-{n * n},{'ab'[n >= count / 2]}" for n in range(count)]
        header = "text,label"
        if talks:
            header += ",talk"
            rows = [f"{row},{split}-{n % talks}" for n, row in enumerate(rows)]
        (folder / f"{split}.csv").write_text("\n".join([header, *rows]))
    composition = compose_text(folder, YAML, *overrides, file="exp.yaml")
    sweep = assemble(composition.points, composition.file, "", Console(silent=True))
    return sweep.runs[sweep.points[0]]


def test_a_cap_on_validation_draws_from_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    every = examples(tuned(tmp_path), "validation")
    assert len(every) == 60
    drawn = examples(tuned(tmp_path, "suite.max_validation=20"), "validation")
    assert len(drawn) == 20
    assert {example.target for example in drawn} == {"a", "b"}
    assert drawn == [example for example in every if example in drawn], "file order"
    assert drawn == examples(tuned(tmp_path, "suite.max_validation=20"), "validation")
    more = examples(tuned(tmp_path, "suite.max_validation=30"), "validation")
    assert [example for example in more if example in drawn] == drawn
    assert len(examples(tuned(tmp_path, "suite.max_validation=20"), "test")) == 60
    assert examples(tuned(tmp_path, "suite.max_validation=60"), "validation") == every


def test_groups_travel_and_a_cap_draws_them_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grouped = ("source.group=talk", "source.input=[text]")
    run = tuned(tmp_path, *grouped, talks=6)
    every = examples(run, "validation")
    assert Counter(row.group for row in every) == {f"validation-{n}": 10 for n in range(6)}
    drawn = examples(tuned(tmp_path, *grouped, "suite.max_validation=25", talks=6), "validation")
    assert sorted(Counter(row.group for row in drawn).values()) == [10, 10]
    assert drawn == [example for example in every if example in drawn], "file order"
    small = examples(tuned(tmp_path, *grouped, "suite.max_validation=7", talks=6), "validation")
    assert len(small) == 7
    rendered = run.read(RenderStage()).file("validation").read_text()
    assert "talk" not in rendered, "a tuning job is known by what models see"
