"""`sft plan experiments/vertex_quickstart.yaml`, counted again from the rows that would be sent.

The rows are read from the Gemini JSONL that `sft check` writes; tokens are at least a fifth and
at most a third of the characters of a prompt (system instruction, line break, mail) and of an
answer, rounded up; a character that is not ASCII may be a token of its own. Prices are those of
gemini-3.1-flash-lite on 2026-09-27.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.tiny import sft
from tests.money.conftest import CHECKOUT

YAML = CHECKOUT / "experiments" / "vertex_quickstart.yaml"
TRAIN, INPUT, OUTPUT = 3.00e-6, 0.25e-6, 1.50e-6
TUNED, REGIONAL = 1.5, 1.1
EPOCHS, MAX_TOKENS = 3, 48
"""As the experiment has them."""


def sides(row: dict[str, Any]) -> tuple[str, str]:
    """Prompt and answer."""
    system = row["systemInstruction"]["parts"][0]["text"]
    user, model = (turn["parts"][0]["text"] for turn in row["contents"])
    return f"{system}\n{user}", model


def counted(file: str) -> list[tuple[str, str]]:
    return [sides(json.loads(line)) for line in Path(file).read_text().splitlines()]


def fewest(text: str) -> int:
    return math.ceil(len(text) / 5)


def most(text: str) -> int:
    letters = sum(character.isascii() for character in text)
    return math.ceil(letters / 3) + len(text) - letters


def test_the_plan_of_the_quickstart_is_right_to_the_cent(tmp_path: Path) -> None:
    # A port that nobody listens at: a plan needs no service.
    nobody = "backend.emulator=http://127.0.0.1:9"
    words = (str(YAML), f"paths.home={tmp_path / 'runs'}", nobody, "--json")
    checked = sft(tmp_path, "check", *words)
    assert checked.returncode == 0, checked.stderr
    treatments = json.loads(checked.stdout)["treatments"]
    planned = sft(tmp_path, "plan", *words)
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    tuned = [arm for arm in plan["arms"] if arm["kind"] == "tuned"]
    by_rows = {len(counted(item["gemini_train"])): item for item in treatments}
    assert {arm["train_rows"] for arm in tuned} == by_rows.keys()
    for arm in tuned:
        files = by_rows[arm["train_rows"]]
        train = counted(files["gemini_train"])
        validation = counted(files["gemini_validation"])
        low = EPOCHS * TRAIN * sum(fewest(p) + fewest(a) for p, a in train)
        high = EPOCHS * TRAIN * sum(most(p) + most(a) + 8 for p, a in [*train, *validation])
        found = arm["price"]["groups"]["train"]
        assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-9)
        (part,) = [part for part in arm["price"]["parts"] if part["what"] == "validation"]
        prompts = EPOCHS * sum(fewest(p) for p, _ in validation)
        answers = EPOCHS * sum(fewest(a) for _, a in validation)
        cheapest = TUNED * (INPUT * prompts + OUTPUT * answers)
        prompts = EPOCHS * sum(most(p) for p, _ in validation)
        answers = EPOCHS * len(validation) * MAX_TOKENS
        dearest = TUNED * REGIONAL * (INPUT * prompts + OUTPUT * answers)
        assert (part["usd"]["low"], part["usd"]["high"]) == pytest.approx((cheapest, dearest))
    rows = [row for row in plan["arms"] if row["name"].startswith("zero-shot")]
    (thinking,) = [arm for arm in rows if "default thinking" in arm["name"]]
    (quiet,) = [arm for arm in rows if arm is not thinking]
    calls = quiet["test_rows"] + quiet["validation_rows"]
    thought, least = (arm["price"]["groups"]["baseline"] for arm in (thinking, quiet))
    # The service may bill all that a call is allowed to say: 8,192 tokens of thoughts besides.
    assert thought["high"] - least["high"] == pytest.approx(calls * 8192 * OUTPUT, abs=1e-9)
    assert thought["low"] == pytest.approx(least["low"])
    assert (round(plan["price"]["low"], 2), round(plan["price"]["high"], 2)) == (0.22, 1.98)
