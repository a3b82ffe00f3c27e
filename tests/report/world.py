"""A made-up experiment with the look of a real one: customer mail to a JSON record, two untuned
arms, three tuned ones with three checkpoints each, one that failed. Answers are drawn from a
seeded generator; they are scored and compared by the real evaluation."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

from runner.config import Suite
from runner.evaluation import score
from runner.records import (
    Checkpoint,
    CurvePoint,
    Dropped,
    Example,
    Origin,
    Prediction,
    Row,
    Tally,
    TuningResult,
    Turn,
    write_jsonl,
    write_rows,
)
from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult, CheckpointScores, Scores
from runner.verdict.baseline_choice import choose_baselines
from runner.verdict.row_lists import with_row_lists
from runner.verdict.verdict import differences, verdict

DATA = Path(__file__).resolve().parents[2] / "experiments" / "data" / "triage"
SYSTEM = (
    "Triage the mail. Answer with JSON: intent (refund, delivery, defect, billing, account or "
    "question), product, urgency (low, normal or high)."
)
SUITE = Suite.model_validate(
    {
        "name": "json_record",
        "metrics": [{"kind": "exact_match"}, {"kind": "json_fields"}, {"kind": "token_f1"}],
        "primary": "exact_match",
        "extract": {"kind": "json"},
        "bootstrap": {"samples": 400},
    }
)
STARTED = 1_793_700_000_000
INTENTS = ("refund", "delivery", "defect", "billing", "account", "question")
URGENCIES = ("low", "normal", "high")


def mails(split: str) -> list[Example]:
    """The repository's own triage rows as rendered examples; lines that are no row left out."""
    examples = []
    for number, line in enumerate((DATA / f"{split}.jsonl").read_bytes().splitlines(), 1):
        try:
            raw = json.loads(line)
            record = json.dumps(raw["record"], separators=(",", ":"))
            examples.append(
                Example(
                    id=raw["id"],
                    contents=(Turn("user", raw["message"]),),
                    target=record,
                    origin=Origin(str(DATA / f"{split}.jsonl"), number),
                    system=SYSTEM,
                    slices={k: raw[k] for k in ("phrasing", "product_kind") if k in raw},
                )
            )
        except (ValueError, KeyError):
            continue
    return examples


def answered(example: Example, skill: float, draw: random.Random) -> Prediction:
    """An answer that is right in each field with a chance that `skill` sets."""
    if draw.random() > 0.25 + skill:
        text = draw.choice(["I am sorry to hear that! Could you tell me more?", '{"intent": "ref'])
        finish: Any = "length" if text.endswith("ref") else "stop"
        return Prediction(example.id, text, finish=finish, prompt_tokens=88, output_tokens=48)
    record = json.loads(example.target)
    hard = 0.12 if "unseen" in example.slices.values() else 0.0
    if draw.random() > skill + 0.1 - hard:
        record["intent"] = draw.choice(INTENTS)
    if draw.random() > skill + 0.2 - hard:
        record["urgency"] = draw.choice(URGENCIES)
    if draw.random() > skill + 0.15 - hard:
        record["product"] = draw.choice(["parcel", "order", "none", record["product"] + " set"])
    return Prediction(example.id, json.dumps(record, separators=(",", ":")))


def scored(
    folder: Path, name: str, split: str, skill: float, suite: Suite = SUITE
) -> tuple[Scores, Path]:
    """Scores of made-up answers and the file with their rows."""
    draw = random.Random(f"{name} {split} {skill}")
    examples = mails(split)
    answers = [answered(example, skill, draw) for example in examples]
    if skill < 0.3:
        answers[5] = Prediction(
            examples[5].id, "", "the answer was withheld: SAFETY", "error", cause="blocked"
        )
    scores, rows = score(examples, answers, suite, split, seed=17)
    path = folder / f"{name}_{split}_{skill:g}.jsonl"
    write_rows(path, rows)
    return scores, path


def config(**changed: Any) -> dict[str, Any]:
    """A resolved config, in short."""
    return {
        "name": "quickstart",
        "seed": 17,
        "template": {"name": "triage", "system": SYSTEM, "prompt": "{{ message }}"},
        "model": {"kind": "wheel", "name": "SmolLM2 135M Instruct"},
        "tuning": {"epochs": 3, "learning_rate_multiplier": 1.0, "adapter_size": 8, **changed},
        "suite": SUITE.model_dump(mode="json"),
    }


