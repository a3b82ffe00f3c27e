"""Compiled code is kept by the content of all kernel files."""

from __future__ import annotations

import shutil
from pathlib import Path

from runner import kernels
from runner.kernels.jit import _version

ROOM = Path(kernels.__file__).parent


def test_a_changed_kernel_is_compiled_anew(tmp_path: Path) -> None:
    copy = tmp_path / "kernels"
    shutil.copytree(ROOM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = _version(copy)
    assert before == _version(ROOM)
    for path in sorted(copy.rglob("*.py")):
        path.write_text(path.read_text() + "\n# changed\n")
        assert _version(copy) != before, path
        before = _version(copy)
