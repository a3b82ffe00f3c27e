"""One arm as an MLflow run: its tags, params, datasets, checkpoints, tables and traces."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.base.text import plural
from runner.records import ScoredRow, read_rows
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, CheckpointScores, Score, in_groups
from runner.tracking.facts import (
    MAX_NAME,
    MAX_TAG,
    DatasetFact,
    ModelFact,
    RunFacts,
    RunIds,
    RunState,
    TableArtifact,
    TraceFact,
    arm_measures,
    baseline_difference,
    key,
    model_name,
    value,
)
from runner.tracking.row_tables import rows_sentence, rows_table
from runner.tracking.ui import run_page, view_page

MAX_TRACES, FEWEST_TRACES, ALL_TRACES = 40, 5, 400
"""Traces of an arm, at most and at least, and of all arms together: enough for people to judge
an arm by. Every answer stands in the table anyway."""

ENDED: Mapping[str, RunState] = {
    "done": "FINISHED",
    "failed": "FAILED",
}
"""States of arms that came to an end; any other was cut off when nobody works on it."""

REHEARSAL = "on the emulator: cost/usd is what it would have cost, nothing was paid"

NAMED = frozenset(
    [
        "model",
        "template",
        "tuning.epochs",
        "tuning.learning_rate_multiplier",
        "tuning.adapter_size",
    ]
)
"""Swept keys that have a short param name anyway, so that they keep one column."""


def arm_tags(result: ExperimentResult, arm: ArmResult, colour: str) -> dict[str, str]:
    """What identifies the run: it is found again by ``sweep.id`` and ``arm.digest``."""
    tags = {
        "run.kind": "tuning" if arm.kind == "tuned" else "baseline",
        "arm.kind": arm.kind,
        "arm.digest": arm.digest,
        "sweep.id": result.digest,
        **({"recipe": arm.recipe, "replicate": str(arm.replicate)} if arm.recipe else {}),
        "mlflow.runColor": colour,
    }
    if label := _job_label(arm):
        tags["job.label"] = label
    if arm.rehearsal:
        tags["rehearsal"] = REHEARSAL
    return tags


def arm_params(arm: ArmResult) -> dict[str, str]:
    """The varying keys and the few that identify an arm. Empty values are left out: MLflow
    would show the word None and stop treating the axis as a number."""
    config = arm.config
    params: dict[str, Any] = {
        "model": arm.model or _at(config, "model.name"),
        "template": _at(config, "template.name"),
    }
    if arm.kind == "tuned":
        params |= {
            "epochs": _at(config, "tuning.epochs"),
            "learning_rate_multiplier": _at(config, "tuning.learning_rate_multiplier"),
            "adapter_size": _at(config, "tuning.adapter_size"),
            "train_examples": arm.train_examples or None,
            "advice_rule": arm.advised.recommendation.rule if arm.advised else None,
        }
    else:
        params["shots"] = arm.shots
    params |= {name: text for name, text in arm.varying.items() if name not in NAMED}
    return {
        key(name): value(str(item))
        for name, item in params.items()
        if item is not None and str(item) not in ("", "None", "null")
    }


def arm_run(result: ExperimentResult, arm: ArmResult, colour: str, places: RunIds) -> RunFacts:
    """The whole run of an arm that nobody works on any more."""
    import yaml

    tables = {
        f"eval/{split}.json": predictions_table(read_rows(Path(file)))
        for split, file in sorted(arm.predictions.items())
        if Path(file).is_file()
    }
    if changed := rows_table(result, arm.digest):
        tables["eval/changed_rows.json"] = changed
    texts = {"config.yaml": yaml.safe_dump(arm.config, sort_keys=False, allow_unicode=True)}
    if arm.traceback:
        texts["traceback.txt"] = arm.traceback
    return RunFacts(
        name=arm.name[:MAX_NAME],
        state=ENDED.get(arm.status, "KILLED"),
        start_ms=arm.started_ms or result.started_ms,
        end_ms=arm.ended_ms or result.ended_ms or arm.started_ms or result.started_ms,
        tags=arm_tags(result, arm, colour)
        | findings_tag(result, arm.digest)
        | {
            "mlflow.parentRunId": places.parent,
            "mlflow.note.content": arm_note(result, arm, places),
        },
        params=arm_params(arm),
        measures=arm_measures(result, arm),
        datasets=arm_datasets(result, arm),
        models=tuple(_model(arm, item) for item in arm.checkpoints),
        traces=_traces(arm, len(result.arms)),
        texts=texts,
        tables=tables,
    )


def findings_tag(result: ExperimentResult, arm: str) -> dict[str, str]:
    """What was diagnosed in a tuned arm as one tag, so that there is nothing left of a finding that
    is gone: ``overfitting (severe), suboptimal (warning)``. It can be filtered by, with LIKE."""
    checks = [c for c in result.findings.checks if c.arm == arm] if result.findings else []
    if result.findings is None or not checks:
        return {}
    found = [f"{each.id} ({each.severity})" for each in result.findings.found if each.arm == arm]
    missed = sum(check.outcome == "not_looked_at" for check in checks)
    unseen = f" ({missed} of {len(checks)} not looked at)" if missed else ""
    return {"findings": value((", ".join(found) or "none") + unseen)}


def arm_datasets(result: ExperimentResult, arm: ArmResult) -> tuple[DatasetFact, ...]:
    """The splits the arm used, each with a digest of its rows. The test rows are named before
    templating, so that arms which differ in their template share them."""
    wanted = {
        "train": ("render", "prepare") if arm.kind == "tuned" else (),
        "validation": ("prepare", "render") if arm.checkpoints or arm.validation else (),
        "test": ("prepare", "render") if arm.test else (),
    }
    rows = {
        "train": arm.train_examples,
        "validation": arm.validation.rows if arm.validation else None,
        "test": arm.test.rows if arm.test else None,
    }
    found = []
    for split, stages in wanted.items():
        for stage in stages:
            file = Path(arm.artifacts.get(stage, "")) / f"{split}.jsonl"
            if stage in arm.artifacts and file.is_file():
                name = f"{result.name} {split}"
                found.append(DatasetFact(split, name, _digest(file), rows[split], str(file)))
                break
    return tuple(found)


def _model(arm: ArmResult, item: CheckpointScores) -> ModelFact:
    params = {**arm_params(arm), "epoch": f"{item.epoch:g}", "step": str(item.step)}
    return ModelFact(
        checkpoint=item.id,
        name=model_name(f"{arm.name} - epoch {item.epoch:g}"),
        params=params,
        tags={
            "checkpoint": item.id,
            "chosen": "yes" if item.id == arm.best else "no",
            "path": value(item.path),
        },
    )


def _traces(arm: ArmResult, arms: int) -> tuple[TraceFact, ...]:
    """The same rows in every arm, picked by a digest of their id, so that answers pair up."""
    count = max(FEWEST_TRACES, min(MAX_TRACES, ALL_TRACES // arms))
    file = Path(arm.predictions.get("test", ""))
    if "test" not in arm.predictions or not file.is_file():
        return ()
    rows = sorted(read_rows(file), key=lambda row: digest_of(row.id))[:count]
    return tuple(
        TraceFact(
            row=row.id,
            prompt=row.prompt,
            response=row.text,
            error=row.error,
            expected=row.target,
            scores=row.scores,
            slices=row.slices,
            time_ms=arm.ended_ms,
        )
        for row in rows
    )


def _job_label(arm: ArmResult) -> str:
    """The tuning job's label is the name of the artifact it left."""
    return Path(arm.artifacts["tune"]).name if "tune" in arm.artifacts else ""


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:24]


