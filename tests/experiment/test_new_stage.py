"""A stage that is added to the tuple, and to nothing else: priced, refused, run, found again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import BudgetError
from runner.experiment.asking import AskingStage
from runner.experiment.console import Console
from runner.experiment.plan import PlannedArm, plan
from runner.experiment.predict_stage import PredictStage
from runner.experiment.render_stage import examples
from runner.experiment.run import RunOutcome, Sweep, assemble, run
from runner.experiment.stage import AnswerSet, AnswerStage, ArmRun, Stage
from runner.experiment.stages import STAGES
from runner.money import MILLION, Band, Rates
from runner.records import Generation, Prediction, Request, Turn
from tests.acceptance.tiny import write
from tests.compose.composing import compose_text
from tests.money.conftest import PAID, Shop, shop  # noqa: F401
from tests.money.paid import OUTPUT_TOKENS, PROMPT_TOKENS

ROWS = 12
CALL = (PROMPT_TOKENS * 0.25 + OUTPUT_TOKENS * 1.50) / 1e6
"""US dollars of a call of the untuned gemini-3.1-flash-lite."""


@dataclass(frozen=True)
class Courtesy(AskingStage, AnswerStage[list[Prediction]]):
    """Whether each answer to a test row is one that a customer could be sent."""

    answers: AnswerSet
    name = "courtesy"

    @staticmethod
    def version() -> str:
        return "1"

    @classmethod
    def about(cls, run: ArmRun, answers: AnswerSet) -> Iterable[Stage[Any]]:
        return (cls(answers),) if answers.split == "test" else ()

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        return (PredictStage(self.answers),)

    def requests(self, run: ArmRun) -> list[Request]:
        answered = run.read(PredictStage(self.answers))
        return [asked(answer.id, answer.text) for answer in answered if not answer.error]

    def expected(self, run: ArmRun) -> list[Request]:
        return [asked(row.id, row.target) for row in examples(run, self.answers.split)]

    def generation(self, run: ArmRun) -> Generation:
        return Generation(max_tokens=4)


def asked(row: str, answer: str) -> Request:
    prompt = f"Could a customer be sent this? Say yes or no.\n\nAnswer {row}: {answer}"
    return Request(row, (Turn("user", prompt),))


@dataclass(frozen=True)
class DearCourtesy(Courtesy):
    """The same by a model with prices of its own, whatever the arm's costs."""

    name = "dear_courtesy"

    @classmethod
    def may_cost(cls, experiment: Any) -> bool:
        return True

    def rates(self, run: ArmRun) -> Rates:
        return Band(1.0, 1.0) * (2.0 / MILLION), Band(1.0, 1.0) * (10.0 / MILLION)


def sweep(shop: Shop, *overrides: str, stage: type[Stage[Any]] = Courtesy) -> Sweep:  # noqa: F811
    text = shop.yaml.read_text()
    composition = compose_text(shop.folder, text, *PAID, *overrides, file="tiny.yaml")
    stages = (*STAGES, stage)
    file, console = composition.file, Console(silent=True)
    return assemble(composition.points, file, "sft run", console, stages)


def planned(of: Sweep) -> list[PlannedArm]:
    return plan(of, Console(silent=True))


def ran(of: Sweep) -> RunOutcome:
    return run(of, Console(silent=True))


def test_a_plan_lists_and_prices_it(shop: Shop) -> None:  # noqa: F811
    for line in planned(sweep(shop)):
        assert line.stages["courtesy"] == "new"
        assert line.price is not None
        (part,) = [part for part in line.price.parts if part.what == "courtesy"]
        assert part.group == "evaluation"
        assert part.usd is not None
        assert 0 < part.usd.low < part.usd.high
        # Four tokens an answer at most, and prompts of some twenty.
        assert part.usd.high < ROWS * (40 * 0.25 + 4 * 1.50) / 1e6
    assert shop.bought() == {"jobs": [], "calls": []}


def test_a_budget_that_was_enough_without_it_refuses_it(shop: Shop) -> None:  # noqa: F811
    lines = planned(sweep(shop))
    prices = [line.price.usd.high for line in lines if line.price and line.price.usd]
    without = sum(prices) - sum(
        part.usd.high
        for line in lines
        if line.price
        for part in line.price.parts
        if part.what == "courtesy" and part.usd
    )
    with pytest.raises(BudgetError, match=r"budget\.experiment=.* may cost up to"):
        ran(sweep(shop, f"budget.experiment={without:.6f}"))
    assert shop.bought() == {"jobs": [], "calls": []}


def test_it_is_run_once_paid_on_record_and_found_again(shop: Shop) -> None:  # noqa: F811
    result = ran(sweep(shop)).result
    assert [arm.status for arm in result.arms] == ["done"] * 3
    for arm in result.arms:
        (item,) = [item for item in arm.spent if item.what == "courtesy"]
        assert item.usd == pytest.approx(ROWS * CALL)
        folder = Path(arm.artifacts["courtesy"])
        lines = (folder / "predictions.jsonl").read_text().splitlines()
        assert len(lines) == ROWS
        assert json.loads((folder / "artifact.json").read_text())["stage"] == "courtesy"
    bought = shop.bought()
    assert ran(sweep(shop)).fresh is False
    # Another suite: other arms, which find everything that does not depend on it.
    other = ("suite.metrics=[{kind: exact_match}]", "suite.primary=exact_match")
    again = sweep(shop, *other)
    assert {line.stages["courtesy"] for line in planned(again)} == {"done"}
    for arm in ran(again).result.arms:
        assert "courtesy" in arm.reused
        assert "score" not in arm.reused
    assert shop.bought() == bought


def test_a_killed_runner_asks_for_the_rest(shop: Shop) -> None:  # noqa: F811
    first = ran(sweep(shop)).result
    folder = Path(first.arms[0].artifacts["courtesy"])
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    bought, again = shop.bought(), ran(sweep(shop, "suite.bootstrap.samples=300")).result
    assert shop.bought() == bought, "every answer was kept when it came"
    assert "courtesy" not in again.arms[0].reused


def test_arms_without_it_stay_what_they_were(shop: Shop) -> None:  # noqa: F811
    with_it, without = sweep(shop), shop.sweep()
    assert {arm.digest for arm in with_it.arms}.isdisjoint(arm.digest for arm in without.arms)
    without = shop.run().result
    spent = {item.label for arm in without.arms for item in arm.spent}
    found = ran(sweep(shop)).result
    assert {"predict", "score"} <= set(found.arms[0].reused)
    assert spent < {item.label for arm in found.arms for item in arm.spent}


def test_a_model_with_prices_of_its_own_costs_where_the_arm_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = write(tmp_path, sizes=[8], shots="[]").read_text()
    composition = compose_text(tmp_path, text, "budget.arm=0.000001", file="tiny.yaml")
    stages = (*STAGES, DearCourtesy)
    free = assemble(composition.points, composition.file, "", Console(silent=True), stages)
    for line in planned(free):
        assert line.price is not None
        assert [part.what for part in line.price.parts] == ["dear_courtesy"]
    with pytest.raises(BudgetError, match=r"budget\.arm=1e-06"):
        ran(free)
