"""The kernels' README: its examples run, in order, and need nothing of the project beyond them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from runner import kernels

README = Path(kernels.__file__).with_name("README.md")
ONLY_KERNELS = """
import sys
strangers = sorted(m for m in sys.modules if m.startswith("runner.") and
                   not m.startswith("runner.kernels"))
assert not strangers, strangers
"""


def test_the_examples_run_and_load_nothing_but_kernels() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    code = "\n".join([*blocks, ONLY_KERNELS])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
