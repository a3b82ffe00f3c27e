"""What the verbs that compose an experiment have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.experiment.console import Console
    from runner.experiment.run import Sweep
    from runner.records.experiments import ExperimentResult
    from runner.store.ledger import Ledger


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """The experiment file, its overrides and ``-m``."""
    parser.add_argument("experiment", metavar="EXP", help="path of the experiment YAML")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="e.g. tuning.epochs=2 template=plain"
    )
    parser.add_argument(
        "-m", "--multirun", action="store_true", help="KEY=A,B gives one arm for each value"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_pay(parser: argparse.ArgumentParser) -> None:
    """``--pay``, for verbs that pay nothing by themselves."""
    parser.add_argument(
        "--pay",
        action="store_true",
        help="pay for what preparing the data takes (paraphrases, embeddings)",
    )


def experiment_file(text: str) -> Path:
    """The experiment's absolute path. Raises ConfigError naming the files that are near."""
    path = Path(text).expanduser()
    if path.is_file():
        return path.resolve()
    folder = path.parent if path.parent.is_dir() else Path()
    near = sorted(str(file) for file in folder.glob("*.yaml"))[:8]
    listed = f"; there are: {', '.join(near)}" if near else ""
    raise ConfigError(f"no experiment file {text!r}{listed}")


def with_sweep(
    arguments: argparse.Namespace, console: Console, use: Callable[[Composition, Sweep], int]
) -> int:
    """Compose, assemble the arms and hand them to `use`; return the worst exit code of all
    batches (only adaptive sweepers have more than one)."""
    from runner.compose import compose

    file = experiment_file(arguments.experiment)
    words = [*(["--multirun"] if arguments.multirun else []), *arguments.overrides]
    command = command_line()  # before Hydra borrows sys.argv
    codes: list[int] = []

    def on_batch(composition: Composition) -> list[float]:
        from runner.experiment.run import assemble

        for gone in composition.replaced:
            console.say(f"{gone.by} takes the place of {gone.key} at {gone.where}")
        pay = getattr(arguments, "pay", True)
        sweep = assemble(composition.points, file, command, console, pay=pay)
        codes.append(use(composition, sweep))
        return objectives(sweep)

    compose(file, words, on_batch)
    return max(codes, default=0)


def objectives(sweep: Sweep) -> list[float]:
    """The primary validation score of every point, for adaptive sweepers; nan without one."""
    from runner.verdict.ranking import primary_of

    known = sweep.ledger.experiment(sweep.result.digest)
    found = {arm.digest: arm for arm in known.arms} if known else {}
    return [
        primary_of(found[digest].validation, sweep.result.primary).value
        if digest in found
        else float("nan")
        for digest in sweep.points
    ]


def command_line() -> str:
    """The command as typed, to be shown under 'how to reproduce'; passwords are starred out."""
    import shlex

    from runner.base.redact import masked_word

    return shlex.join(["sft", *map(masked_word, sys.argv[1:])])


# What the verbs that only read a runs folder have in common.


def add_home(parser: argparse.ArgumentParser) -> None:
    """The runs folder."""
    parser.add_argument("--home", default="runs", help="the runs folder (paths.home), here: runs")


def open_ledger(home: str) -> Ledger:
    """The ledger of a folder that exists. Raises ConfigError when nothing was run there."""
    from runner.store.ledger import Ledger

    folder = Path(home).expanduser().resolve()
    if (place := folder / "ledger.url").is_file():
        return Ledger(folder, place.read_text(encoding="utf-8"))
    if not (folder / "ledger.db").is_file():
        raise ConfigError(
            f"no runs in {folder}: give --home, or start with 'sft run EXP' in this folder"
        )
    return Ledger(folder)


def is_running(result: ExperimentResult, home: Path) -> bool:
    """Whether a process is on this experiment now: it holds the experiment's lock."""
    from filelock import FileLock, Timeout

    lock = home.expanduser() / "locks" / f"{result.digest}.lock"
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def as_left(result: ExperimentResult, home: Path) -> ExperimentResult:
    """The experiment for people: an arm that a killed run left as running is ``interrupted``.
    For showing only, never to be stored."""
    if all(arm.status != "running" for arm in result.arms) or is_running(result, home):
        return result
    arms = [
        arm.model_copy(update={"status": "interrupted"}) if arm.status == "running" else arm
        for arm in result.arms
    ]
    return result.model_copy(update={"arms": arms})


def find_experiment(ledger: Ledger, wanted: str) -> ExperimentResult:
    """The newest experiment of this name, YAML path or digest prefix. Raises ConfigError."""
    every = ledger.experiments()
    path = str(Path(wanted).expanduser().resolve())
    for result in every:
        if wanted == result.name or path == result.file or result.digest.startswith(wanted):
            return result
    names = ", ".join(sorted({result.name for result in every})) or "none"
    raise ConfigError(f"no experiment {wanted!r} was run here; there are: {names}")
