"""`sft cancel`: stop an experiment's tuning jobs on a service; what is finished stays."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.errors import BackendError
from runner.base.text import plural
from runner.verbs.common import add_home, find_experiment, is_running, open_ledger

if TYPE_CHECKING:
    from runner.config import VertexBackendSettings
    from runner.records.experiments import ExperimentResult
    from runner.store.ledger import Ledger


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="name or YAML")
    add_home(parser)


def main(options: argparse.Namespace) -> int:
    from runner.experiment.parallel import stop_order

    ledger, home = open_ledger(options.home), Path(options.home).expanduser()
    result = find_experiment(ledger, options.experiment)
    if is_running(result, home):
        stop_order(home, result.digest).touch()
        print(f"{result.name}: the running 'sft run' begins no further arm")
    stopped, failed = 0, 0
    for label, settings in dict(_jobs(ledger, result)).items():
        try:
            stopped += _cancel(label, settings)
        except BackendError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    print(f"{result.name}: {plural(stopped, 'tuning job')} told to stop")
    return 1 if failed else 0


def _jobs(ledger: Ledger, result: ExperimentResult) -> Iterator[tuple[str, VertexBackendSettings]]:
    """Label and backend of every tuning job that money is held back for: those that were
    submitted and have not come to a bill."""
    from runner.config import VertexBackendSettings

    arms = {arm.digest: arm for arm in result.arms}
    for item in ledger.spendings():
        arm = arms.get(item.arm)
        if arm is None or item.settled or item.experiment != result.digest:
            continue
        config: Mapping[str, object] = arm.config.get("backend") or {}
        if config.get("kind") == "vertex":
            yield item.label, VertexBackendSettings.model_validate(config)


def _cancel(label: str, settings: VertexBackendSettings) -> int:
    """Stop every job of the label that is under way; returns how many were."""
    from runner.backends.vertex.clients import Clients
    from runner.backends.vertex.jobs import cancel_job, is_going, jobs_of, note_of

    clients = Clients(settings)
    try:
        going = [job for job in jobs_of(clients, label) if is_going(job)]
        for job in going:
            cancel_job(clients, job["name"])
            print(f"told to stop: {job['name']} ({note_of(job)})")
        return len(going)
    finally:
        clients.close()
