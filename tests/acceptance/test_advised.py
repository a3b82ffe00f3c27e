"""Recommended hyperparameters from a YAML to real training on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.tiny import sft, write


def test_auto_trains_with_the_rules_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, sizes=[16], shots="[]")
    text = path.read_text().replace("tuning:\n  epochs: 2\n", "")
    grid = "    prepare.select.size: [16]\n"
    assert grid in text
    text = text.replace(grid, "    tuning.epochs: [1, recommended]\n")
    path.write_text(text.replace("name: tiny", "tuning: {adapter_size: recommended}\nname: tiny"))
    done = sft(tmp_path, "run", "tiny.yaml", "--json")
    assert done.returncode == 0, done.stderr
    _, one, advised = json.loads(done.stdout)["arms"]
    assert [arm["name"] for arm in (one, advised)] == ["epochs 1", "epochs 2"]
    assert advised["advised"]["recommendation"]["rule"] == "tiny_random"
    assert advised["advised"]["taken"] == {"epochs": 2, "adapter_size": 8}
    # Tokens were counted by the model's own tokenizer, and it was trained for so many epochs.
    profile = advised["advised"]["profile"]
    assert profile["least_mean"] == profile["mean_tokens"] == profile["most_mean"]
    assert [item["epoch"] for item in advised["checkpoints"]] == [1, 2]
    assert [item["epoch"] for item in one["checkpoints"]] == [1]
