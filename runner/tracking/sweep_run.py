"""The experiment as the parent MLflow run: what it asked, what came out, which arm won."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from runner.results import ArmResult, ExperimentResult
from runner.tracking.arm_run import REHEARSAL
from runner.tracking.facts import Measure, Places, RunFacts, RunState, Table
from runner.tracking.measures import baseline_difference, seconds, shown, trained_tokens
from runner.tracking.names import MAX_NAME, key, value
from runner.tracking.sweep_note import ranked, sweep_note


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
    }
    return {name: text for name, text in tags.items() if text}


def sweep_run(
    result: ExperimentResult, report: Path | None, pages: Mapping[str, Path], places: Places
) -> RunFacts:
    """The whole parent run of an experiment that nobody works on any more."""
    return RunFacts(
        name=sweep_name(result),
        state=_state(result),
        start_ms=result.started_ms,
        end_ms=_end(result),
        tags=sweep_tags(result) | {"mlflow.note.content": sweep_note(result, places)},
        params={key(f"version.{name}"): value(text) for name, text in result.versions.items()},
        measures=tuple(_measures(result)),
        tables={"leaderboard.json": _leaderboard(result)},
        files=_files(report, pages),
    )


def _state(result: ExperimentResult) -> RunState:
    states = {arm.status for arm in result.arms}
    if states & {"pending", "running", "incomplete"}:
        return "KILLED"
    return "FAILED" if states == {"failed"} else "FINISHED"


def _end(result: ExperimentResult) -> int:
    ended = [arm.ended_ms for arm in result.arms if arm.ended_ms]
    return result.ended_ms or max(ended, default=result.started_ms)


def _measures(result: ExperimentResult) -> Iterator[Measure]:
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
    if best := _best(result):
        numbers |= _best_numbers(result, best)
    for name, number in numbers.items():
        if math.isfinite(number):
            yield Measure(key(name), shown(number), 0, end)


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


def _leaderboard(result: ExperimentResult) -> Table:
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
    return Table(("arm", "status", *scores, "rows", "error"), tuple(rows))


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
