"""What the code was when an experiment ran: package versions and the git commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import runner

PACKAGES = ("hydra-core", "mlflow", "torch", "transformers", "peft", "trl", "sacrebleu")


def versions(folder: Path) -> dict[str, str]:
    """Version by name, packages that are not installed left out; `git` is the commit that
    `folder` is at, with ``+changes`` when there are uncommitted ones."""
    found = {"sft-runner": runner.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if commit := _git(folder, "rev-parse", "--short=12", "HEAD"):
        dirty = "+changes" if _git(folder, "status", "--porcelain") else ""
        found["git"] = commit + dirty
    return found


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
