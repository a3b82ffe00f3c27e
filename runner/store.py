"""Artifacts by digest: an immutable folder per stage result, named by what made it.

A digest covers the stage, its code version, its slice of the config and the digests of its
inputs, so the same inputs give the same name and finished work is found again. A folder is
filled under a temporary name and renamed when it is whole: nothing half-written is ever seen,
and whatever a killed process left behind is swept away by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from runner.secrets import masked

MANIFEST = "artifact.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished folder. `seconds` is what making it took; `reused` says it was there."""

    stage: str
    digest: str
    path: Path
    seconds: float
    reused: bool


def digest_of(value: Any) -> str:
    """First 24 hex digits of the SHA-256 of canonical JSON (sorted keys, no blanks)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """The artifact folders below one root, safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, stage: str, digest: str) -> Path:
        return self.root / stage / digest

    def get(self, stage: str, digest: str) -> Artifact | None:
        """The artifact, or None when it was not made yet."""
        path = self.path(stage, digest)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Artifact(stage, digest, path, manifest["seconds"], reused=True)

    def make(
        self, stage: str, key: Mapping[str, object], build: Callable[[Path], None]
    ) -> Artifact:
        """Return the artifact that `key` names, calling `build(folder)` when it is missing.

        Whoever comes second while it is being built waits and then reuses it. An exception in
        `build` leaves no artifact.
        """
        digest = digest_of({"stage": stage, **key})
        if found := self.get(stage, digest):
            return found
        target = self.path(stage, digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if found := self.get(stage, digest):
                return found
            partial = target.with_name(f".{digest}.partial")
            # Whoever held the lock before and left this behind is dead: the lock says so.
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            start = time.perf_counter()
            try:
                build(partial)
                seconds = time.perf_counter() - start
                # A backend's options, which may hold a password, are part of some keys.
                kept = masked(key)
                manifest = {"stage": stage, "digest": digest, "seconds": seconds, "key": kept}
                (partial / MANIFEST).write_text(
                    json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8"
                )
                _sync(partial)
                partial.rename(target)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        return Artifact(stage, digest, target, seconds, reused=False)


def _sync(folder: Path) -> None:
    """Flush the folder's files to disk, so that the rename cannot outlive its contents."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
