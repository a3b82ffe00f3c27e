"""`sft ship`: the winner's checkpoint becomes the default, and a client is written that asks it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import ConfigError
from runner.verbs.export import find_arm
from runner.verbs.home import add_home, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.ledger import Ledger
    from runner.records import Checkpoint
    from runner.results import ArmResult, ExperimentResult


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="name or YAML")
    parser.add_argument("--arm", metavar="NAME", help="this arm instead of the winner")
    add_home(parser)


def main(options: argparse.Namespace) -> int:
    ledger = open_ledger(options.home)
    result = find_experiment(ledger, options.experiment)
    arm = _chosen(result, options.arm)
    assert arm.tuning
    best = next(item for item in arm.tuning.checkpoints if item.id == arm.best)
    print(f"{arm.name}: checkpoint {best.id} (epoch {best.epoch:g}, step {best.step})")
    if arm.config["backend"]["kind"] == "vertex":
        client = _on_vertex(arm, best, ledger)
    else:
        client = _on_this_machine(arm, best)
    from runner.ship import write_client

    folder = Path(options.home).expanduser() / "reports" / f"{result.name}-{result.digest[:8]}"
    ask = write_client(client, folder / "ship")
    print(f"wrote {ask}: python {ask} 'your question'")
    return 0


def _chosen(result: ExperimentResult, wanted: str | None) -> ArmResult:
    """The arm to ship. Raises ConfigError when there is no winner, or no tuned model in it."""
    winner = result.verdict.winner if result.verdict else ""
    if not (wanted or winner):
        tuned = ", ".join(repr(arm.name) for arm in result.arms if arm.kind == "tuned")
        headline = result.verdict.headline if result.verdict else "it has not been run to its end"
        raise ConfigError(
            f"{result.name} has no winner: {headline}\n  to ship one all the same, type: --arm"
            f" NAME, one of {tuned or 'none was tuned'}"
        )
    arm = find_arm(result, wanted) if wanted else result.arm(winner)
    if arm.status != "done" or arm.tuning is None or arm.config["backend"]["kind"] == "plugin":
        raise ConfigError(
            f"{arm.name} cannot be shipped: it is no finished arm tuned on this machine or on"
            " Vertex AI"
        )
    return arm


def _on_vertex(arm: ArmResult, best: Checkpoint, ledger: Ledger) -> dict[str, Any]:
    from runner.config import GeminiModel, VertexBackend
    from runner.ship import client_of
    from runner.ship.told import generation_of
    from runner.vertex.clients import Clients
    from runner.vertex.shipping import client_facts, set_default

    assert arm.tuning
    _check_there(arm, ledger)
    settings = VertexBackend.model_validate(arm.config["backend"])
    model = GeminiModel.model_validate(arm.config["model"])
    tuned = [item.name for item in arm.tuning.resources if item.kind == "model"]
    print(f"endpoint: {best.path}")
    if tuned:
        before = set_default(Clients(settings), tuned[0], best.id)
        note = "was it before" if before == best.id else f"in place of {before or 'none'}"
        print(f"default checkpoint of {tuned[0]}: {best.id} ({note})")
    generation = generation_of(arm.config)
    return {**client_of(arm), **client_facts(settings, model, best, generation)}


def _check_there(arm: ArmResult, ledger: Ledger) -> None:
    """Raise ConfigError when `sft clean` has deleted the model."""
    label = Path(arm.artifacts["tune"]).name
    gone = [item for item in ledger.resources([label]) if item.kind == "model" and item.deleted_ms]
    if gone:
        raise ConfigError(f"{arm.name} cannot be shipped: sft clean has deleted {gone[0].name}")


def _on_this_machine(arm: ArmResult, best: Checkpoint) -> dict[str, Any]:
    from runner.local.shipping import client_facts
    from runner.ship import client_of
    from runner.ship.told import generation_of

    print(f"adapter: {best.path}")
    facts = client_facts(arm.config, best, generation_of(arm.config))
    return {**client_of(arm), **facts}
