"""Artifacts by digest: an immutable folder per stage result, named by what made it.

A digest covers the stage, its code version, its slice of the config and the digests of its
inputs, so the same inputs give the same name and finished work is found again. A folder is
filled under a temporary name and renamed when it is whole: nothing half-written is ever seen,
and whatever a killed process left behind is swept away by the next one. Its manifest tells
whether it still is what was written.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from runner.base.digests import damage_of, digest_of, facts_of
from runner.base.errors import SftError
from runner.base.redact import masked

MANIFEST = "artifact.json"
BROKEN = f"{MANIFEST} cannot be read"

ALWAYS_THERE = {
    "prepare": ("summary.json", "tally.json", "train.jsonl", "validation.jsonl", "test.jsonl"),
    "render": ("summary.json", "tally.json", "train.jsonl", "validation.jsonl", "test.jsonl"),
    "tune": ("result.json",),
    "predict": ("predictions.jsonl",),
    "score": ("scores.json", "rows.jsonl"),
    "skew": ("skew.json",),
}
"""Files of an artifact of each stage; for those that were made without a manifest."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished folder. `seconds` is what making it took; `reused` says it was there."""

    stage: str
    digest: str
    path: Path
    seconds: float
    reused: bool


class ArtifactStore:
    """The artifact folders below one root, safe for several processes at once.

    A folder that is not as it was made (a file missing, cut or changed) is never used: it is
    moved to ``damaged/`` below the root, `say` is told so in one sentence, and it is made again.
    `also` finds damage beyond the folder by stage, such as that of checkpoints which lie
    elsewhere; `recover` may fill a folder from what is known of it without making it again, and
    says whether it could. Artifacts of a version that kept no manifest are checked by what can
    be read of them, and none is invented for them.
    """

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None] = lambda _: None,
        also: Mapping[str, Callable[[Path], str]] | None = None,
        recover: Mapping[str, Callable[[str, Path], bool]] | None = None,
    ) -> None:
        self.root = root
        self._say, self._also, self._recover = say, also or {}, recover or {}
        root.mkdir(parents=True, exist_ok=True)

    def path(self, stage: str, digest: str) -> Path:
        return self.root / stage / digest

    def get(self, stage: str, digest: str) -> Artifact | None:
        """The artifact, or None when it is not there, not whole, or cannot be recovered. Reads
        no contents."""
        path = self.path(stage, digest)
        if not path.is_dir():
            return None
        if not self.damage(path, contents=False):
            return Artifact(stage, digest, path, _seconds(path), reused=True)
        if stage not in self._recover:
            return None
        with FileLock(f"{path}.lock"):
            return self._recovered(stage, digest)

    def damage(self, path: Path, *, contents: bool = True) -> str:
        """What is wrong with the artifact in this folder, in words; empty when it is whole."""
        fault = damage(path, contents=contents)
        return fault or (self._beyond(path.parent.name, path) if contents else "")

    def make(
        self, stage: str, key: Mapping[str, object], build: Callable[[Path], None]
    ) -> Artifact:
        """Return the artifact that `key` names, calling `build(folder)` when it is missing or
        damaged.

        Whoever comes second while it is being built waits and then reuses it. An exception in
        `build` leaves no artifact.
        """
        digest = digest_of({"stage": stage, **key})
        if found := self._whole(stage, digest):
            return found
        target = self.path(stage, digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if found := self._whole(stage, digest) or self._recovered(stage, digest):
                return found
            seconds = self._fill(stage, digest, masked(key), build)
        return Artifact(stage, digest, target, seconds, reused=False)

    def _whole(self, stage: str, digest: str) -> Artifact | None:
        """The artifact with its contents read and found right."""
        path = self.path(stage, digest)
        if not path.is_dir() or self.damage(path):
            return None
        return Artifact(stage, digest, path, _seconds(path), reused=True)

    def _recovered(self, stage: str, digest: str) -> Artifact | None:
        """Set a damaged artifact aside, and put what is known of it in its place. The caller
        holds its lock."""
        path = self.path(stage, digest)
        if not path.is_dir():
            return None
        if not (fault := self.damage(path)):
            return Artifact(stage, digest, path, _seconds(path), reused=True)
        self._set_aside(path, fault)
        if stage not in self._recover:
            return None
        partial = self._partial(path)
        if not self._recover[stage](digest, partial) or self._beyond(stage, partial):
            shutil.rmtree(partial)
            return None
        _close(partial, {"stage": stage, "digest": digest, "seconds": 0.0, "key": "recovered"})
        partial.rename(path)
        self._say(f"{path} was recovered from the ledger")
        return Artifact(stage, digest, path, 0.0, reused=True)

    def _beyond(self, stage: str, folder: Path) -> str:
        """What is wrong with what the artifact points to, in words."""
        return self._also[stage](folder) if stage in self._also else ""

    def _fill(self, stage: str, digest: str, key: Any, build: Callable[[Path], None]) -> float:
        """Build the artifact under another name and rename it; how many seconds it took."""
        target = self.path(stage, digest)
        partial = self._partial(target)
        start = time.perf_counter()
        try:
            build(partial)
            seconds = time.perf_counter() - start
            # A backend's options, which may hold a password, are part of some keys: `key` has
            # stars for them.
            _close(partial, {"stage": stage, "digest": digest, "seconds": seconds, "key": key})
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return seconds

    def _partial(self, target: Path) -> Path:
        """An empty folder to fill. Whoever held the lock before and left one is dead: the lock
        says so."""
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        return partial

    def _set_aside(self, path: Path, fault: str) -> None:
        aside = self.root / "damaged" / f"{path.parent.name}-{path.name}-{time.time_ns()}"
        aside.parent.mkdir(exist_ok=True)
        path.rename(aside)
        self._say(f"{path} was damaged ({fault}): it is kept as {aside} and made again")


def damage(path: Path, *, contents: bool = True) -> str:
    """What is wrong with the artifact in the folder `path`, in words; empty when it is whole."""
    try:
        found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if "files" not in found:
            return _unreadable(path) if found.keys() >= {"stage", "digest", "seconds"} else BROKEN
        whole = found.pop("check") == digest_of(found)
        facts = {name: (size, digest) for name, (size, digest) in found["files"].items()}
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return BROKEN
    return damage_of(path, facts, contents=contents) if whole else BROKEN


def sound(file: Path) -> Path:
    """The file, once the artifact that it belongs to was found whole; one that is in no artifact
    is taken as it is. Raises SftError."""
    if (file.parent / MANIFEST).is_file() and (fault := damage(file.parent)):
        raise SftError(
            f"{file.parent} is damaged ({fault})\n"
            "  the 'sft run' that made it, given again, makes it anew"
        )
    return file


def _unreadable(path: Path) -> str:
    """What is wrong with an artifact that has no manifest, as far as that can be told."""
    for name in ALWAYS_THERE.get(path.parent.name, ()):
        if not (path / name).is_file():
            return f"{name} is missing"
    for file in sorted(path.glob("*.json*")):
        with file.open("rb") as handle:
            text = handle.read()
        if file.suffix == ".jsonl" and text and not text.endswith(b"\n"):
            return f"{file.name} ends in the middle of a line"
        if file.suffix == ".json" and not _is_json(text):
            return f"{file.name} cannot be read"
    return ""


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _seconds(path: Path) -> float:
    return float(json.loads((path / MANIFEST).read_text(encoding="utf-8"))["seconds"])


def _close(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the manifest, last, and flush all to disk, so that the rename cannot outlive it."""
    # What JSON makes of the facts, since that is what will be compared.
    raw = json.loads(json.dumps({**facts, "files": facts_of(folder)}))
    text = json.dumps({**raw, "check": digest_of(raw)}, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    _sync(folder)


def _sync(folder: Path) -> None:
    """Flush the folder's files to disk, so that the rename cannot outlive its contents."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
