"""A price worked out by hand, to the cent: `sft plan` on gemini-3.1-flash-lite.

Texts have fixed lengths, so their tokens can be counted here: at least a fifth, at most a third
of their characters, rounded up. Prices (US dollars per million tokens): tuning 3.00, prompts 0.25,
answers 1.50, tuned ones times 1.5, and times 1.1 at most for the place.

    one row     system 499, line break 1, mail 3,500: 4,000 characters    800 to 1,334 tokens
                answer 300 characters                                      60 to   100 tokens
                all of it, high with 8 of padding                         860 to 1,442 tokens
    tuning      1,000 rows x 3 epochs         2,580,000 to 4,326,000 tokens    7.74 to 12.978
    validation  100 rows x 3 epochs                   0 to   432,600 tokens    0    to  1.2978
    checkpoints 3 x 100 rows
      prompts   240,000 to 400,200 tokens at 0.375 (high: 0.4125)          0.09   to 0.1650825
      answers    18,000 to  38,400 tokens at 2.25  (high: 2.475)           0.0405 to 0.09504
    test        200 rows
      prompts   160,000 to 266,800 tokens                                  0.06   to 0.110055
      answers    12,000 to  25,600 tokens (max_tokens 128)                 0.027  to 0.06336
    zero-shot   the same 200 rows, untuned: 0.04 + 0.018 to 0.0667 + 0.0384
    3-shot      499 + 1 + 3 x (3,500 + 1 + 300 + 1) + 3,500 = 15,406 characters a prompt:
                3,082 to 5,136 tokens x 200 rows = 616,400 to 1,027,200: 0.1541 to 0.2568,
                and the same answers
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from tests.acceptance.tiny import sft
from tests.money.conftest import PAID, Shop

YAML = """\
# @package _global_
defaults:
  - override /suite: classification
  - override /tracking: none
  - override /prepare/split: given
  - override /prepare/clean: none
  - override /prepare/dedup: none
