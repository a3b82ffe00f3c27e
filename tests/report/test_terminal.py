"""The leaderboard in the terminal: complete where there is room, whole where there is little."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.report import leaderboard
from runner.report.terminal import print_leaderboard, print_verdict


def printed(result: ExperimentResult, width: int, *, colours: bool = False) -> str:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=colours, highlight=False)
    print_leaderboard(result, console)
    print_verdict(result, console)
    return out.getvalue()


def test_everything_about_an_arm_stands_on_one_line(result: ExperimentResult) -> None:
    lines = leaderboard(result).splitlines()
    arm = result.arms[4]
    (line,) = [line for line in lines if line.strip().startswith(arm.name)]
    assert arm.test
    assert arm.validation
    score, validation = arm.test.overall["exact_match"], arm.validation.overall["exact_match"]
    difference = next(item for item in result.differences if item.arm == arm.digest)
    for words in (
        "(winner)",
        "tuned",
        "240",
        "2 of 3",
        f"{validation.value:.3f} [{validation.low:.3f}, {validation.high:.3f}]",
        f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]",
        f"{difference.value:+.3f} [{difference.low:.3f}, {difference.high:.3f}]",
        "<0.001",
        "2m32s",
        "done",
    ):
        assert words in line


def test_the_best_arm_is_first_and_failures_are_last(result: ExperimentResult) -> None:
    text = leaderboard(result)
    order = ["240 rows · lr 3", "240 rows · lr 1", "3-shot", "zero-shot", "240 rows · lr 40"]
    places = [text.index(name) for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [20, 40, 60, 71, 72, 80, 100, 124, 125, 140, 200])
def test_no_table_line_is_wider_than_the_terminal(result: ExperimentResult, width: int) -> None:
    text = printed(result, width).split("240 rows · lr 40 failed:")[0]
    assert all(cell_len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("width", [50, 80, 140])
def test_scores_and_names_are_whole_at_usual_widths(result: ExperimentResult, width: int) -> None:
    text = printed(result, width)
    assert "…" not in text
    for arm in result.arms:
        if arm.test:
            assert f"{arm.test.overall['exact_match'].value:.3f}" in text
        for word in arm.name.split():
            assert word in text


def test_failed_arms_are_red_with_their_error(result: ExperimentResult) -> None:
    text = printed(result, 140, colours=True)
    assert re.search(r"\x1b\[31m240 rows · lr 40 failed: the loss became nan at step 7", text)
    assert "runs/logs/ffffffffffffffffffffffff.log" in text


def test_the_verdict_is_printed_with_its_reasons(result: ExperimentResult) -> None:
    text = printed(result, 200)
    assert result.verdict
    assert result.verdict.headline in text
    assert all(reason in text for reason in result.verdict.reasons)


def test_markup_in_names_stays_text(result: ExperimentResult) -> None:
    arm = result.arms[0].model_copy(update={"name": "[red]x[/] [link=file:///]y[/link]"})
    text = leaderboard(result.model_copy(update={"arms": [arm, *result.arms[1:]]}))
    assert "[red]x[/]" in text


def test_an_experiment_that_has_not_started(result: ExperimentResult) -> None:
    arms = [
        ArmResult(digest="a", name="zero-shot", kind="zero_shot"),
        ArmResult(digest="b", name="80 rows", kind="tuned", status="running"),
    ]
    text = printed(ExperimentResult(name="new", digest="0", arms=arms), 80)
    assert "pending" in text
    assert "running" in text
    assert "verdict" not in text
