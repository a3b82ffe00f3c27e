"""Training tokens per second of the local backend, against plain TRL on the same rows.

    python benchmarks/training_throughput.py [--rows 48] [--rounds 3] [--device cpu]
        [--instructions short middle long] [--model FOLDER]

The peer is TRL's SFTTrainer with PEFT's LoRA as its documentation shows them, with what a careful
person sets on a CPU: float32, no gradient checkpointing, grouped lengths. Both train the same rows
of the triage data with the same rank, batch size, schedule and seed, in processes of their own,
interleaved in one run. Tokens are prompt and answer without padding; the clock runs from the end
of the first optimiser step to the end of the last one, so that neither start-up nor saving counts.
On a GPU (``--device cuda``) both use bfloat16 and the figures are to be read as absolute ones.

What rows begin with differs by use: a line (short), a description of the fields with their values
(middle), a manual with worked examples (long). `--model` is a folder with another model.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

TRIAGE = Path(__file__).resolve().parent.parent / "experiments" / "data" / "triage" / "train.jsonl"
SHORT = (
    "Triage the mail. Answer with JSON: intent (refund, delivery, defect, billing, account or "
    "question), product, urgency (low, normal or high)."
)
FIELDS = """
Fields of the record, in this order:
- intent: what is wanted. refund: money back for something bought. delivery: where a parcel
  is, or that it came late, or to another door. defect: something is broken or does not work as it
  should. billing: an invoice, a payment or a price. account: signing in, a password, the
  end of a contract. question: all else that wants an answer.
- product: the thing the mail is about, as the customer calls it, without brand and colour.
- urgency: high where harm or loss goes on, or a date is near; low where nothing depends on it;
  normal otherwise. Capital letters and exclamation marks are no reason.
Write the record on one line, without blanks around colons and commas, and nothing after it."""
INSTRUCTIONS = {
    "short": lambda: SHORT,
    "middle": lambda: SHORT + FIELDS,
    "long": lambda: (
        SHORT
        + FIELDS
        + "".join(f"\n\nMail: {row['message']}\nRecord: {row['target']}" for row in rows(60)[-10:])
    ),
}

PLAIN_TRL = """
import json, sys, time
from pathlib import Path
spec = json.loads(Path(sys.argv[1]).read_text())
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

class Clock(TrainerCallback):
    ends = []
    losses = []
    def on_step_end(self, args, state, control, **rest):
        self.ends.append(time.time())
    def on_log(self, args, state, control, logs=None, **rest):
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])

cuda = spec["device"] == "cuda"
dtype = torch.bfloat16 if cuda else torch.float32
model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=dtype)
tokenizer = AutoTokenizer.from_pretrained(spec["model"])
rows = Dataset.from_list(spec["rows"])
config = SFTConfig(
    output_dir=spec["out"], num_train_epochs=1, per_device_train_batch_size=8,
    learning_rate=spec["learning_rate"], lr_scheduler_type="cosine", warmup_steps=0.1,
    weight_decay=0.0, bf16=cuda, use_cpu=not cuda, gradient_checkpointing=False,
    dataloader_pin_memory=False, report_to="none", logging_steps=1, save_strategy="no",
    train_sampling_strategy="group_by_length", seed=17, max_length=2048, disable_tqdm=True,
)
lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
clock = Clock()
trainer = SFTTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer,
                     peft_config=lora, callbacks=[clock])
trainer.train()
print(json.dumps({"seconds": clock.ends[-1] - clock.ends[0], "steps": len(clock.ends),
                  "last_loss": clock.losses[-1]}))
