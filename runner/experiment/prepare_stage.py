"""Rows, cleaned, deduplicated, split and free of leaks; what was dropped and why.

Reading has no artifact of its own: rows stream from the source into this one, and what was read
is part of the key by its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.base.digests import digest_of
from runner.base.errors import GateError, SftError
from runner.experiment.stage import ArmRun, Stage
from runner.records import SPLITS
from runner.records.summaries import read_prepared

if TYPE_CHECKING:
    from runner.prepare.inputs import Reader


@dataclass(frozen=True)
class PrepareStage(Stage[Path]):
    """Read as its folder: see `runner.prepare.prepare` for the files in it."""

    name = "prepare"
    of_data = True

    @staticmethod
    def version() -> str:
        from runner.prepare import PREPARE_VERSION

        return PREPARE_VERSION

    def key(self, run: ArmRun) -> Mapping[str, Any]:
        from runner.prepare import past_digest

        config = run.experiment.prepare
        past = past_digest(config)
        return {
            "version": self.version(),
            "data": data_digest(run),
            **({"past": past} if past else {}),
            "config": config.model_dump(
                mode="json", exclude={"select": True, "augment": True, "leakage": {"suites"}}
            ),
            "seed": run.experiment.seed,
            **run.encode.identity(config.leakage.semantic),
        }

    def build(self, run: ArmRun, out: Path) -> None:
        from runner.prepare import prepare

        config, source, seed = run.experiment.prepare, run.experiment.source, run.experiment.seed
        watch = run.context.watch("prepare")
        try:
            prepare(readers(run), config, source.max_bad_share, seed, out, watch, encode=run.encode)
        except GateError as error:
            raise self._refused(run, error, out) from error

    def _refused(self, run: ArmRun, error: GateError, out: Path) -> GateError:
        """The refusal, and where its leaks can be read once the folder `out` is gone."""
        from runner.report.leaks import keep_refused

        page = run.context.home / "reports" / f"leaks_{run.digest(self)[:8]}.html"
        file = keep_refused(out, page)
        seen = f"\n  every pair: {page}\n  one a line: {file}" if file else ""
        return GateError(f"{error}{seen}")

    def read(self, path: Path) -> Path:
        return path


def data_digest(run: ArmRun) -> str:
    """Digest of the content of every source file and of how it is read, and of the suites that
    train must not hold."""
    from runner.sources import source_digest, suites_digest

    cache, suites = run.context.known_digests, run.experiment.prepare.leakage.suites
    source = source_digest(run.experiment.source, cache)
    return digest_of([source, suites_digest(suites, cache)]) if suites else source


def readers(run: ArmRun) -> dict[str, Reader]:
    """What opens the rows of each split that the source gives, and those of suites."""
    from runner.sources import open_split, open_suites

    source, seed = run.experiment.source, run.experiment.seed
    given = [split for split in SPLITS if getattr(source, split) is not None]
    rows: dict[str, Reader] = {split: partial(open_split, source, split, seed) for split in given}
    if suites := run.experiment.prepare.leakage.suites:
        rows["suites"] = partial(open_suites, source, suites)
    return rows


# What preparing the data of some arms warned of.


def data_warnings(runs: Iterable[ArmRun]) -> list[str]:
    """The warnings of all distinct prepared folders, each once. An arm whose rows cannot be
    prepared is left out: that failure is told where the arm runs."""
    found: dict[str, None] = {}
    for run in {one.digest(PrepareStage()): one for one in runs}.values():
        try:
            folder = run.make(PrepareStage()).path
        except SftError:
            continue
        found.update(dict.fromkeys(read_prepared(folder).warnings))
    return list(found)
