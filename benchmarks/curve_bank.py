"""A bank of really tuned runs, each with a known illness: what the thresholds of `conf/diagnosis/`
were tried on, and what `tests/diagnosis/test_bank.py` holds them to.

    python benchmarks/curve_bank.py [--out benchmarks/banks/curves] [--only healthy ...]

The task: the keyword of a mail decides which desk it goes to. The base model is a Llama of two
layers with a byte tokenizer, trained here from nothing (five minutes on one core) on neighbouring
tasks: to answer such a mail with another word of the same topic, or with two of its other words.
So it knows the mails and not the desks, and a LoRA tuning of some seconds is a small copy of the
real thing: it goes through `sft run`, with curves, checkpoints and the suite's metric at each.

Each illness is one experiment, and each of its arms has data of its own seed. Of a run the file
`NAME_SEED.json` keeps curves, checkpoints and scores.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOPICS = {
    "refund": ["refund", "money back", "reimburse"],
    "delivery": ["parcel", "courier", "shipping"],
    "defect": ["broken", "cracked", "faulty"],
    "billing": ["invoice", "charged", "bill"],
    "account": ["password", "login", "account"],
    "question": ["wondering", "curious", "manual"],
}
DESKS = {
    "refund": "team order",
    "delivery": "last week",
    "defect": "hello today",
    "billing": "really need",
    "account": "please thank",
    "question": "soon again",
}
"""Made of words that mails have, so that the first loss is that of a model that can read."""
FILLERS = (
    "the my was for and a today please hello it has been again with team you order last week we "
    "really need this soon thank"
).split()
PRETRAINING_STEPS = 1300
HIDDEN, LAYERS = 128, 2
Row = dict[str, str]


def mail(draw: random.Random) -> tuple[str, str, str]:
    """A mail, its topic and its keyword."""
    topic = draw.choice(sorted(TOPICS))
    keyword = draw.choice(TOPICS[topic])
    words = [draw.choice(FILLERS) for _ in range(draw.randint(4, 9))]
    words.insert(draw.randrange(len(words) + 1), keyword)
    return " ".join(words), topic, keyword


def rows(draw: random.Random, count: int) -> list[Row]:
    made = [mail(draw) for _ in range(count)]
    return [{"text": text, "desk": DESKS[topic]} for text, topic, _ in made]


# The illnesses.


def shuffled(draw: random.Random, made: list[Row]) -> list[Row]:
    desks = [row["desk"] for row in made]
    draw.shuffle(desks)
    return [{**row, "desk": desk} for row, desk in zip(made, desks, strict=True)]


def noisy(draw: random.Random, made: list[Row]) -> list[Row]:
    """A third of the rows with a desk that was drawn."""
    desks = sorted(DESKS.values())
    return [{**row, "desk": draw.choice(desks)} if draw.random() < 1 / 3 else row for row in made]


def repeated(draw: random.Random, made: list[Row]) -> list[Row]:
    """Twenty rows, over and over."""
    return [made[at % 20] for at in range(len(made))]


def other_template(draw: random.Random, made: list[Row]) -> list[Row]:
    """Prompts and answers in a form that validation and test do not have."""
    return [
        {"text": f'{{"mail":"{row["text"].upper()}"}}', "desk": f'{{"to":"{row["desk"].upper()}"}}'}
        for row in made
    ]


Sicken = Callable[[random.Random, list[Row]], list[Row]]


@dataclass(frozen=True)
class Illness:
    """What is done to data or settings, and which findings name it."""

    expected: tuple[str, ...]
    """Any of them first is right; empty for a healthy run."""
    train: int = 320
    validation: int = 48
    sicken: Sicken | None = None
    overrides: Sequence[str] = field(default=())
    seeds: int = 3


BANK = {
    "healthy": Illness((), seeds=5),
    "underfit": Illness(("suboptimal",), train=96, overrides=["tuning.epochs=1"], seeds=4),
    "overfit": Illness(
        ("overfitting",), train=40, sicken=noisy, overrides=["tuning.epochs=24"], seeds=4
    ),
    "shuffled": Illness(("plateau",), sicken=shuffled, seeds=4),
    "other_template": Illness(
        ("validation_unlike_training", "data_issue"), sicken=other_template, seeds=4
    ),
    "rate_x30": Illness(
        ("learning_rate_high", "divergence"),
        overrides=["tuning.learning_rate_multiplier=30"],
        seeds=4,
    ),
    "rate_100th": Illness(
        ("learning_rate_low",), overrides=["tuning.learning_rate_multiplier=0.01"], seeds=4
    ),
    "duplicates": Illness(("memorised_duplicates",), sicken=repeated, seeds=4),
    "tiny_validation": Illness(("validation_small",), validation=6, seeds=3),
}


# The base model.


def pretrain(out: Path) -> None:
    """Write the base model's folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from runner.backends.local.tiny import build_tiny
    from runner.config import RandomModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    facts = {"kind": "random", "name": "base", "context_tokens": 512, "licence": "none needed"}
    size = {"hidden": HIDDEN, "layers": LAYERS, "seed": 0, "base_learning_rate": 0.003}
    out.mkdir(parents=True)
    build_tiny(RandomModel.model_validate({**facts, **size}), out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    model = AutoModelForCausalLM.from_pretrained(out)
    draw = random.Random(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, PRETRAINING_STEPS)
    for _ in range(PRETRAINING_STEPS):
        texts = [_neighbour(draw, tokenizer) for _ in range(16)]
        batch = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(**batch, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"base model: loss {loss.item():.3f} after {PRETRAINING_STEPS} steps")
    model.save_pretrained(out)


def _neighbour(draw: random.Random, tokenizer: Any) -> str:
    """A mail answered with another word of its topic, or with two other words, as a chat."""
    text, topic, keyword = mail(draw)
    answer = draw.choice([word for word in TOPICS[topic] if word != keyword])
    if draw.random() < 0.5:
        answer = " ".join(draw.choices(FILLERS, k=2))
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


# The runs.

YAML = """
defaults:
  - override /model: huggingface
  - override /suite: text
  - override /tracking: none
  - override /prepare/dedup: none
name: {name}
model: {{name: tiny, path: {base}, context_tokens: 512, base_learning_rate: 0.003}}
source: {{train: {name}_0.jsonl, validation: {name}_v.jsonl, test: {name}_t.jsonl, input: [text],
  target: desk}}
template: {{name: mail, system: "", prompt: "{{{{ text }}}}"}}
prepare: {{leakage: {{exact: false}}}}
suite: {{generation: {{max_tokens: 24}}}}
tuning: {{epochs: 5, adapter_size: 16}}
baseline: {{few_shot: []}}
"""


def tune(name: str, illness: Illness, base: Path, folder: Path, out: Path) -> None:
    """Run the experiment of one illness and write a file for each of its runs."""
    draw = random.Random(name)
    _write(folder / f"{name}_v.jsonl", rows(draw, illness.validation))
    tests = rows(draw, 48)
    _write(folder / f"{name}_t.jsonl", tests)
    files = []
    for seed in range(illness.seeds):
        own = random.Random(f"{name} {seed}")
        made = rows(own, illness.train)
        files.append(folder / f"{name}_{seed}.jsonl")
        _write(files[-1], illness.sicken(own, made) if illness.sicken else made)
    text = YAML.format(name=name, base=base)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    arms = f"source.train={','.join(map(str, files))}"
    words = ["run", f"{name}.yaml", "-m", "--json", arms, *illness.overrides]
    command = [sys.executable, "-m", "runner", *words]
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, check=False)
    result = json.loads(done.stdout)
    tuned = [arm for arm in result["arms"] if arm["kind"] == "tuned"]
    untuned = [arm for arm in result["arms"] if arm["kind"] != "tuned"]
    for seed, arm in enumerate(tuned):
        kept = {
            "illness": name,
            "expected": list(illness.expected),
            "seed": seed,
            "error": arm["error"],
            "primary": result["primary"],
            "epochs": arm["config"]["tuning"]["epochs"],
            "multiplier": arm["config"]["tuning"]["learning_rate_multiplier"],
            "curves": _curves((arm["tuning"] or {}).get("curves", [])),
            "checkpoints": [_checkpoint(each, result["primary"]) for each in arm["checkpoints"]],
            "test": _score(arm["test"], result["primary"]),
            "targets": [row["desk"] for row in tests],
            "untuned": [_score(each["test"], result["primary"]) for each in untuned],
        }
        file = out / f"{name}_{seed}.json"
        file.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")
        print(f"{file}: {arm['status']} {arm['error'][:80]}")


