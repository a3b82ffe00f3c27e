"""What preparing the data of some arms warned of."""

from __future__ import annotations

from collections.abc import Iterable

from runner.errors import SftError
from runner.experiment.prepare_stage import Prepare
from runner.experiment.stage import ArmRun
from runner.records.summaries import read_prepared


def data_warnings(runs: Iterable[ArmRun]) -> list[str]:
    """The warnings of all distinct prepared folders, each once. An arm whose rows cannot be
    prepared is left out: that failure is told where the arm runs."""
    found: dict[str, None] = {}
    for run in {one.digest(Prepare()): one for one in runs}.values():
        try:
            folder = run.make(Prepare()).path
        except SftError:
            continue
        found.update(dict.fromkeys(read_prepared(folder).warnings))
    return list(found)
