"""Kernels as machine code (numba), outside the interpreter lock, compiled once a machine.

The compiled code is kept in the user's cache folder, never beside the package.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import extending

Function = TypeVar("Function", bound=Callable[..., Any])


def _version(here: Path) -> str:
    """Of the code that is compiled: numba looks at a kernel's own file, not at what it imports."""
    digest = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


_settings: Any = numba.config
if not _settings.CACHE_DIR:
    _home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    _settings.CACHE_DIR = str(_home / "sft-runner" / "numba" / _version(Path(__file__).parent))

BYTES = numba.types.Array(numba.uint8, 1, "C", readonly=True)
PLACES = numba.types.Array(numba.int64, 1, "C", readonly=True)


def compiled(signature: Any) -> Callable[[Function], Function]:
    """Compile for one signature when the module is imported."""
    compiled: Callable[[Function], Function] = numba.njit(
        signature, nogil=True, cache=True, error_model="numpy"
    )
    return compiled


def inlined(function: Function) -> Function:
    """Compile as a part of whatever calls it."""
    compile_: Any = numba.njit(nogil=True, cache=True, error_model="numpy")
    compiled: Function = compile_(function)
    return compiled


def generated(function: Callable[..., Any]) -> Any:
    """Compile as the LLVM code that the function writes; called without its first argument."""
    write: Any = extending.intrinsic
    return write(function)
