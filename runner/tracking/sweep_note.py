"""The parent run's description: question, verdict, leaderboard with links, how to run again."""

from __future__ import annotations

import math

from runner.results import ArmResult, ExperimentResult, Score
from runner.tracking.arm_note import code, fence, interval, lost
from runner.tracking.facts import Places
from runner.tracking.links import run_page, view_page
from runner.tracking.measures import baseline_difference
from runner.tracking.names import MAX_TAG
from runner.tracking.tables import cell, markdown
from runner.tracking.views import VIEWS

MAX_ROWS = 20
MAX_ERROR = 160


def sweep_note(result: ExperimentResult, places: Places) -> str:
    """The story of the experiment in one screen of Markdown."""
    parts = [f"*{cell(result.question)}*"] if result.question else []
    parts += _verdict(result)
    parts.append(_table(result, places))
    failed = [arm for arm in result.arms if arm.status in ("failed", "incomplete")]
    parts += [
        f"**{arm.status.capitalize()}: {code(arm.name)}** {code(arm.error[:MAX_ERROR])}"
        for arm in failed[:MAX_ROWS]
    ]
    parts.append(_links(places))
    if result.command:
        parts.append(f"Run it again:\n\n{fence(result.command)}")
    return _fit(parts)


def experiment_note(result: ExperimentResult, places: Places) -> str:
    """What stands above the table of runs: the question; folded below it, the verdict."""
    headline = result.verdict.headline if result.verdict else ""
    lines = [
        cell(result.question) or f"Experiment {code(result.name)}",
        f"**{cell(headline)}**" if headline else "",
        f"[The whole experiment]({run_page(places.experiment, places.parent)})",
    ]
    return "\n\n".join(line for line in lines if line)


def ranked(result: ExperimentResult) -> list[tuple[ArmResult, Score | None]]:
    """Arms by the primary metric on test, best first; those without a score last."""
    pairs = [(arm, _primary(result, arm)) for arm in result.arms]
    return sorted(pairs, key=_rank)


def _rank(pair: tuple[ArmResult, Score | None]) -> float:
    score = pair[1]
    return -score.scale.gain(score.value) if score else math.inf


def _primary(result: ExperimentResult, arm: ArmResult) -> Score | None:
    score = arm.test.overall.get(result.primary) if arm.test else None
    return score if score and math.isfinite(score.value) else None


def _verdict(result: ExperimentResult) -> list[str]:
    if result.verdict is None:
        return ["**No verdict yet.** Run the same command again to go on."]
    reasons = "\n".join(f"- {cell(reason)}" for reason in result.verdict.reasons)
    return [f"### {cell(result.verdict.headline)}", *([reasons] if reasons else [])]


def _table(result: ExperimentResult, places: Places) -> str:
    rows = []
    for arm, score in ranked(result)[:MAX_ROWS]:
        run = places.arms.get(arm.digest, "")
        name = cell(arm.name).replace("[", "(").replace("]", ")")
        found = baseline_difference(result, arm)
        rows.append(
            (
                f"[{name}]({run_page(places.experiment, run)})" if run else name,
                f"{interval(score)}{lost(arm)}" if score else arm.status,
                f"{found.value:+.3f}" if found else "",
                str(arm.train_examples) if arm.kind == "tuned" else "",
            )
        )
    lower = "" if result.scale.higher_is_better else ", lower is better"
    heads = ("Arm", f"{result.primary} on test{lower}", "over baseline", "rows")
    # MLflow gives table cells no room of their own.
    return markdown([f"{head}&nbsp;&nbsp;&nbsp;" for head in heads], rows)


def _links(places: Places) -> str:
    pages = [(view.name, view_page(places.experiment, view.key, view.mode)) for view in VIEWS] + [
        ("Report", run_page(places.experiment, places.parent, "report.html"))
    ]
    return " · ".join(f"[{name}]({page})" for name, page in pages)


def _fit(parts: list[str]) -> str:
    """Whole parts as long as they fit: half a table or an open fence would spoil the rest."""
    kept: list[str] = []
    room = MAX_TAG
    for part in parts:
        if len(part) + 2 <= room:
            kept.append(part)
            room -= len(part) + 2
    return "\n\n".join(kept)
