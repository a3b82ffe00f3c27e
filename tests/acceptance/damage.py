"""Damage what a finished run left, file by file, and give the same command again:
``python -m tests.acceptance.damage`` walks over every file and every kind of damage.

A round damages one file of every artifact and of every checkpoint, in one way. The run that
follows has to come to the results of the undamaged one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from tests.acceptance.tiny import outcome, sft, write
from tests.store.damaging import WAYS


def folders(home: Path) -> list[Path]:
    """Every artifact and every checkpoint."""
    artifacts = [path.parent for path in home.glob("store/[!d]*/[!.]*/artifact.json")]
    return sorted([*artifacts, *home.glob("jobs/*/checkpoints/checkpoint-*")])


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def damage(home: Path, ways: Sequence[str], number: int) -> list[Path]:
    """Damage the file of this number in every folder that has so many, in these ways by turns."""
    hit = [files(folder)[number] for folder in folders(home) if number < len(files(folder))]
    for path, way in zip(hit, cycle(ways)):
        # Half of nothing is nothing.
        if way in ("deleted", "flipped") or path.stat().st_size:
            WAYS[way](path)
    return hit


def faults(folder: Path, yaml: Path, expected: str) -> Iterator[str]:
    """What is wrong with the run that follows on damage; nothing when it heals."""
    done = sft(folder, "run", str(yaml), "--json")
    if done.returncode:
        yield f"exit {done.returncode}: {done.stderr[-1500:]}"
    elif outcome(done.stdout) != outcome(expected):
        yield "other results"
    if "Traceback" in done.stderr + done.stdout:
        yield "a traceback"


def main(ways: Sequence[str] = tuple(WAYS)) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yaml = write(folder, sizes=[8], shots="[]")
        first = sft(folder, "run", str(yaml), "--json", check=True).stdout
        most = max(len(files(path)) for path in folders(folder / "runs"))
        damaged, wrong = 0, 0
        for way in ways:
            for number in range(most):
                hit = damage(folder / "runs", [way], number)
                found = list(faults(folder, yaml, first))
                damaged, wrong = damaged + len(hit), wrong + bool(found)
                print(json.dumps({"way": way, "files": len(hit), "faults": found}), flush=True)
        print(f"{damaged} files damaged, {wrong} rounds that did not heal")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:] or tuple(WAYS)))
