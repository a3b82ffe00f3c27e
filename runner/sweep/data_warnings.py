"""What preparing the data of some arms warned of."""

from __future__ import annotations

import json
from collections.abc import Iterable

from runner.errors import SftError
from runner.pipeline import Pipeline


def data_warnings(pipelines: Iterable[Pipeline]) -> list[str]:
    """The warnings of all distinct prepared folders, each once. An arm whose rows cannot be
    prepared is left out: that failure is told where the arm runs."""
    found: dict[str, None] = {}
    for pipeline in {one.prepare_digest: one for one in pipelines}.values():
        try:
            folder = pipeline.prepared.path
        except SftError:
            continue
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        found.update(dict.fromkeys(summary["warnings"]))
    return list(found)