def _at(config: Mapping[str, Any], path: str) -> Any:
    found: Any = config
    for part in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


# What stands at the top of a run's page, as Markdown.

MAX_ERROR = 3000


def arm_note(result: ExperimentResult, arm: ArmResult, places: RunIds) -> str:
    """The arm's story: what it is, what it scored, against what, or why it failed."""
    parts = [_what(arm)]
    if arm.status in ("failed", "incomplete"):
        parts.append(_failure(arm))
    elif arm.status != "done":
        parts.append("**Not finished.** Run the same command again to resume.")
    if arm.sealed:
        parts.append(
            "Sealed: only the winner on validation and its baselines answer the test split."
        )
    if arm.test and result.primary in arm.test.overall:
        score = arm.test.overall[result.primary]
        parts.append(
            f"**{result.primary} on test: {interval(score)}** over {score.basis}{lost(arm)}."
        )
    parts += filter(None, [_difference(result, arm), rows_sentence(result, arm.digest)])
    parts += [cell(each.reason) for each in result.baselines if each.arm == arm.digest]
    if chosen := next((item for item in arm.checkpoints if item.id == arm.best), None):
        by = f"{result.primary} on validation"
        rules = {
            "tied": f"was chosen as the earliest that is tied with the best by {by}",
            "last": "was taken as the last",
        }
        rule = arm.config.get("suite", {}).get("checkpoint", "best")
        how = rules.get(rule, f"was chosen by {by}")
        parts.append(
            f"Checkpoint {chosen.id} of {len(arm.checkpoints)} (epoch {chosen.epoch:g}, step "
            f"{chosen.step}) {how}."
        )
    parts.append(_links(arm, places))
    return "\n\n".join(parts)[:MAX_TAG]


