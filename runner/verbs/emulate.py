"""`sft emulate`: Vertex AI's tuning API on this machine, to rehearse before paying."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.config import Experiment
    from runner.emulator.http import LoggedRequest

PORT = 9099
SPEED = 600.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 is a free one")
    parser.add_argument("--home", type=Path, help="keep jobs, models and objects in this folder")
    parser.add_argument(
        "--model",
        help="tune for real with this option of the group model, e.g. tiny_random or "
        "smollm2_135m, in Gemini's place; else jobs are scripted",
    )
    parser.add_argument("--script", type=Path, help="YAML: pace, curves, accuracy of the answers")
    parser.add_argument("--faults", type=Path, help="YAML list of what is to go wrong")
    parser.add_argument("--seed", type=int, default=0, help="of ids, curves and faults; default 0")
    parser.add_argument(
        "--speed",
        type=float,
        default=SPEED,
        help=f"times the service's own 40 minutes a job; default {SPEED:g}",
    )
    parser.add_argument("--quota", type=int, default=1, help="tuning jobs at a time; default 1")
    parser.add_argument(
        "--default-epochs",
        type=int,
        default=40,
        help="epochs of a job that leaves them open; default 40, as seen on small sets",
    )
    parser.add_argument(
        "overrides", nargs="*", help="with --model: further overrides, e.g. backend.threads=2"
    )
    parser.add_argument("--bucket", action="append", default=[], help="further bucket to create")


def main(options: argparse.Namespace) -> int:
    from runner.emulator import BUCKETS, Emulator
    from runner.emulator.faults import read_faults
    from runner.emulator.trainer import read_script

    _check(options)
    buckets = (*BUCKETS, *options.bucket)
    with Emulator(
        port=options.port,
        home=options.home.expanduser().resolve() if options.home else None,
        script=read_script(options.script) if options.script else None,
        faults=read_faults(options.faults) if options.faults else (),
        seed=options.seed,
        speed=options.speed,
        experiment=_experiment(options.model, options.overrides) if options.model else None,
        quota=options.quota,
        default_epochs=options.default_epochs,
        buckets=buckets,
        listen=_show,
    ) as emulator:
        print(f"Vertex AI, emulated: {emulator.url}   Cloud Storage: {emulator.storage.url}")
        print(f"Buckets: {', '.join(f'gs://{name}' for name in buckets)}")
        print(f"For sft run in another terminal: backend.emulator={emulator.url}", flush=True)
        _wait()
    print("stopped")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises ConfigError with everything that is wrong with the options."""
    from runner.base.errors import ConfigError, Problem

    found = []
    for name, least in (("speed", 0), ("quota", 0), ("default_epochs", 0)):
        value = getattr(options, name)
        if value <= least:
            flag = "--" + name.replace("_", "-")
            found.append(Problem(flag, f"has to be above {least}, not {value:g}"))
    if options.model and options.script:
        found.append(Problem("--script", "says how jobs are played; --model tunes for real"))
    if options.overrides and not options.model:
        found.append(
            Problem(options.overrides[0], "overrides belong to --model, which is not given")
        )
    if found:
        raise ConfigError(found)


def _experiment(model: str, overrides: Sequence[str]) -> Experiment:
    """The shipped defaults with the local backend and this model."""
    import tempfile

    from runner.compose import Composition, compose

    seen: list[Composition] = []

    def on_batch(composition: Composition) -> list[float]:
        seen.append(composition)
        return [0.0]

    text = f"defaults:\n  - override /model: {model}\n\nsource:\n  train: rows.jsonl\n"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "emulator.yaml"
        file.write_text(text, encoding="utf-8")
        compose(file, overrides, on_batch)
    return seen[0].points[0].experiment


def _show(entry: LoggedRequest) -> None:
    """One line a request."""
    status = entry.status or "cut"
    method = entry.method or f"{entry.verb} {entry.path}"
    note = f"  {entry.note}" if entry.note else ""
    print(f"{status} {entry.seconds * 1000:6.0f} ms  {method}{note}", flush=True)


def _wait() -> None:
    """Until Ctrl-C, or a polite kill."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()