source: {{train: train.csv, validation: validation.csv, test: test.csv, input: [mail], target: to}}
prepare: {{leakage: {{exact: false, fuzzy: false}}}}
template: {{name: plain, system: {system}, prompt: "{{{{ mail }}}}"}}
suite: {{generation: {{max_tokens: 128}}}}
tuning: {{epochs: 3}}
baseline: {{few_shot: [3]}}
"""

ZERO_SHOT, FEW_SHOT, TUNED = (0.058, 0.1051), (0.1721, 0.2952), (7.9575, 14.7093375)
ZERO_SHOT_CHOOSES, FEW_SHOT_CHOOSES = (0.029, 0.05255), (0.08605, 0.1476)
"""Validation has half as many rows as test."""


def text(length: int, rng: random.Random) -> str:
    """Letters and single blanks, no blank at either end."""
    letters = "".join(rng.choices("abcdefghij", k=length))
    return "".join(
        " " if at % 7 == 3 and at < length - 1 else letter for at, letter in enumerate(letters)
    )


@pytest.fixture
def planned(shop: Shop) -> Path:
    rng = random.Random(5)
    for split, rows in {"train": 1000, "validation": 100, "test": 200}.items():
        with (shop.folder / f"{split}.csv").open("w", newline="") as out:
            table = csv.writer(out)
            table.writerow(["mail", "to"])
            table.writerows([text(3500, rng), text(300, rng)] for _ in range(rows))
    (shop.folder / "tiny.yaml").write_text(YAML.format(system=text(499, rng)))
    return shop.folder


def money(band: dict[str, float]) -> tuple[float, float]:
    return band["low"], band["high"]


def test_every_part_is_as_worked_out_by_hand(planned: Path) -> None:
    said = sft(planned, "plan", "tiny.yaml", *PAID, "--json")
    assert said.returncode == 0, said.stderr
    plan = json.loads(said.stdout)
    arms = [arm["price"] for arm in plan["arms"]]
    parts = {
        (arm["name"], part["what"]): (money(part["tokens"]), money(part["usd"]))
        for arm in plan["arms"]
        for part in arm["price"]["parts"]
    }
    expected = {
        ("zero-shot", "test"): ((172_000, 292_400), ZERO_SHOT),
        ("zero-shot", "validation"): ((86_000, 146_200), ZERO_SHOT_CHOOSES),
        ("3-shot", "test"): ((628_400, 1_052_800), FEW_SHOT),
        ("3-shot", "validation"): ((314_200, 526_400), FEW_SHOT_CHOOSES),
        ("tuned", "tuning"): ((2_580_000, 4_326_000), (7.74, 12.978)),
        ("tuned", "validation rows, if billed"): ((0, 432_600), (0, 1.2978)),
        ("tuned", "validation"): ((258_000, 438_600), (0.1305, 0.2601225)),
        ("tuned", "test"): ((172_000, 292_400), (0.087, 0.173415)),
    }
    assert parts.keys() == expected.keys()
    for name, (tokens, dollars) in expected.items():
        assert parts[name][0] == tokens, name
        assert parts[name][1] == pytest.approx(dollars, abs=1e-9), name
    totals = (0.087, 0.15765), (0.25815, 0.4428), TUNED
    for price, total in zip(arms, totals, strict=True):
        assert money(price["total"]) == pytest.approx(total, abs=1e-9)
    assert money(plan["price"]) == pytest.approx((8.30265, 15.3097875), abs=1e-9)
    assert (plan["choosing"]["untuned"], plan["choosing"]["answers"]) == (2, 200)
    assert money(plan["choosing"]["usd"]) == pytest.approx((0.11505, 0.20015), abs=1e-9)
    assert money(arms[-1]["groups"]["train"]) == pytest.approx((7.74, 14.2758), abs=1e-9)


def test_the_table_says_the_same(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    told = sft(planned, "plan", "tiny.yaml", *PAID, "budget=small")
    said = told.stdout
    lines = [line.split() for line in said.splitlines()]
    assert ["tuned", "7.74-14.28", "-", "0.22-0.43", "7.96-14.71"] in lines
    assert ["total", "7.74-14.28", "0.35-0.60", "0.22-0.43", "8.30-15.31"] in lines
    assert "budget.experiment: 20 USD, 0.00 USD of it gone" in said
    assert "2 untuned arms answer validation as well, 200 rows (0.1150-0.2001 USD)" in told.stderr
    told = sft(planned, "plan", "tiny.yaml", *PAID, "baseline.chosen_on=test")
    lines = [line.split() for line in told.stdout.splitlines()]
    assert ["total", "7.74-14.28", "0.23-0.40", "0.22-0.43", "8.19-15.11"] in lines
    assert "untuned arms answer" not in told.stderr


def test_epochs_left_to_the_service_are_a_wide_band(planned: Path) -> None:
    words = (*PAID, "tuning.epochs=null", "tuning.max_epochs=12")
    plan = json.loads(sft(planned, "plan", "tiny.yaml", *words, "--json").stdout)
    parts = {part["what"]: part for part in plan["arms"][-1]["price"]["parts"]}
    assert money(parts["tuning"]["tokens"]) == (860_000, 12 * 1_442_000)
    # One checkpoint at least; ten of twelve epochs and the last one at most.
    assert money(parts["validation"]["tokens"]) == (86_000, 11 * 100 * (1334 + 128))


def test_nothing_is_priced_on_this_machine(shop: Shop) -> None:
    said = sft(shop.folder, "plan", "tiny.yaml")
    assert said.returncode == 0, said.stderr
    assert "USD" not in said.stdout
    assert "budget" not in said.stdout
    plan = json.loads(sft(shop.folder, "plan", "tiny.yaml", "--json").stdout)
    assert "price" not in plan
    assert not any("price" in arm for arm in plan["arms"])


def test_what_is_done_costs_nothing(shop: Shop) -> None:
    shop.run()
    plan = json.loads(sft(shop.folder, "plan", "tiny.yaml", *PAID, "--json").stdout)
    assert [arm["price"]["parts"] for arm in plan["arms"]] == [[], [], []]
    assert plan["spent"]["experiment"] == pytest.approx(12.0, abs=0.2)
    again = sft(shop.folder, "plan", "tiny.yaml", *PAID, "suite.generation.max_tokens=9", "--json")
    left = [arm["price"]["groups"] for arm in json.loads(again.stdout)["arms"]]
    assert ["train" in groups for groups in left] == [False] * 3, "jobs are found again"
    assert ["evaluation" in groups for groups in left] == [False, True, True]
