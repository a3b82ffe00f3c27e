"""Where work runs, decided without importing torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from runner.errors import BackendError

_GPUS = Path("/proc/driver/nvidia/gpus")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Device:
    """`kind` is torch's device type; `count` how many of them there are."""

    kind: Literal["cpu", "cuda"]
    count: int


def resolve(wanted: Literal["auto", "cpu", "cuda"]) -> Device:
    """The device to use. Raises BackendError when CUDA is asked for and there is none."""
    count = _cuda_devices() if wanted != "cpu" else 0
    if wanted == "cuda" and not count:
        raise BackendError(
            "backend.device is cuda, but no NVIDIA GPU (or no CUDA build of torch) is here; "
            "type: backend.device=cpu"
        )
    return Device("cuda", count) if count else Device("cpu", 1)


def cores() -> int:
    """Cores this process may use: its affinity, and the container's quota where there is one."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return allowed


def _cuda_devices() -> int:
    try:
        if version("torch").endswith("+cpu"):
            return 0
    except PackageNotFoundError:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    return len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0
