"""Chinese targets under a tokenizer that cannot read them: said by `check`, `plan` and `run`
before anything is tuned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.tiny import sft

ANSWERS = [
    "第三节课在下午开始",
    "北京大学在北京的西边",
    "黑豹队击败了丹佛野马队",
    "图书馆明天早上开门",
]
YAML = """\
# @package _global_
defaults:
  - override /model: tiny_random
  - override /suite: generation
  - override /tracking: none
name: chinese
source: {train: rows.jsonl, input: [text], target: label}
prepare:
  split: {validation: 4, test: 8}
suite:
  metrics:
    - {kind: sacrebleu, scores: [bleu], tokenize: 13a}
  generation: {max_tokens: 4}
tuning: {epochs: 1}
baseline: {few_shot: []}
"""


def experiment(folder: Path, end: str = "号") -> Path:
    rows = [
        {"text": f"question {number} of {answer}", "label": f"{answer}{number}{end}"}
        for number in range(6)
        for answer in ANSWERS
    ]
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    path = folder / "chinese.yaml"
    path.write_text(YAML, encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", ["check", "plan", "run"])
def test_an_unfit_tokenizer_is_refused_before_tuning(tmp_path: Path, verb: str) -> None:
    said = sft(tmp_path, verb, str(experiment(tmp_path)))
    assert said.returncode == 2, said.stdout + said.stderr
    told = " ".join((said.stdout + said.stderr).split())
    assert "bleu of the references against themselves is 0, not 100" in told
    assert "tokenizer 13a does not split the words" in told
    assert "tokenize: auto" in told
    assert "Traceback" not in said.stderr
    assert told.count("test: suite.metrics: bleu of") == 1  # and not once for each arm
    assert not list(tmp_path.rglob("store/tune/*"))


def test_the_tokenizer_for_the_script_is_taken_by_itself(tmp_path: Path) -> None:
    auto = "suite.metrics=[{kind: sacrebleu, scores: [bleu]}]"
    said = sft(tmp_path, "check", str(experiment(tmp_path)), auto, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    (found,) = json.loads(said.stdout)["treatments"]
    assert (found["suite_faults"], found["suite_warnings"]) == ([], [])


def test_an_unfit_tokenizer_that_reaches_its_best_is_warned_of(tmp_path: Path) -> None:
    """Blanks in the texts give it its four words in a row, though most of them are phrases."""
    yaml = experiment(tmp_path, end=" 号 楼 东 门")
    for verb in ("check", "plan"):
        said = sft(tmp_path, verb, str(yaml))
        assert said.returncode == 0, said.stdout + said.stderr
        told = " ".join((said.stdout + said.stderr).split())
        assert "tokenizer 13a does not split the words of" in told
