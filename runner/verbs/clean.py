"""`sft clean`: delete what an experiment left on a service, and nothing else."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.base.errors import BackendError, ConfigError
from runner.verbs.common import add_home, find_experiment, is_running, open_ledger

if TYPE_CHECKING:
    from runner.backends.protocol import ResourceCleaner
    from runner.records.experiments import ExperimentResult
    from runner.records.jobs import ResourceRecord
    from runner.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class OwnedResource:
    """Something to delete, and who can."""

    record: ResourceRecord
    service: ResourceCleaner
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
    services = _services(ledger, forms)
    ours, names, found = set(services), set(), []
    for record in ledger.resources(sorted(services)):
        if record.deleted_ms or record.name in names:
            continue
        names.add(record.name)
        shared = not ours.issuperset(ledger.sharers(record.name))
        found.append(OwnedResource(record, services[record.label], shared))
    return found


def _services(ledger: Ledger, forms: Sequence[ExperimentResult]) -> dict[str, ResourceCleaner]:
    """Every label that things are recorded under, with the service where they are: one for all
    that have the same settings."""
    from runner.backends.registry import leftovers_of

    known: dict[str, ResourceCleaner | None] = {}
    found: dict[str, ResourceCleaner] = {}
    for form in forms:
        for label, settings in _labels(ledger, form):
            key = json.dumps(settings, sort_keys=True)
            if key not in known:
                known[key] = leftovers_of(settings)
            if service := known[key]:
                found[label] = service
    return found


def _labels(ledger: Ledger, result: ExperimentResult) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What things are recorded under, with the backend's settings: the name of a tuned arm's
    artifact, what was paid for, and what was claimed by arms that failed or were killed."""
    claimed = ledger.claims(result.digest)
    for arm in result.arms:
        settings: Mapping[str, Any] = arm.config.get("backend") or {}
        if "tune" in arm.artifacts:
            yield Path(arm.artifacts["tune"]).name, settings
        for item in arm.spent:
            yield item.label, settings
        for digest, label in claimed:
            if digest == arm.digest:
                yield label, settings


def _in_order(found: Sequence[OwnedResource]) -> list[OwnedResource]:
    kinds = dict.fromkeys(kind for item in found for kind in item.service.kinds)
    known = [*kinds, *(item.record.kind for item in found)]
    return sorted(found, key=lambda item: known.index(item.record.kind))


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(f"to delete these {count}, type: the same command with --yes")
    return input(f"delete these {count}? [y/N] ").strip().lower() in ("y", "yes")


def _delete(wanted: Sequence[OwnedResource], ledger: Ledger) -> int:
    """Delete one by one, each marked before the next: a kill or a failure loses nothing, and the
    same command goes on."""
    from runner.records import Resource

    failed = 0
    for item in wanted:
        record = item.record
        try:
            there = item.service.delete(Resource(record.kind, record.name))
        except BackendError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        ledger.mark_deleted(record.name)
        print(f"{'deleted' if there else 'was gone'}: {record.name}")
    if failed:
        print(f"{failed} left; the same command tries again", file=sys.stderr)
    return 1 if failed else 0


# Sizes of the files that rows name, as far as the storage can be asked.


class ObjectSizes:
    """Asks a storage; a check without an account or a network goes on without it."""

    def __init__(self, object_size: Callable[[str], int | None]) -> None:
        """`object_size` as in `runner.backends.protocol.HasObjects`."""
        self._object_size = object_size
        self.trouble = ""
        """Why nobody was asked; empty when all went well."""

    def __call__(self, uri: str) -> int | None:
        """Bytes of the object, None when there is none; 0 where nobody can tell."""
        if self.trouble:
            return 0
        try:
            return self._object_size(uri)
        except BackendError as error:
            reason = str(error).splitlines()[0]
            self.trouble = f"files of rows were not looked for: {reason}"
            return 0