"""


def rows(count: int) -> list[dict[str, str]]:
    """The first good rows of the triage data."""
    found = []
    for line in TRIAGE.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # planted: broken JSON, broken UTF-8
            continue
        if row.get("message") and row.get("record"):
            target = json.dumps(row["record"], separators=(",", ":"))
            found.append({"message": row["message"], "target": target})
    return found[:count]


def plain_trl(
    found: list[dict[str, str]], system: str, model: Path, rate: float, device: str
) -> dict:
    """Seconds between the first and the last step, in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        conversations = [
            {
                "prompt": [
                    {"role": "system", "content": system},
                    {"role": "user", "content": row["message"]},
                ],
                "completion": [{"role": "assistant", "content": row["target"]}],
            }
            for row in found
        ]
        spec = {
            "rows": conversations,
            "model": str(model),
            "out": out,
            "device": device,
            "learning_rate": rate,
        }
        told = Path(out) / "spec.json"
        told.write_text(json.dumps(spec))
        done = subprocess.run(
            [sys.executable, "-c", PLAIN_TRL, str(told)], capture_output=True, text=True
        )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ours(
    found: list[dict[str, str]], system: str, home: Path, device: str, folder: str
) -> tuple[dict, int, Path, float]:
    """The same through the local backend's public door; also the tokens and the weights."""
    from runner.backends.local.backend import LocalBackend
    from runner.backends.protocol import TuningJob
    from runner.config import Experiment, Tuning
    from runner.records import Example, Origin, Turn, quiet, write_jsonl
    from runner.tuning import tune

    experiment = Experiment.model_validate(_experiment(device, folder))
    examples = [
        Example(str(n), (Turn("user", row["message"]),), row["target"], Origin("x", n), system)
        for n, row in enumerate(found)
    ]
    home.mkdir()
    write_jsonl(home / "train.jsonl", (example.to_json() for example in examples))
    backend = LocalBackend(experiment, home)
    backend.setup(quiet)
    tokens = sum(map(sum, backend.count_tokens(examples) or []))
    job = TuningJob("benchmark", home / "train.jsonl", None, Tuning(epochs=1), 17)
    try:
        result = tune(backend, job, quiet, lambda points: None, lambda: None)
        weights = backend.weights.folder(quiet)
    finally:
        backend.close()
    steps = [point for point in result.curves if point.name == "train_total_loss"]
    seconds = (steps[-1].time_ms - steps[0].time_ms) / 1000
    measured = {"seconds": seconds, "steps": len(steps), "last_loss": steps[-1].value}
    return measured, tokens, weights, experiment.model.base_learning_rate


def _experiment(device: str, folder: str) -> dict:
    from omegaconf import OmegaConf

    from runner.compose.folders import packaged_conf

    model = OmegaConf.load(packaged_conf() / "model" / "smollm2_135m.yaml")
    if folder:
        rate = model.base_learning_rate
        model = {"kind": "huggingface", "name": "other", "path": folder, "context_tokens": 2048}
        model = OmegaConf.create({**model, "base_learning_rate": rate})
    return {
        "name": "throughput",
        "source": {"kind": "files", "train": "x"},
        "prepare": {},
        "template": {"name": "plain"},
        "model": OmegaConf.to_container(model),
        "backend": {"kind": "local", "device": device},
        "tuning": {},
        "baseline": {},
        "suite": {"name": "s", "metrics": [{"kind": "exact_match"}], "primary": "exact_match"},
        "tracking": {"kind": "none"},
        "store": {},
        "paths": {},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--instructions", nargs="+", choices=INSTRUCTIONS, default=[*INSTRUCTIONS])
    parser.add_argument("--model", default="", help="folder of another model than SmolLM2")
    arguments = parser.parse_args()
    found = rows(arguments.rows)
    ratios: dict[str, list[float]] = {name: [] for name in arguments.instructions}
    for number in range(arguments.rounds):
        for name in arguments.instructions:
            system = INSTRUCTIONS[name]()
            with tempfile.TemporaryDirectory() as home:
                place = Path(home) / "home"
                mine, tokens, weights, rate = ours(
                    found, system, place, arguments.device, arguments.model
                )
            peer = plain_trl(found, system, weights, rate, arguments.device)
            # The first step is not on the clock, so its share of the tokens is not counted either.
            share = (mine["steps"] - 1) / mine["steps"]
            speed, theirs = (tokens * share / side["seconds"] for side in (mine, peer))
            ratios[name].append(speed / theirs)
            print(
                f"round {number + 1} {name:<6} {tokens / len(found):.0f} tokens a row: ours "
                f"{speed:.0f} tokens/s, plain TRL {theirs:.0f}, ratio {ratios[name][-1]:.2f}; last "
                f"loss {mine['last_loss']:.4f} and {peer['last_loss']:.4f}",
                flush=True,
            )
    for name, each in ratios.items():
        spread = f"[{min(each):.2f}, {max(each):.2f}]"
        print(f"{name}: ours / plain TRL: median {statistics.median(each):.2f} {spread}")
    names = ("torch", "transformers", "trl", "peft")
    print(
        json.dumps(
            {
                "rows": len(found),
                "python": platform.python_version(),
                "processor": platform.processor() or platform.machine(),
                **{name: version(name) for name in names},
            }
        )
    )


if __name__ == "__main__":
    main()
