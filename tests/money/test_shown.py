"""Where a user meets what was spent: report, terminal, status, MLflow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from runner.records.experiments import ExperimentResult
from runner.records.results import Spending
from runner.report import write_report
from runner.report.terminal import print_leaderboard
from runner.tracking.views import view_tags
from tests.acceptance.tiny import sft
from tests.money.conftest import Shop
from tests.tracking import sample
from tests.tracking.conftest import migrated, new_home, runs, sync  # noqa: F401
from tests.tracking.test_views import decoded

SHARED = "j-1"


def spending(label: str, what: str, usd: float | None, *, settled: bool = True) -> Spending:
    return Spending(
        label=label,
        what=what,
        experiment="e",
        arm="a",
        tokens=1000,
        usd=usd,
        ms=sample.START,
        settled=settled,
    )


def paid(result: ExperimentResult) -> ExperimentResult:
    """Two untuned arms, and three tuned ones of which two share their job."""
    arms = list(result.arms)
    for at, arm in enumerate(arms):
        items = [spending(f"p-{at}", "baseline test", 0.25)]
        if arm.kind == "tuned":
            job = SHARED if at < 4 else "j-2"
            items = [spending(job, "tuning", 6.0), spending(f"p-{at}", "test", 0.5)]
        arms[at] = arm.model_copy(update={"spent": items})
    return result.model_copy(update={"arms": arms})


@pytest.fixture
def result(tmp_path: Path) -> ExperimentResult:
    return paid(sample.experiment(tmp_path / "sample"))


def test_what_arms_share_is_paid_for_once(result: ExperimentResult) -> None:
    assert [arm.usd for arm in result.arms] == [0.25, 0.25, 6.5, 6.5, 6.5]
    assert result.usd == 2 * 0.25 + 2 * 6.0 + 3 * 0.5


def test_an_unknown_price_is_no_number(result: ExperimentResult) -> None:
    arm = result.arms[2]
    unknown = arm.model_copy(update={"spent": [*arm.spent, spending("x", "tuning", None)]})
    assert unknown.usd is None
    held = arm.model_copy(update={"spent": [spending("x", "tuning", 4.0, settled=False)]})
    assert held.usd is None, "held back is not spent"


def test_the_report_has_dollars_by_purpose(result: ExperimentResult, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(result, page)
    text = re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))
    text = " ".join(text.split())
    assert "14.00 US dollars, jobs and answers that arms share counted once" in text
    assert "Arm tuning baseline test test all of it" in text
    assert "6.00 – 0.5000 6.50" in text
    free = tmp_path / "free.html"
    write_report(sample.experiment(tmp_path / "other"), free)
    assert "US dollars" not in free.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [100, 160])
def test_the_leaderboard_has_a_column_of_dollars(result: ExperimentResult, width: int) -> None:
    out = StringIO()
    print_leaderboard(result, Console(file=out, width=width, color_system=None))
    assert "USD" in out.getvalue()
    assert out.getvalue().count("6.50") == 3
    free = StringIO()
    unpaid = [arm.model_copy(update={"spent": []}) for arm in result.arms]
    plain = result.model_copy(update={"arms": unpaid})
    print_leaderboard(plain, Console(file=free, width=width, color_system=None))
    assert "USD" not in free.getvalue()


def test_mlflow_has_dollars_on_arms_and_parent(
    new_home: Callable[[str], Path],  # noqa: F811
    result: ExperimentResult,
) -> None:
    home = new_home("home")
    sync(home, result)
    found = {name: run.data.metrics.get("cost/usd") for name, run in runs(home).items()}
    by_arm = {arm.name: arm.usd for arm in result.arms}
    assert {name: found.pop(name) for name in by_arm} == by_arm
    assert list(found.values()) == [14.0]


def test_the_view_of_cost_shows_dollars_first(result: ExperimentResult, tmp_path: Path) -> None:
    def across(of: ExperimentResult) -> list[str]:
        charts = decoded(view_tags(of, "")["mlflow.sharedViewState.cost"])["compareRunCharts"]
        return [chart["xaxis"]["key"] for chart in charts]

    assert across(result)[:2] == ["cost/usd", "cost/seconds"]
    assert across(sample.experiment(tmp_path / "free"))[0] == "cost/seconds"


def test_status_says_what_is_spent(shop: Shop) -> None:
    shop.run()
    said = sft(shop.folder, "status").stdout
    assert re.search(r"spent on tiny: 12\.\d\d USD", said)
    assert re.search(r"spent this month \(UTC\), all experiments: 12\.\d\d USD", said)
    assert "held back" not in said
    items = json.loads(sft(shop.folder, "status", "--json").stdout)["spent"]["items"]
    assert sorted({item["what"] for item in items}) == [
        "baseline test",
        "test",
        "tuning",
        "validation",
    ]


def test_a_refused_arm_says_what_to_type_and_shows_no_code(shop: Shop) -> None:
    result = shop.run("budget.experiment=7").result
    out = StringIO()
    print_leaderboard(result, Console(file=out, width=160, color_system=None))
    said = out.getvalue()
    assert "16 rows failed: budget.experiment=7 is used up: 12." in said
    assert "type: the same command with budget.experiment=18." in said
    assert "account.py" not in said
