"""A damaged tuning artifact: how it is noticed, and what it is made again from for nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from runner.base.digests import tree_damage
from runner.base.errors import SftError
from runner.records import TuningResult, read_record
from runner.store.ledger import Ledger


def checkpoints_damage(folder: Path) -> str:
    """What is wrong with the checkpoints that a tuning artifact points to, where they lie on
    this machine; empty when they are as tuning left them."""
    try:
        made = read_record(folder / "result.json", TuningResult).checkpoints
    except (OSError, SftError):
        return "result.json cannot be read"
    # On a service, a checkpoint's path is the name of an endpoint.
    here = [item for item in made if Path(item.path).is_absolute()]
    return next(filter(None, (tree_damage(Path(i.path), i.digest) for i in here)), "")


def from_ledger(ledger: Ledger, label: str, out: Path) -> bool:
    """Write the result of the tuning job called `label` into `out`, as the ledger has it of an
    arm that was done; whether there is one."""
    for experiment in ledger.experiments():
        for arm in experiment.arms:
            if arm.tuning and Path(arm.artifacts.get("tune", "")).name == label:
                text = json.dumps(asdict(arm.tuning))
                (out / "result.json").write_text(text, encoding="utf-8")
                return True
    return False
