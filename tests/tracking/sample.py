"""A realistic finished experiment on disk: two baselines and three tuned arms of three
checkpoints each, with curves, forty answers an arm and the artifact folders they come from."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.records import Checkpoint, CurvePoint, TuningResult, write_jsonl
from runner.records.experiments import ExperimentResult, Verdict
from runner.records.results import ArmResult, CheckpointScores, Difference, Score, Scores

START = 1_795_000_000_000
"""2026-11-18 in Unix milliseconds."""
ROWS = 40
EPOCHS = 3
WORDS = [
    "parcel",
    "late",
    "refund",
    "screen",
    "broken",
    "lamp",
    "charged",
    "twice",
    "cannot",
    "log",
    "in",
    "wrong",
    "colour",
]


def experiment(home: Path, rows: int = ROWS, **changes: Any) -> ExperimentResult:
    """The finished experiment, tested on `rows` rows; its files are written below `home`."""
    baselines = [_untuned(home, 0, 0.05, rows), _untuned(home, 3, 0.35, rows)]
    tuned = [
        _tuned(home, 80, 1.0, 0.60, baselines[1], rows),
        _tuned(home, 240, 1.0, 0.775, baselines[1], rows),
        _tuned(home, 240, 1.5, 0.80, baselines[1], rows),
    ]
    best = max(tuned, key=lambda arm: arm.test.overall["exact_match"].value if arm.test else 0)
    return ExperimentResult(
        **{
            "name": "triage",
            "digest": digest_of("triage sample"),
            "question": "Does tuning on 80 or 240 rows beat three worked examples in the prompt?",
            "file": "experiments/quickstart.yaml",
            "command": "sft run experiments/quickstart.yaml",
            "primary": "exact_match",
            "arms": [*baselines, *tuned],
            "differences": [_difference(arm, baselines[1]) for arm in tuned],
            "verdict": Verdict(
                headline=f"{best.name} wins: 0.450 above 3-shot (95% interval 0.300 to 0.600).",
                winner=best.digest,
                reasons=["The other arm on 240 rows is tied with it.", "80 rows is clearly worse."],
            ),
            "home": str(home),
            "versions": {"sft-runner": "0.1.0", "torch": "2.13.0"},
            "started_ms": START,
            "ended_ms": START + 400_000,
            **changes,
        }
    )


def failed_arm(arm: ArmResult, error: str) -> ArmResult:
    """The same arm, had it failed."""
    keep = {"digest", "name", "kind", "shots", "varying", "config", "model", "started_ms"}
    known = arm.model_dump(include=keep)
    ended = arm.started_ms + 5_000
    trace = f"Traceback (most recent call last):\nValueError: {error}"
    return ArmResult(**known, status="failed", error=error, traceback=trace, ended_ms=ended)


def pending_arm(arm: ArmResult) -> ArmResult:
    """The same arm before anything happened to it."""
    keep = {"digest", "name", "kind", "shots", "varying", "config", "model"}
    return ArmResult(**arm.model_dump(include=keep))


def with_arms(result: ExperimentResult, arms: list[ArmResult]) -> ExperimentResult:
    return result.model_copy(update={"arms": arms})


def _config(rows: int | None, multiplier: float) -> dict[str, Any]:
    return {
        "name": "triage",
        "seed": 17,
        "source": {"kind": "files", "train": "train.jsonl", "test": "test.jsonl"},
        "prepare": {"select": {"size": rows}},
        "template": {"name": "triage_json", "prompt": "{{ input }}"},
        "model": {"kind": "wheel", "name": "smollm2-135m"},
        "tuning": {
            "epochs": EPOCHS,
            "learning_rate_multiplier": multiplier,
            "adapter_size": 8,
        },
    }


def _untuned(home: Path, shots: int, right: float, tested: int) -> ArmResult:
    digest = digest_of(["untuned", shots])
    rows = _answers(digest, right, tested)
    return ArmResult(
        digest=digest,
        name=f"{shots}-shot" if shots else "zero-shot",
        kind="few_shot" if shots else "zero_shot",
        shots=shots,
        status="done",
        config=_config(None, 1.0),
        model="smollm2-135m",
        train_examples=shots,
        test=_scores("test", rows),
        predictions={"test": _written(home, digest, "test", rows)},
        artifacts=_artifacts(home, 240),
        seconds={"prepare": 0.4, "render": 0.3, "predict": 21.0 + 9 * shots, "score": 0.2},
        started_ms=START + 1_000,
        ended_ms=START + 30_000 + 9_000 * shots,
    )


def _tuned(
    home: Path, rows: int, multiplier: float, right: float, baseline: ArmResult, tested: int
) -> ArmResult:
    digest = digest_of(["tuned", rows, multiplier])
    began = START + 60_000 + rows * 200 + round(multiplier * 1_000)
    tuning = _tuning(rows, multiplier, began)
    test = _answers(digest, right, tested)
    validation = _answers(digest + "v", right + 0.05, tested)
    checkpoints = [
        CheckpointScores(
            id=item.id,
            epoch=item.epoch,
            step=item.step,
            eval_loss=item.eval_loss,
            path=item.path,
            validation=_scores(
                "validation", _answers(f"{digest}{item.id}", right - 0.1 + n / 10, tested)
            ),
        )
        for n, item in enumerate(tuning.checkpoints)
    ]
    return ArmResult(
        digest=digest,
        name=f"{rows} rows · lr {multiplier:g}",
        kind="tuned",
        status="done",
        varying={
            "prepare.select.size": str(rows),
            "tuning.learning_rate_multiplier": f"{multiplier:g}",
        },
        config=_config(rows, multiplier),
        model="smollm2-135m",
        train_examples=rows,
        tuning=tuning,
        checkpoints=checkpoints,
        best="3",
        validation=_scores("validation", validation),
        test=_scores("test", test),
        baseline=baseline.digest,
        predictions={
            "test": _written(home, digest, "test", test),
            "validation": _written(home, digest, "validation", validation),
        },
        artifacts={**_artifacts(home, rows), "tune": str(home / "store" / "tune" / digest)},
        seconds={"prepare": 0.4, "render": 0.3, "tune": tuning.seconds, "predict": 11.0},
        started_ms=began,
        ended_ms=began + round(tuning.seconds * 1000) + 12_000,
    )


def _tuning(rows: int, multiplier: float, began: int) -> TuningResult:
    steps = rows // 8 * EPOCHS
    noise = random.Random(rows * multiplier)
    points = []
    for step in range(1, steps + 1):
        loss = 0.25 + 2.2 * math.exp(-3 * multiplier * step / 90) + noise.gauss(0, 0.04)
        points += _both(step, steps, "train", loss, began + step * 1_500)
    for epoch in range(1, EPOCHS + 1):
        step = steps * epoch // EPOCHS
        loss = 0.32 + 2.2 * math.exp(-3 * multiplier * step / 90)
        points += _both(step, steps, "eval", loss, began + step * 1_500 + 700)
    losses = {point.step: point.value for point in points if point.name == "eval_total_loss"}
    return TuningResult(
        checkpoints=tuple(
            Checkpoint(str(n), float(n), step, f"checkpoint-{step}", losses[step])
            for n, step in enumerate(sorted(losses), start=1)
        ),
        curves=tuple(points),
        train_examples=rows,
        train_tokens=rows * 96,
        seconds=steps * 1.5,
        resolved={"learning_rate": 2e-4 * multiplier},
    )


def _both(step: int, steps: int, side: str, loss: float, time_ms: int) -> list[CurvePoint]:
    epoch = EPOCHS * step / steps
    right = 1 / (1 + loss)
    return [
        CurvePoint(f"{side}_total_loss", step, loss, time_ms, epoch),
        CurvePoint(f"{side}_fraction_of_correct_next_step_preds", step, right, time_ms, epoch),
    ]


def _answers(seed: str, right: float, count: int) -> list[dict[str, Any]]:
    """Test rows that every arm shares, answered correctly with probability `right`."""
    inputs, luck = random.Random(1), random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        mail = " ".join(inputs.choices(WORDS, k=12))
        target = '{{"intent":"{}","urgent":{}}}'.format(
            inputs.choice(["refund", "delivery", "defect"]),
            inputs.choice(["true", "false"]),
        )
        hit = luck.random() < right
        rows.append(
            {
                "id": f"test-{number:03}",
                "prompt": f"Customer message: {mail}\nAnswer with JSON.",
                "target": target,
                "references": [target],
                "text": target if hit else target.replace("refund", "complaint")[:-1],
                "error": "",
                "slices": {"phrasing": "unseen" if number % 4 == 0 else "seen"},
                "scores": {"exact_match": float(hit), "json_valid": float(hit)},
            }
        )
    return rows


def _scores(split: str, rows: list[dict[str, Any]]) -> Scores:
    def overall(some: list[dict[str, Any]]) -> dict[str, Score]:
        return {name: _score([row["scores"][name] for row in some]) for name in rows[0]["scores"]}

    labels = sorted({row["slices"]["phrasing"] for row in rows})
    slices = {
        f"phrasing={label}": overall([r for r in rows if r["slices"]["phrasing"] == label])
        for label in labels
    }
    return Scores(split=split, rows=len(rows), overall=overall(rows), slices=slices)


def _score(values: list[float]) -> Score:
    mean = sum(values) / len(values)
    half = 1.96 * math.sqrt(mean * (1 - mean) / len(values))
    return Score(value=mean, low=max(0, mean - half), high=min(1, mean + half), n=len(values))


def _difference(arm: ArmResult, baseline: ArmResult) -> Difference:
    assert arm.test is not None
    assert baseline.test is not None
    gain = arm.test.overall["exact_match"].value - baseline.test.overall["exact_match"].value
    return Difference(
        arm=arm.digest,
        against=baseline.digest,
        metric="exact_match",
        value=gain,
        low=gain - 0.15,
        high=gain + 0.15,
        p=0.0004,
        p_holm=0.0012,
        n=ROWS,
        discordant=20,
        clear=True,
    )


def _artifacts(home: Path, rows: int) -> dict[str, str]:
    prepared, rendered = home / "store/prepare/one", home / f"store/render/{rows}"
    for folder in (prepared, rendered):
        folder.mkdir(parents=True, exist_ok=True)
        for split, count in (("train", rows), ("validation", 40), ("test", 40)):
            lines = [{"id": f"{split}-{n}", "target": "x"} for n in range(count)]
            write_jsonl(folder / f"{split}.jsonl", lines)
    return {"prepare": str(prepared), "render": str(rendered)}


def _written(home: Path, digest: str, split: str, rows: list[dict[str, Any]]) -> str:
    folder = home / "store" / "score" / f"{digest}-{split}"
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "rows.jsonl", rows)
    return str(folder / "rows.jsonl")
