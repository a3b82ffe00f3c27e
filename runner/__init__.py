"""Declarative experiment runner for supervised fine-tuning (SFT).

`docs/architecture.md` is the one-page map; `runner/experiment/stages.py` has the stages in order.
"""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: reading package metadata costs every
    command a tenth of its start-up."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sft-runner")
    except PackageNotFoundError:  # a checkout on the path without an install
        return "0.0.0"