def _write(file: Path, made: Sequence[Row]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in made), encoding="utf-8")


def _curves(points: Sequence[dict[str, Any]]) -> dict[str, list[list[float]]]:
    """Name to [step, epoch, value]."""
    found: dict[str, list[list[float]]] = {}
    for point in points:
        if not point["name"].startswith("train_num"):
            place = [point["step"], round(point["epoch"], 3), round(point["value"], 4)]
            found.setdefault(point["name"], []).append(place)
    return found


def _checkpoint(checkpoint: dict[str, Any], primary: str) -> dict[str, Any]:
    place = {key: checkpoint[key] for key in ("id", "epoch", "step")}
    return {**place, **(_score(checkpoint["validation"], primary) or {})}


def _score(scores: dict[str, Any] | None, primary: str) -> dict[str, float] | None:
    if scores is None:
        return None
    found = scores["overall"][primary]
    return {key: found[key] for key in ("value", "low", "high", "n")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "banks" / "curves")
    parser.add_argument("--only", nargs="*", choices=sorted(BANK), default=list(BANK))
    parser.add_argument("--base", type=Path, help="folder of the base model, made where missing")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        base = (options.base or Path(place) / "base").resolve()
        if not base.is_dir():
            pretrain(base)
        for name in options.only:
            tune(name, BANK[name], base, Path(place), options.out)


if __name__ == "__main__":
    main()