def curves(rows: int, rate: float, draw: random.Random) -> tuple[CurvePoint, ...]:
    """Losses that fall, with the noise of small batches; validation rises again in the end."""
    steps = max(3, rows * 3 // 8)
    points = []
    for step in range(1, steps + 1):
        done = step / steps
        train = 0.25 + 2.6 * math.exp(-4.5 * rate * done) + draw.gauss(0, 0.06)
        epoch, at = 3 * done, STARTED + step * 1500
        points.append(CurvePoint("train_total_loss", step, train, at, epoch))
        share = 1 - train / 4
        name = "train_fraction_of_correct_next_step_preds"
        points.append(CurvePoint(name, step, share, at, epoch))
        points.append(CurvePoint("train_num_predictions", step, 180, at, epoch))
        if step % max(1, steps // 6) == 0:
            loss = 0.42 + 2.3 * math.exp(-4.2 * rate * done) + 0.25 * rate * max(0.0, done - 0.7)
            points.append(CurvePoint("eval_total_loss", step, loss, at, epoch))
            name = "eval_fraction_of_correct_next_step_preds"
            points.append(CurvePoint(name, step, 1 - loss / 4, at, epoch))
    return tuple(points)


def untuned(folder: Path, shots: int, skill: float, made: dict[str, str]) -> ArmResult:
    name = f"{shots}-shot" if shots else "zero-shot"
    scores, path = scored(folder, name, "test", skill)
    on_validation, chosen_by = scored(folder, name, "validation", skill)
    return ArmResult(
        digest=f"b{shots}" * 12,
        name=name,
        kind="few_shot" if shots else "zero_shot",
        shots=shots,
        status="done",
        config=config(),
        model="SmolLM2 135M Instruct",
        train_examples=shots,
        validation=on_validation,
        test=scores,
        predictions={"test": str(path), "validation": str(chosen_by)},
        artifacts=made,
        seconds={"prepare": 2.1, "render": 0.8, "predict": 18.2 + 9 * shots, "score": 0.7},
        reused=["prepare", "render"] if shots else [],
        started_ms=STARTED,
        ended_ms=STARTED + 20_000,
    )


def tuned(
    folder: Path, rows: int, rate: float, skills: tuple[float, ...], made: dict[str, str]
) -> ArmResult:
    name = f"{rows} rows · lr {rate:g}"
    points = curves(rows, rate, random.Random(name))
    checkpoints, per_epoch = [], rows // 8
    for number, skill in enumerate(skills, 1):
        on_validation, _ = scored(folder, name, "validation", skill)
        losses = [p.value for p in points if p.name == "eval_total_loss"]
        checkpoints.append(
            CheckpointScores(
                id=str(number),
                epoch=float(number),
                step=per_epoch * number,
                eval_loss=losses[min(2 * number - 1, len(losses) - 1)],
                path=f"checkpoints/{number}",
                validation=on_validation,
            )
        )
    best = max(checkpoints, key=lambda item: item.validation.overall["exact_match"].value)
    test, path = scored(folder, name, "test", skills[int(best.id) - 1])
    return ArmResult(
        digest=f"t{rows}{rate:g}".replace(".", "").ljust(24, "0"),
        name=name,
        kind="tuned",
        status="done",
        varying={
            "prepare.select.size": str(rows),
            "tuning.learning_rate_multiplier": f"{rate:g}",
        },
        config=config(learning_rate_multiplier=rate),
        model="SmolLM2 135M Instruct",
        train_examples=rows,
        tuning=TuningResult(
            checkpoints=tuple(
                Checkpoint(c.id, c.epoch, c.step, c.path, c.eval_loss) for c in checkpoints
            ),
            curves=points,
            train_examples=rows,
            train_tokens=rows * 96,
            seconds=rows * 0.55,
            resolved={"learning_rate": 2e-4 * rate, "batch_size": 8, "lora_rank": 8},
        ),
        checkpoints=checkpoints,
        best=best.id,
        validation=best.validation,
        test=test,
        predictions={"test": str(path)},
        artifacts={**made, "tune": f"store/tune/{name}"},
        seconds={
            "prepare": 2.1,
            "render": 0.8,
            "tune": rows * 0.55,
            "predict": 16.4,
            "score": 0.7,
        },
        reused=["prepare"],
        started_ms=STARTED + 60_000,
        ended_ms=STARTED + 220_000,
    )


def failed(made: dict[str, str]) -> ArmResult:
    return ArmResult(
        digest="f" * 24,
        name="240 rows · lr 40",
        kind="tuned",
        status="failed",
        varying={"prepare.select.size": "240", "tuning.learning_rate_multiplier": "40"},
        config=config(learning_rate_multiplier=40),
        artifacts=made,
        seconds={"prepare": 2.1, "render": 0.8},
        reused=["prepare", "render"],
        error="the loss became nan at step 7; a learning rate of 0.008 is too high for this "
        "model\n  log: runs/logs/ffffffffffffffffffffffff.log",
        traceback="Traceback (most recent call last):\n  ...\nBackendError: the loss became nan",
        exit_code=1,
        log="runs/logs/ffffffffffffffffffffffff.log",
    )


def prepared(folder: Path) -> dict[str, str]:
    """Prepared and rendered artifact folders as prepare leaves them, planted faults found."""
    rows, out = folder / "prepare" / ("a1" * 12), folder / "render" / ("c3" * 12)
    rows.mkdir(parents=True)
    out.mkdir(parents=True)
    tokens = {}
    for split in ("train", "validation", "test"):
        examples = mails(split)[:302]
        write_jsonl(rows / f"{split}.jsonl", (_row(example).to_json() for example in examples))
        write_jsonl(out / f"{split}.jsonl", (example.to_json() for example in examples))
        here = len(examples)
        tokens[split] = {"exact": 96 * here, "low": 80 * here, "high": 120 * here}
    write_jsonl(rows / "dropped.jsonl", (item.to_json() for item in losses()))
    write_jsonl(rows / "faults.jsonl", faults())
    tallies = [tally.to_json() for tally in counts()]
    (rows / "tally.json").write_text(json.dumps(tallies[:-1]), encoding="utf-8")
    (out / "tally.json").write_text(json.dumps(tallies[-1:]), encoding="utf-8")
    (rows / "summary.json").write_text("{}", encoding="utf-8")
    (out / "summary.json").write_text(json.dumps({"tokens": tokens}), encoding="utf-8")
    return {"prepare": str(rows), "render": str(out)}


def _row(example: Example) -> Row:
    fields = {"message": example.prompt}
    return Row(example.id, fields, example.target, example.origin, slices=example.slices)


def losses() -> list[Dropped]:
    train, test = str(DATA / "train.jsonl"), str(DATA / "test.jsonl")

    def lost(line: int, step: str, reason: str, other: str = "", **more: Any) -> Dropped:
        at = Origin(test if other.startswith("e") else train, int(other[1:])) if other else None
        return Dropped(f"t{line:03}", "train", step, reason, Origin(train, line), other, at, **more)

    span = "please change the address for the rice cooker asap, the van is out today"
    return [
        lost(23, "read", "bad_json", span='{"id": "t023", "message": "The zip of'),
        lost(44, "read", "missing_column"),
        lost(79, "read", "bad_encoding", span="caf\\xe9"),
        lost(112, "read", "empty_input"),
        lost(171, "read", "empty_target"),
        lost(286, "read", "duplicate_id", "t038"),
        *(
            lost(line, "dedup", "exact_duplicate", other, method="exact", score=1.0, span=span)
            for line, other in ((97, "t007"), (184, "t020"), (271, "t199"))
        ),
        lost(158, "dedup", "near_duplicate", "t081", method="minhash", score=0.86, span=span),
        lost(249, "dedup", "conflict", "t194", method="normalised", score=1.0, span=span),
        lost(61, "leakage", "leak_test", "e030", method="exact", score=1.0, span=span),
        lost(222, "leakage", "leak_test", "e068", method="normalised", score=1.0, span=span),
    ]


def faults() -> list[dict[str, Any]]:
    file = str(DATA / "train.jsonl")
    listed = [
        (23, "bad_json", "Unterminated string starting at column 28", ""),
        (44, "missing_column", "there is no column 'message'", "message"),
        (79, "bad_encoding", "byte 0xe9 is not valid utf-8", ""),
        (112, "empty_input", "nothing in the inputs: message", "message"),
        (171, "empty_target", "there is no answer", "record"),
        (286, "duplicate_id", "the key 't038' stands in line 38 as well", "id"),
    ]
    keys = ("file", "line", "rule", "message", "field")
    return [dict(zip(keys, (file, *item), strict=True)) for item in listed]


def counts() -> list[Tally]:
    by_step = {step: Counter(d.reason for d in losses() if d.step == step) for step in STEPS}
    tallies, left = [], 318
    for step in STEPS:
        gone = by_step[step]
        changed = Counter(unicode=3, whitespace=12) if step == "clean" else Counter[str]()
        tallies.append(Tally(step, "train", left, left - gone.total(), gone, changed))
        left -= gone.total()
    tallies[-1:-1] = [Tally("read", "validation", 40, 40), Tally("read", "test", 80, 80)]
    return tallies


STEPS = ("read", "clean", "dedup", "split", "leakage", "template")


def experiment(folder: Path) -> ExperimentResult:
    """The whole experiment, its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = prepared(folder)
    arms = [
        untuned(folder, 0, 0.12, made),
        untuned(folder, 3, 0.42, made),
        tuned(folder, 80, 1.0, (0.45, 0.62, 0.66), made),
        tuned(folder, 240, 1.0, (0.62, 0.74, 0.76), made),
        tuned(folder, 240, 3.0, (0.70, 0.84, 0.79), made),
        failed(made),
    ]
    choices = choose_baselines(arms, SUITE, 17, "validation")
    found = differences(arms, choices, SUITE, 17)
    result = ExperimentResult(
        name="quickstart",
        digest="0123456789abcdef01234567",
        question="Can a 135M model learn to triage customer mail, and are 80 examples enough?",
        file="experiments/quickstart.yaml",
        command="sft run experiments/quickstart.yaml",
        primary="exact_match",
        arms=arms,
        baselines=choices,
        differences=found,
        verdict=verdict(arms, found, SUITE, choices=choices),
        home="runs",
        versions={"sft-runner": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "git": "152ad48"},
        started_ms=STARTED,
        ended_ms=STARTED + 431_000,
    )
    return with_row_lists(result, SUITE, 17, folder / "reports")
