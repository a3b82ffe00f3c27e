"""The experiment as the parent MLflow run: what it asked, what came out, which arm won."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from runner.base.text import plural
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, Score
from runner.tracking.arm_run import (
    REHEARSAL,
    cell,
    code,
    fence,
    findings_tag,
    interval,
    lost,
    markdown,
)
from runner.tracking.facts import (
    MAX_NAME,
    MAX_TAG,
    LoggedMetric,
    RunFacts,
    RunIds,
    RunState,
    TableArtifact,
    baseline_difference,
    key,
    seconds,
    shown,
    trained_tokens,
    value,
)
from runner.tracking.row_tables import counts_table, rows_sentence, rows_table
from runner.tracking.ui import run_page, view_page
from runner.tracking.views import VIEWS


def sweep_name(result: ExperimentResult) -> str:
    """``triage 2026-11-22``: the day the experiment began, in UTC."""
    day = datetime.fromtimestamp(result.started_ms / 1000, UTC)
    return f"{result.name} {day:%Y-%m-%d}"[:MAX_NAME]


def sweep_tags(result: ExperimentResult) -> dict[str, str]:
    """What identifies the parent run, and where it came from."""
    tags = {
        "run.kind": "sweep",
        "sweep.id": result.digest,
        "sweep.primary": result.primary,
        "mlflow.source.name": Path(result.file).name if result.file else "",
        "mlflow.source.git.commit": result.versions.get("git", ""),
        "command": value(result.command),
        "rehearsal": REHEARSAL if result.rehearsal else "",
        **_baseline(result),
        "test.looks": value(" ".join(each.count for each in result.looks)),
        "test.seal": value(" ".join(each.seal for each in result.looks if each.seal)),
    }
    return {name: text for name, text in tags.items() if text}


def _baseline(result: ExperimentResult) -> dict[str, str]:
    """The untuned arm to beat and the split that chose it."""
    names = {arm.digest: arm.name for arm in result.arms}
    return {
        "baseline": value(", ".join(names[each.arm] for each in result.baselines)),
        "baseline.chosen_on": ", ".join(dict.fromkeys(each.split for each in result.baselines)),
    }


def sweep_run(
    result: ExperimentResult, report: Path | None, pages: Mapping[str, Path], places: RunIds
) -> RunFacts:
    """The whole parent run of an experiment that nobody works on any more."""
    return RunFacts(
        name=sweep_name(result),
        state=_state(result),
        start_ms=result.started_ms,
        end_ms=_end(result),
        tags=sweep_tags(result)
        | findings_tag(result, result.findings.focus if result.findings else "")
        | {"mlflow.note.content": sweep_note(result, places)},
        params={key(f"version.{name}"): value(text) for name, text in result.versions.items()},
        measures=tuple(_measures(result)),
        tables={"leaderboard.json": _leaderboard(result), **_recipes(result), **_rows(result)},
        files=_files(report, pages),
        texts={"findings.json": result.findings.model_dump_json(indent=1)}
        if result.findings
        else {},
    )


def _state(result: ExperimentResult) -> RunState:
    states = {arm.status for arm in result.arms} - {"skipped"}
    if states & {"pending", "running", "incomplete"}:
        return "KILLED"
    return "FAILED" if states == {"failed"} else "FINISHED"


def _end(result: ExperimentResult) -> int:
    ended = [arm.ended_ms for arm in result.arms if arm.ended_ms]
    return result.ended_ms or max(ended, default=result.started_ms)


def _measures(result: ExperimentResult) -> Iterator[LoggedMetric]:
    end = _end(result)
    numbers: dict[str, float] = {
        "arms/done": sum(arm.status == "done" for arm in result.arms),
        "arms/failed": sum(arm.status == "failed" for arm in result.arms),
        "arms/incomplete": sum(arm.status == "incomplete" for arm in result.arms),
        "cost/seconds": sum(seconds(arm) for arm in result.arms),
        "cost/train_tokens": sum(trained_tokens(arm) or 0 for arm in result.arms),
    }
    if (usd := result.usd) is not None:
        numbers["cost/usd"] = usd
    if result.spread and (mean := result.recipes[0].test):
        deviation = result.recipes[0].deviation
        numbers |= {"recipe/mean": mean.value, "recipe/low": mean.low, "recipe/high": mean.high}
        numbers |= {"recipe/deviation": deviation}
    if best := _best(result):
        numbers |= _best_numbers(result, best)
    for name, number in numbers.items():
        if math.isfinite(number):
            yield LoggedMetric(key(name), shown(number), 0, end)


def _best(result: ExperimentResult) -> ArmResult | None:
    """The winner of the verdict, else the arm with the best primary metric on test."""
    winner = result.verdict.winner if result.verdict else ""
    scored = [arm for arm, score in ranked(result) if score is not None]
    return next((arm for arm in scored if arm.digest == winner), next(iter(scored), None))


def _best_numbers(result: ExperimentResult, best: ArmResult) -> dict[str, float]:
    numbers = {}
    for name, score in (best.test.overall if best.test else {}).items():
        numbers[f"best/{name}"] = score.value
        if name == result.primary:
            numbers |= {f"best/{name}_low": score.low, f"best/{name}_high": score.high}
    if best.test:
        numbers["best/unanswered"] = best.test.share_unanswered
    if found := baseline_difference(result, best):
        numbers |= {"best/gain": found.value, "best/gain_p_holm": float(f"{found.p_holm:.3g}")}
    return numbers


def _leaderboard(result: ExperimentResult) -> TableArtifact:
    rows = []
    for arm, score in ranked(result):
        found = baseline_difference(result, arm)
        rows.append(
            (
                arm.name,
                arm.status,
                _cell(score.value if score else None),
                _cell(score.low if score else None),
                _cell(score.high if score else None),
                _cell(found.value if found else None),
                _cell(arm.test.share_unanswered if arm.test else None),
                arm.train_examples if arm.kind == "tuned" else None,
                arm.error,
            )
        )
    scores = (result.primary, "low", "high", "over baseline", "unanswered")
    return TableArtifact(("arm", "status", *scores, "rows", "error"), tuple(rows))


def _rows(result: ExperimentResult) -> dict[str, TableArtifact]:
    """All comparisons by rows, and the rows that the winner changes, or else the arm that people
    look at first."""
    found = {
        "row_changes.json": counts_table(result),
        "changed_rows.json": rows_table(result, result.leading),
    }
    return {name: table for name, table in found.items() if table}


def _recipes(result: ExperimentResult) -> dict[str, TableArtifact]:
    """Means of recipes and what is decided about them; nothing without replicates."""
    if not result.spread:
        return {}
    untuned = {item.arm: item for item in result.recipe_differences if not item.runs[1]}
    rivals = {item.against: item for item in result.recipe_differences if item.runs[1]}
    rows = []
    for each in result.recipes:
        bar, best = untuned.get(each.digest), rivals.get(each.digest)
        rows.append(
            (
                each.name,
                len(each.arms),
                _cell(each.test.value if each.test else None),
                _cell(each.test.low if each.test else None),
                _cell(each.test.high if each.test else None),
                _cell(each.deviation),
                _cell(bar.value if bar else None),
                (bar.outcome or "") if bar else "",
                _cell(best.value if best else None),
                (best.outcome or "") if best else "",
                each.digest in result.tied,
                result.arm(each.shipped).name,
            )
        )
    scores = ("replicates", result.primary, "low", "high", "deviation")
    decided = ("over baseline", "decided", "best over it", "best is", "tied for best", "shipped")
    return {"recipes.json": TableArtifact(("recipe", *scores, *decided), tuple(rows))}


def _cell(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else shown(number)


def _files(report: Path | None, pages: Mapping[str, Path]) -> dict[str, Path]:
    files = {f"pages/{_file_name(name, path)}": path for name, path in pages.items()}
    if report is not None:
        files["report.html"] = report
    return {name: path for name, path in files.items() if path.is_file()}


def _file_name(name: str, path: Path) -> str:
    safe = "".join(char if char.isalnum() or char in "-_. " else "_" for char in name)
    safe = safe.strip(". ") or "page"
    return safe if safe.endswith(path.suffix) else f"{safe}{path.suffix}"


# The parent run's description: question, verdict, leaderboard with links, how to run again.

MAX_ROWS = 20
MAX_NEXT = 5
MAX_ERROR = 160


def sweep_note(result: ExperimentResult, places: RunIds) -> str:
    """The story of the experiment in one screen of Markdown."""
    parts = [f"*{cell(result.question)}*"] if result.question else []
    parts += _verdict(result)
    parts += [
        f"**{cell(said)}**" if each.worn else cell(said)
        for each in result.looks
        if (said := " ".join(each.said))
    ]
    parts += _next(result)
    parts.append(_table(result, places))
    if line := rows_sentence(result, result.leading):
        parts.append(f"{code(result.arm(result.leading).name)}: {line}")
    if skipped := sum(arm.status == "skipped" for arm in result.arms):
        parts.append(
            f"{plural(skipped, 'replicate')} skipped: by one run each on validation, no chance to "
            "win any more. There is no run of what was not run."
        )
    failed = [arm for arm in result.arms if arm.status in ("failed", "incomplete")]
    parts += [
        f"**{arm.status.capitalize()}: {code(arm.name)}** {code(arm.error[:MAX_ERROR])}"
        for arm in failed[:MAX_ROWS]
    ]
    parts.append(_links(places))
    if result.command:
        parts.append(f"Run it again:\n\n{fence(result.command)}")
    return _fit(parts)


def experiment_note(result: ExperimentResult, places: RunIds) -> str:
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
    run = [arm for arm in result.arms if arm.status != "skipped"]
    pairs = [(arm, _primary(result, arm)) for arm in run]
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


def _next(result: ExperimentResult) -> list[str]:
    """The findings of the arm that would be shipped, in short."""
    if result.findings is None:
        return []
    own = [each for each in result.findings.found if each.arm == result.findings.focus]
    lines = [
        f"- {code(each.title)} ({each.severity}): {code(each.evidence)}" for each in own[:MAX_NEXT]
    ]
    return ["#### What to do next\n\n" + "\n".join(lines)] if lines else []


def _table(result: ExperimentResult, places: RunIds) -> str:
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


def _links(places: RunIds) -> str:
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
