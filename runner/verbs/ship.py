"""`sft ship`: the winner's checkpoint becomes the default, and a client is written that asks it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError
from runner.verbs.common import add_home, find_experiment, open_ledger
from runner.verbs.export import find_arm

if TYPE_CHECKING:
    from runner.records.experiments import ExperimentResult
    from runner.records.results import ArmResult
    from runner.store.ledger import Ledger


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="name or YAML")
    parser.add_argument("--arm", metavar="NAME", help="this arm instead of the winner")
    add_home(parser)


def main(options: argparse.Namespace) -> int:
    from runner.backends.registry import ship_of
    from runner.ship import client_of, write_client
    from runner.ship.client_facts import generation_of

    ledger = open_ledger(options.home)
    result = find_experiment(ledger, options.experiment)
    arm = _chosen(result, options.arm)
    assert arm.tuning
    best = next(item for item in arm.tuning.checkpoints if item.id == arm.best)
    print(f"{arm.name}: checkpoint {best.id} (epoch {best.epoch:g}, step {best.step})")
    _check_there(arm, ledger)
    ship = ship_of(arm.config["backend"])
    assert ship
    facts = ship(arm.config, arm.tuning, best, generation_of(arm.config))
    folder = Path(options.home).expanduser() / "reports" / f"{result.name}-{result.digest[:8]}"
    ask = write_client({**client_of(arm), **facts}, folder / "ship")
    print(f"wrote {ask}: python {ask} 'your question'")
    return 0


def _chosen(result: ExperimentResult, wanted: str | None) -> ArmResult:
    """The arm to ship. Raises ConfigError when there is no winner, or no tuned model in it."""
    from runner.backends.registry import ship_of

    winner = result.verdict.winner if result.verdict else ""
    if not (wanted or winner):
        tuned = ", ".join(repr(arm.name) for arm in result.arms if arm.kind == "tuned")
        headline = result.verdict.headline if result.verdict else "it has not been run to its end"
        raise ConfigError(
            f"{result.name} has no winner: {headline}\n  to ship one all the same, type: --arm"
            f" NAME, one of {tuned or 'none was tuned'}"
        )
    arm = find_arm(result, wanted) if wanted else result.arm(winner)
    if arm.status != "done" or arm.tuning is None or ship_of(arm.config["backend"]) is None:
        raise ConfigError(
            f"{arm.name} cannot be shipped: it is no finished arm tuned on this machine or on"
            " Vertex AI"
        )
    return arm


def _check_there(arm: ArmResult, ledger: Ledger) -> None:
    """Raise ConfigError when `sft clean` has deleted the model."""
    label = Path(arm.artifacts["tune"]).name
    gone = [item for item in ledger.resources([label]) if item.kind == "model" and item.deleted_ms]
    if gone:
        raise ConfigError(f"{arm.name} cannot be shipped: sft clean has deleted {gone[0].name}")
