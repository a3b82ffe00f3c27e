"""What about this backend determines results; part of every tuning and prediction digest."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from runner.local.devices import Device

LOCAL_VERSION = "1"
"""Raise it when training or generation here gives other numbers than before."""
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")


def identity(
    weights: str, context_tokens: int, device: Device, processes: int, threads: int
) -> dict[str, object]:
    """JSON-ready facts; loads nothing. Threads matter: sums are split among them."""
    return {
        "kind": "local",
        "code": LOCAL_VERSION,
        "weights": weights,
        "tokenizer": weights,
        "context_tokens": context_tokens,
        "device": device.kind,
        "precision": "bfloat16" if device.kind == "cuda" else "float32",
        "processes": processes,
        "threads": threads,
        "versions": {package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
