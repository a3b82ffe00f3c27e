"""Declarative experiment runner for supervised fine-tuning (SFT).

`docs/architecture.md` is the one-page map; `runner/pipeline.py` is the order of the stages.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sft-runner")
except PackageNotFoundError:  # a checkout on the path without an install
    __version__ = "0.0.0"
