"""An experiment with one given text in every place that data, models or users can fill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.records import Checkpoint, CurvePoint, TuningResult
from runner.records.advice import Advised, DataProfile, EarlierSetting, Recommendation
from runner.records.experiments import ExperimentResult, Verdict
from runner.records.results import ArmResult, CheckpointScores, Difference, Score, Scores

Split = ("train", "validation", "test")


def scores(text: str, split: str) -> Scores:
    one = Score(value=0.5, low=0.4, high=0.6, n=3, signature=text)
    label = dict.fromkeys(("f1", "precision", "recall"), one)
    return Scores(
        split=split,
        rows=3,
        unanswered={"blocked": 1},
        overall={text: one, f"json_field/{text}": one},
        slices={f"kind={text}": {text: one}, f"label={text}": label},
    )


def rows(text: str) -> list[dict[str, Any]]:
    row = {
        "id": text,
        "prompt": text,
        "target": text,
        "references": [text],
        "text": text,
        "extracted": text,
        "error": "",
        "finish": "length",
        "slices": {text: text},
        "scores": {text: 1.0},
    }
    return [row, {**row, "id": f"{text} 2", "error": text}, {**row, "id": f"{text} 3"}]


def dump(path: Path, rows: list[dict[str, Any]]) -> None:
    """ASCII, so that lone surrogates can be written at all."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="ascii")


def folders(text: str, folder: Path) -> dict[str, str]:
    made = {name: folder / name for name in ("prepare", "render")}
    origin = {"file": text, "line": 3}
    dropped = {
        "id": text,
        "split": text,
        "step": text,
        "reason": text,
        "origin": origin,
        "matched": text,
        "matched_origin": origin,
        "method": text,
        "score": 0.9,
        "span": text,
    }
    leak = {**dropped, "reason": "leak_test"}
    conflict = {**dropped, "reason": f"conflict {text}"}
    fault = {"file": text, "line": 1, "rule": text, "message": text, "field": text}
    tally = {"step": text, "split": text, "in": 3, "kept": 2}
    tally |= {"dropped": {text: 1}, "changed": {text: 2}}
    turn = {"role": "user", "text": text}
    example = {"id": text, "contents": [turn], "target": text, "origin": origin, "system": text}
    labelled = [{**example, "slices": {text: text}}] * 3
    told = {"notes": [text], "leakage": {text: 2}}
    told["conflicts"] = [{"text": text, "rows": [{"file": text, "line": 1, "target": text}]}]
    for place in made.values():
        place.mkdir(parents=True, exist_ok=True)
        dump(place / "dropped.jsonl", [dropped, leak, conflict])
        dump(place / "faults.jsonl", [fault])
        (place / "tally.json").write_text(json.dumps([tally]), encoding="ascii")
        (place / "summary.json").write_text(json.dumps(told), encoding="ascii")
        for split in Split:
            dump(place / f"{split}.jsonl", labelled)
    return {name: str(place) for name, place in made.items()}


def tuned(text: str, made: dict[str, str], predictions: str) -> ArmResult:
    points = [CurvePoint(n, s, 1.0 / s, 0) for n in CURVES for s in (1, 2)]
    return ArmResult(
        digest="t",
        name=f"{text} tuned",
        kind="tuned",
        status="done",
        varying={text: text},
        config={"seed": text, text: {text: [text, 1, None, 0.5]}},
        model=text,
        train_examples=3,
        tuning=TuningResult(
            checkpoints=(Checkpoint(text, 1.0, 2, text, 0.5),),
            curves=tuple(points),
            train_examples=3,
            train_tokens=30,
            seconds=1.0,
            resolved={text: text},
        ),
        checkpoints=[
            CheckpointScores(
                id=text,
                epoch=1.0,
                step=2,
                eval_loss=0.5,
                path=text,
                validation=scores(text, "validation"),
            )
        ],
        best=text,
        validation=scores(text, "validation"),
        test=scores(text, "test"),
        predictions={"test": predictions},
        artifacts=made,
        seconds={text: 1.0},
        reused=[text],
    )


CURVES = [
    f"{split}_{name}"
    for split in ("train", "eval")
    for name in ("total_loss", "fraction_of_correct_next_step_preds")
]


def advised(text: str) -> Advised:
    """Hyperparameters by a rule of somebody's, beside what an experiment of theirs found."""
    rule = Recommendation(text, 3, 1.0, 8, 10, text, text, text, text, text)
    profile = DataProfile(3, 9, 9, 9, 8, 10, text, {text: 1}, text, text)
    before = EarlierSetting(text, text, text, 3, 3, 1.0, 8, text, 0.5, text, 2, 1)
    return Advised(profile, rule, {text: 3}, text, (rule,), (before,), 1)


def experiment(text: str, folder: Path) -> ExperimentResult:
    """`text` must not be empty; an empty text would leave out what is optional."""
    made = folders(text, folder)
    dump(folder / "rows.jsonl", rows(text))
    predictions = str(folder / "rows.jsonl")
    arm = tuned(text, made, predictions).model_copy(update={"advised": advised(text)})
    baseline = ArmResult(
        digest="b",
        name=f"{text} base",
        kind="zero_shot",
        status="done",
        test=scores(text, "test"),
        predictions={"test": predictions},
        artifacts=made,
    )
    failed = ArmResult(
        digest="f",
        name=f"{text} failed",
        kind="tuned",
        status="failed",
        varying={text: text},
        error=f"E {text}",
        traceback=text,
        log=text,
    )
    difference = Difference(
        arm="t", against="b", metric=text, value=0.1, low=0.05, high=0.2, p=0.01, p_holm=0.02,
        n=3, discordant=1, clear=True,
    )  # fmt: skip
    return ExperimentResult(
        name=text,
        digest=text,
        question=text,
        file=text,
        command=text,
        primary=text,
        arms=[baseline, arm, failed],
        differences=[difference],
        verdict=Verdict(headline=text, winner="t", reasons=[text]),
        home=text,
        versions={text: text, "git": text},
        started_ms=1000,
        ended_ms=2000,
    )
