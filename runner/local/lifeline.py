"""A worker lives no longer than its runner.

The runner keeps the write end of a pipe open and the worker waits on the read end; when the
runner ends, in whatever way, the kernel closes the pipe and the worker kills its own process
group. Unlike Linux's parent-death signal this also works on macOS, and it does not fire when
merely the thread that started the worker ends.
"""

from __future__ import annotations

import os
import signal
import threading


def hold(descriptor: int) -> None:
    """Watch the pipe in a daemon thread. The worker has to lead its own process group."""
    threading.Thread(target=_watch, args=(descriptor,), daemon=True, name="lifeline").start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.killpg(0, signal.SIGKILL)
