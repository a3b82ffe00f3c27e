"""`sft export`: the curves of an experiment's arms for other tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError
from runner.verbs.common import add_home, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.records.experiments import ExperimentResult
    from runner.records.results import ArmResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="name or YAML")
    parser.add_argument(
        "--tensorboard", metavar="DIR", required=True, help="write TensorBoard event files here"
    )
    parser.add_argument("--arm", metavar="NAME", help="only this arm (name or digest)")
    add_home(parser)


def main(options: argparse.Namespace) -> int:
    result = find_experiment(open_ledger(options.home), options.experiment)
    arms = [find_arm(result, options.arm)] if options.arm else result.arms
    from runner.ship.tensorboard import write_events

    folder = Path(options.tensorboard).expanduser()
    written = write_events(result, folder, arms)
    if not written:
        raise ConfigError(f"{result.name}: no curves to export, since no arm was tuned yet")
    for name, place in written.items():
        print(f"wrote {name}: {place}")
    print(f"look at them: tensorboard --logdir {folder}")
    return 0


def find_arm(result: ExperimentResult, wanted: str, where: str = "--arm") -> ArmResult:
    """The arm of this name or digest prefix. Raises ConfigError that lists the names, and says
    `where` it was asked for."""
    for arm in result.arms:
        if arm.name == wanted:
            return arm
    near = [arm for arm in result.arms if len(wanted) > 3 and arm.digest.startswith(wanted)]
    if len(near) == 1:
        return near[0]
    names = ", ".join(repr(arm.name) for arm in result.arms)
    raise ConfigError(f"{where}: {result.name} has no arm {wanted!r}; there are: {names}")