def interval(score: Score) -> str:
    """``0.812 (0.74 to 0.88)``, or the words for a score that is not defined."""
    if not math.isfinite(score.value):
        return "not defined"
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return f"{score.value:.3f}"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


def lost(arm: ArmResult) -> str:
    """``, 4 % unanswered: cut 4 %``; empty when every test row was answered."""
    found = arm.test.why_unanswered() if arm.test else ""
    return f", {found}" if found else ""


def _what(arm: ArmResult) -> str:
    if arm.kind == "tuned":
        return f"Tuned {code(arm.model)} on {plural(arm.train_examples, 'example')}."
    said = plural(arm.shots, "worked example") if arm.shots else "no worked examples"
    return f"Untuned {code(arm.model)} with {said} in the prompt."


def _difference(result: ExperimentResult, arm: ArmResult) -> str:
    found = baseline_difference(result, arm)
    if found is None:
        return ""
    other = next((item.name for item in result.arms if item.digest == found.against), "")
    what = next((f", {each.what}" for each in result.baselines if each.arm == found.against), "")
    return (
        f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) {found.metric} over "
        f"{code(other)}{what}; p = {found.p_holm:.3g} after Holm's correction, on "
        f"{in_groups(plural(found.n, 'paired row'), found.groups)}."
    )


def _failure(arm: ArmResult) -> str:
    """The error in a fence longer than any it contains: error texts are not to be trusted."""
    error = arm.error if len(arm.error) <= MAX_ERROR else arm.error[:MAX_ERROR] + " ..."
    log = f"\n\nLog: {code(arm.log)}" if arm.log else ""
    state = "Failed" if arm.status == "failed" else "Incomplete: the same command goes on"
    return f"**{state}.**\n\n{fence(error)}{log}"


def fence(text: str) -> str:
    """`text` as a code block, whatever back-ticks it holds."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}\n{text}\n{ticks}"


def code(text: str) -> str:
    """`text` as inline code, on one line."""
    return "`" + " ".join(text.split()).replace("`", "'") + "`"


def _links(arm: ArmResult, places: RunIds) -> str:
    links = [
        ("Leaderboard", view_page(places.experiment, "leaderboard")),
        ("The whole experiment", run_page(places.experiment, places.parent)),
        ("Report", run_page(places.experiment, places.parent, "report.html")),
    ]
    own = places.arms.get(arm.digest, "")
    links += [
        (f"Answers on {split}", run_page(places.experiment, own, f"eval/{split}.json"))
        for split in sorted(arm.predictions)
        if own
    ]
    return " · ".join(f"[{text}]({page})" for text, page in links)


# Tables as `mlflow.log_table` writes them, so that MLflow's pages line up the arms' answers.
#
# Written by ourselves because `log_table` appends to what is there, and a mirror must replace.

FIRST = ("id", "response", "target")
"""`id` lines rows up; MLflow preselects the first column after it for comparison."""


def predictions_table(rows: Iterable[ScoredRow]) -> TableArtifact:
    """One row an answer, sorted by id. A row without an answer shows its error instead."""
    flat = [_flat(row) for row in sorted(rows, key=lambda row: row.id)]
    columns = list(FIRST)
    for row in flat:
        columns += [name for name in row if name not in columns]
    return TableArtifact(
        tuple(columns), tuple(tuple(row.get(name) for name in columns) for row in flat)
    )


def _flat(row: ScoredRow) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": row.id,
        "response": f"[no answer: {row.error}]" if row.error else row.text,
        "target": row.target,
    }
    out |= {name: _number(score) for name, score in row.scores.items()}
    out |= {name: label for name, label in row.slices.items() if name not in out}
    if row.unanswered:
        out.setdefault("unanswered", row.unanswered)
    out["prompt"] = row.prompt
    if row.references:
        out["references"] = json.dumps(row.references, ensure_ascii=False)
    return out


def _number(score: Any) -> Any:
    """JSON has no nan: an undefined score is an empty cell."""
    return None if isinstance(score, float) and not math.isfinite(score) else score


def table_json(table: TableArtifact) -> str:
    """The table as pandas' ``split`` orientation, which MLflow's pages read."""
    return json.dumps(
        {"columns": list(table.columns), "data": [list(row) for row in table.rows]},
        ensure_ascii=False,
    )


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are flattened to one line and their pipes escaped."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
