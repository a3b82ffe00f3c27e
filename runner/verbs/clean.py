"""`sft clean`: delete what an experiment left on a service, and nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import BackendError, ConfigError
from runner.verbs.home import add_home, find_experiment, is_running, open_ledger

if TYPE_CHECKING:
    from runner.config import VertexBackend
    from runner.ledger import Ledger, ResourceRecord
    from runner.results import ExperimentResult
    from runner.vertex.clients import Clients


@dataclass(frozen=True, slots=True)
class OwnedResource:
    """Something to delete, and who can."""

    record: ResourceRecord
    settings: VertexBackend
    shared: bool
    """Whether a tuning job of another experiment needs it as well."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", metavar="EXP", help="name or YAML: all it ever was; a digest: that form of it"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_home(parser)


def main(options: argparse.Namespace) -> int:
    ledger = open_ledger(options.home)
    result = find_experiment(ledger, options.experiment)
    forms = ledger.experiments(result.name)
    if options.experiment != result.name and result.digest.startswith(options.experiment):
        forms = [result]
    if any(is_running(form, Path(options.home)) for form in forms):
        raise ConfigError(f"{result.name} is running; stop it first, or wait for its end")
    found = _in_order(_found(ledger, forms))
    wanted = [item for item in found if not item.shared]
    for item in found:
        note = "  (kept: another experiment's job needs it)" if item.shared else ""
        print(f"{item.record.kind:<10} {item.record.name}{note}")
    if not wanted:
        print(f"{result.name}: nothing to delete on a service")
        return 0
    if not (options.yes or _agreed(len(wanted))):
        print("nothing was deleted")
        return 0
    return _delete(wanted, ledger)


def _found(ledger: Ledger, forms: Sequence[ExperimentResult]) -> list[OwnedResource]:
    """What is still there of the experiment, in all forms its YAML had, each thing once."""
    settings = {label: known for form in forms for label, known in _labels(ledger, form)}
    ours, names, found = set(settings), set(), []
    for record in ledger.resources(sorted(settings)):
        if record.deleted_ms or record.name in names:
            continue
        names.add(record.name)
        shared = not ours.issuperset(ledger.sharers(record.name))
        found.append(OwnedResource(record, settings[record.label], shared))
    return found


def _labels(ledger: Ledger, result: ExperimentResult) -> Iterator[tuple[str, VertexBackend]]:
    """What things are recorded under, with its backend: the name of a tuned arm's artifact, what
    was paid for, and what was claimed by arms that failed or were killed."""
    from runner.config import VertexBackend

    claimed = ledger.claims(result.digest)
    for arm in result.arms:
        config: Mapping[str, object] = arm.config.get("backend") or {}
        if config.get("kind") != "vertex":
            continue
        settings = VertexBackend.model_validate(config)
        if "tune" in arm.artifacts:
            yield Path(arm.artifacts["tune"]).name, settings
        for item in arm.spent:
            yield item.label, settings
        for digest, label in claimed:
            if digest == arm.digest:
                yield label, settings


def _in_order(found: Sequence[OwnedResource]) -> list[OwnedResource]:
    from runner.vertex.cleaning import ORDER

    known = [*ORDER, *(item.record.kind for item in found)]
    return sorted(found, key=lambda item: known.index(item.record.kind))


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(f"to delete these {count}, type: the same command with --yes")
    return input(f"delete these {count}? [y/N] ").strip().lower() in ("y", "yes")


def _delete(wanted: Sequence[OwnedResource], ledger: Ledger) -> int:
    """Delete one by one, each marked before the next: a kill or a failure loses nothing, and the
    same command goes on."""
    from runner.records import Resource
    from runner.vertex.cleaning import delete
    from runner.vertex.clients import Clients

    clients: dict[str, Clients] = {}
    failed = 0
    for item in wanted:
        settings, record = item.settings, item.record
        client = clients.setdefault(settings.model_dump_json(), Clients(settings))
        try:
            there = delete(client, Resource(record.kind, record.name))
        except BackendError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        ledger.mark_deleted(record.name)
        print(f"{'deleted' if there else 'was gone'}: {record.name}")
    if failed:
        print(f"{failed} left; the same command tries again", file=sys.stderr)
    return 1 if failed else 0
