"""What one more arm costs: this runner with a backend that does nothing, against Hydra's
BasicLauncher plus MLflow logging written by hand.

    python benchmarks/arm_overhead.py [--arms 20] [--rounds 5]

Both sides run a sweep of 1 and of 1 + ARMS points in processes of their own, interleaved in one
run; the difference divided by ARMS is the cost of an arm. The hand-written side logs what a
careful person would log for each arm (parameters, the composed config, a curve of ten points,
final scores). The runner does that and more: it renders, predicts, scores with intervals, keeps
ledger and store. Its backend is a plug-in, found through the public entry point.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

NOOP_BACKEND = '''
"""A backend that tunes nothing and answers every request with the same word."""
from runner.records import Checkpoint, CurvePoint, Prediction, TuningResult


class NoopBackend:
    def __init__(self, experiment, home):
        self.jobs = set()

    def identity(self):
        return {"backend": "noop"}

    def setup(self, progress):
        pass

    def count_tokens(self, examples):
        return None

    def submit(self, job):
        self.jobs.add(job.label)

    def find(self, label):
        from runner.backends.protocol import JobStatus
        return JobStatus("succeeded", 10, 10) if label in self.jobs else None

    def metrics(self, label):
        return [CurvePoint("train_total_loss", step, 1.0 / step, 1_700_000_000_000 + step)
                for step in range(1, 11)]

    def result(self, label):
        checkpoint = Checkpoint("1", 1.0, 10, "nowhere", 0.1)
        return TuningResult((checkpoint,), tuple(self.metrics(label)), 20, 200, 0.0, {})

    def cancel(self, label):
        pass

    def generate(self, checkpoint, requests, generation):
        for request in requests:
            yield Prediction(request.id, "yes")

    def close(self):
        pass
'''

EXPERIMENT = """\
# @package _global_
defaults:
  - override /backend: plugin
name: overhead
source: {kind: files, train: train.csv, test: test.csv, input: [text], target: label}
prepare: {split: {validation: 4}}
template: {name: plain, prompt: "{{ text }}"}
backend: {name: noop}
baseline: {zero_shot: true, few_shot: []}
suite:
  name: labels
  metrics: [{kind: exact_match}]
  primary: exact_match
"""

BY_HAND = """
import time
from pathlib import Path
import hydra, mlflow
from omegaconf import OmegaConf
from hydra.core.hydra_config import HydraConfig

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    mlflow.set_tracking_uri("sqlite:///" + str(Path(HydraConfig.get().runtime.cwd) / "hand.db"))
    mlflow.set_experiment("overhead")
    with mlflow.start_run(run_name=HydraConfig.get().job.override_dirname):
        mlflow.log_params({"epochs": cfg.tuning.epochs, "adapter_size": cfg.tuning.adapter_size,
                           "lr": cfg.tuning.learning_rate_multiplier, "seed": cfg.seed})
        mlflow.log_text(OmegaConf.to_yaml(cfg), "config.yaml")
        for step in range(1, 11):
            mlflow.log_metric("train/total_loss", 1.0 / step, step=step)
        mlflow.log_metrics({"test/exact_match": 0.5, "validation/exact_match": 0.5})
main()
"""


def make_runner_side(folder: Path) -> None:
    (folder / "overhead_backend.py").write_text(NOOP_BACKEND)
    info = folder / "overhead_backend-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: overhead-backend\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[runner.backends]\nnoop = overhead_backend:NoopBackend\n"
    )
    (folder / "overhead.yaml").write_text(EXPERIMENT)
    for split in ("train", "test"):
        rows = [
            f"{split} question number {number},{'yes' if number % 2 else 'no'}"
            for number in range(24)
        ]
        (folder / f"{split}.csv").write_text("\n".join(["text,label", *rows]) + "\n")


def make_hand_side(folder: Path, conf: Path) -> None:
    """The same tree of groups as plain Hydra config, so that composing costs the same."""
    (folder / "conf").symlink_to(conf)
    (folder / "by_hand.py").write_text(BY_HAND)


def timed(command: list[str], folder: Path, paths: str) -> tuple[float, float]:
    """Wall and CPU seconds of the process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent


def runner_command(arms: int) -> list[str]:
    seeds = ",".join(str(seed + 1) for seed in range(arms))
    knob = f"backend.options.arm={seeds}"
    return [sys.executable, "-m", "runner", "run", "overhead.yaml", "-m", knob, "--json"]


def hand_command(arms: int) -> list[str]:
    seeds = ",".join(str(seed + 1) for seed in range(arms))
    plain = [
        "hydra/launcher=basic",
        "hydra/sweeper=basic",
        "name=overhead",
        "hydra.sweep.dir=hydra",
    ]
    return [sys.executable, "by_hand.py", "-m", f"seed={seeds}", *plain]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    from runner.compose.folders import packaged_conf

    costs: dict[str, list[tuple[float, float]]] = {"runner": [], "by hand": []}
    for number in range(arguments.rounds):
        for side in ("runner", "by hand"):
            measured = []
            for arms in (1, 1 + arguments.arms):
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    if side == "runner":
                        make_runner_side(folder)
                        measured.append(timed(runner_command(arms), folder, str(folder)))
                    else:
                        make_hand_side(folder, packaged_conf())
                        measured.append(timed(hand_command(arms), folder, ""))
            one, many = measured
            cost = tuple((b - a) / arguments.arms for a, b in zip(one, many, strict=True))
            costs[side].append((cost[0], cost[1]))
            print(
                f"round {number + 1} {side:<8} one arm more: {cost[0]:.3f} s wall, "
                f"{cost[1]:.3f} s CPU   (1 arm {one[0]:.1f} s, {1 + arguments.arms} arms "
                f"{many[0]:.1f} s wall)",
                flush=True,
            )
    report(costs, arguments.arms)


def report(costs: dict[str, list[tuple[float, float]]], arms: int) -> None:
    for index, unit in enumerate(("wall", "CPU")):
        ratios = sorted(
            a[index] / b[index] for a, b in zip(costs["runner"], costs["by hand"], strict=True)
        )
        print(
            f"{unit:<4} runner / by hand: median {statistics.median(ratios):.2f} "
            f"[{ratios[0]:.2f}, {ratios[-1]:.2f}]"
        )
    names = ("hydra-core", "mlflow", "pydantic")
    print(
        json.dumps(
            {
                "arms": arms,
                "python": platform.python_version(),
                **{name: version(name) for name in names},
            }
        )
    )


if __name__ == "__main__":
    main()
