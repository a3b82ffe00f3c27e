"""The numbers of a prepared and a rendered folder, gathered for `sft check`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from runner.errors import RowFault
from runner.records import SPLITS

FIRST_FAULTS = 10
"""Faults of a split that are named; all of them stand in ``faults.jsonl``."""


def gather(prepared: Path, rendered: Path) -> dict[str, Any]:
    """Row counts from file to prompt, what was found, what was dropped where, tokens, lint."""
    data, prompts = (_read(folder, "summary") for folder in (prepared, rendered))
    tallies = [*_read(prepared, "tally"), *_read(rendered, "tally")]
    return {
        "rows": {
            split: {
                "read": _rows_in(tallies, "read", split),
                "prepared": data["rows"][split],
                "used": prompts["rows"][split],
            }
            for split in SPLITS
        },
        "train": data["train"],
        "evaluation": data["evaluation"],
        "conflicting_texts": data["conflicting_texts"],
        "conflicts": data["conflicts"],
        "leakage": data["leakage"],
        "leak_looks": data["leak_looks"],
        "warnings": data["warnings"],
        "faults": _dropped(tallies, ["read"]),
        "first_faults": _first_faults(prepared / "faults.jsonl"),
        "dropped_by_reason": _dropped(
            tallies,
            ["clean", "dedup", "split", "leakage", "select", "augment", "fit", "template"],
        ),
        "changed": _changed(tallies),
        "augmented": _augmented(prompts["augmented"], tallies),
        "labels": {split: len(labels or ()) for split, labels in data["labels"].items()},
        "tokens": prompts["tokens"],
        "too_long": prompts["too_long"],
        "lint": prompts["lint"],
        "notes": [*data["notes"], *prompts["notes"]],
        "rendered": prompts["rendered"],
    }


def _read(folder: Path, name: str) -> Any:
    return orjson.loads((folder / f"{name}.json").read_bytes())


def _rows_in(tallies: Iterable[dict[str, Any]], step: str, split: str) -> int:
    return sum(t["in"] for t in tallies if t["step"] == step and t["split"] == split)


def _dropped(tallies: Iterable[dict[str, Any]], steps: list[str]) -> dict[str, dict[str, int]]:
    """Split to reason to rows, for the given steps."""
    out: dict[str, dict[str, int]] = {}
    for tally in tallies:
        if tally["step"] in steps:
            for reason, count in tally["dropped"].items():
                reasons = out.setdefault(tally["split"], {})
                reasons[reason] = reasons.get(reason, 0) + count
    return out


def _first_faults(file: Path) -> dict[str, list[str]]:
    """Split to its first faults, each as ``file:line [field] rule: message``."""
    found: dict[str, list[str]] = defaultdict(list)
    with file.open("rb") as lines:
        for fault in map(orjson.loads, lines):
            of_split = found[fault.pop("split")]
            if len(of_split) < FIRST_FAULTS:
                of_split.append(str(RowFault(**fault)))
    return dict(found)


def _changed(tallies: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Split to rule to rows that were repaired; of ``augment`` the rules stand for new rows."""
    return {t["split"]: t["changed"] for t in tallies if t["changed"] and t["step"] != "augment"}


def _augmented(told: dict[str, Any], tallies: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """New rows as the summary tells of them, and those that stay out by reason; empty when none
    were asked for."""
    return {**told, "refused": _dropped(tallies, ["augment"]).get("train", {})} if told else {}
