"""Workers that start at once: one process imports what they need, then forks each of them.

    python -m runner.backends.local.fork_server CHANNEL

Importing torch, transformers, peft and trl takes seconds of CPU time; a fork takes milliseconds and
shares the memory. The server has one thread (with more it does not serve), computes nothing and
leaves CUDA alone, so that a fork of it is safe: nothing can be half-done in it. A crash of a worker
stays that worker's.

The channel is a socket of whole messages. The server says ``ready``; each request is ``{"module",
"arguments", "folder"}`` with the file descriptors lifeline, status, input, output, log and those to
be kept open; the answer is the worker's process id. How it ended comes as text through the status
pipe. The server ends when the channel does, that is, with its runner.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

PRELOADED = ("runner.backends.local.train", "runner.backends.local.answer")
"""What takes the time; all else comes with them."""
QUIET = {
    # Each of these would start threads while it is imported, and a fork copies one thread only.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    # Asking whether there is a GPU must not start CUDA, which does not survive a fork.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
MESSAGE_BYTES = 1 << 16
DESCRIPTORS = 16


class ServerGone(Exception):
    """The server ended, or cannot be had here."""


class ForkedProcess:
    """A forked worker, with what `subprocess.Popen` has for a started one."""

    def __init__(self, pid: int, status: int, stdin: int | None, stdout: int | None) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None if stdin is None else os.fdopen(stdin, "wb")
        self.stdout: IO[bytes] | None = None if stdout is None else os.fdopen(stdout, "rb")
        self._status = status

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is not None:
            return self.returncode
        if not select.select([self._status], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a forked worker", timeout or 0.0)
        told = os.read(self._status, 16)
        os.close(self._status)
        if not told:  # the server is gone, and nobody can tell how the worker will end
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.returncode = int(told or -signal.SIGKILL)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """The runner's end. Raises ServerGone where the server does not come up."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._one = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a worker that lacks something says so in its log
                pass_fds=(theirs.fileno(),),
                env={**environment, **QUIET},
                start_new_session=True,
            )
        if not self._channel.recv(MESSAGE_BYTES):
            self.close()
            raise ServerGone

    def fork(
        self,
        module: str,
        arguments: Sequence[str],
        lifeline: int,
        log: IO[bytes],
        inherit: Sequence[int],
        *,
        talk: bool,
    ) -> ForkedProcess:
        """A process that runs the module's `main` on the lifeline and the arguments. Raises
        ServerGone."""
        request = {"module": module, "arguments": list(arguments), "folder": str(Path.cwd())}
        status, told = os.pipe()
        theirs, mine = _pipes(log) if talk else ([os.open(os.devnull, os.O_RDONLY)], [])
        with self._one:
            try:
                output = theirs[1] if talk else log.fileno()
                handles = [lifeline, told, theirs[0], output, log.fileno(), *inherit]
                socket.send_fds(self._channel, [json.dumps(request).encode()], handles)
                answer = self._channel.recv(MESSAGE_BYTES)
            except OSError:
                answer = b""
        for handle in (told, *theirs):
            os.close(handle)
        if not answer:
            for handle in (status, *mine):
                os.close(handle)
            raise ServerGone
        return ForkedProcess(int(answer), status, *(mine or (None, None)))

    def close(self) -> None:
        self._channel.close()
        self.process.wait()


def _pipes(log: IO[bytes]) -> tuple[list[int], list[int]]:
    """The worker's ends of its input and output, and ours."""
    (reads, writes), (back, answers) = os.pipe(), os.pipe()
    return [reads, answers], [writes, back]


_shared: ForkServer | None = None
_starting = threading.Lock()


def fork_server(environment: Mapping[str, str]) -> ForkServer:
    """This process's server for workers with that environment, started if need be; there is one at
    a time. Raises ServerGone, also on systems whose libraries do not survive a fork."""
    global _shared
    if not sys.platform.startswith("linux"):
        raise ServerGone
    with _starting:
        if _shared and (_shared.environment != environment or _shared.process.poll() is not None):
            atexit.unregister(_shared.close)
            _shared.close()
            _shared = None
        if _shared is None:
            _shared = ForkServer(environment)
            atexit.register(_shared.close)
        return _shared


# The server itself.


def main(arguments: Sequence[str]) -> int:
    channel = socket.socket(fileno=int(arguments[0]))
    for module in PRELOADED:
        # What is missing or broken, the worker that needs it has to say.
        with suppress(Exception):
            importlib.import_module(module)
    # Objects that live for ever stay in shared pages if no collection writes to them.
    gc.collect()
    gc.freeze()
    if len(os.listdir("/proc/self/task")) > 1:
        return 1
    with suppress(OSError):
        channel.send(b"ready")
        _serve(channel)
    return 0


def _serve(channel: socket.socket) -> None:
    statuses: dict[int, int] = {}
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, MESSAGE_BYTES)
            _reap(statuses)
        if channel.fileno() not in ready:
            continue
        data, handles, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, DESCRIPTORS)
        if not data:
            return
        pid = os.fork()
        if pid == 0:
            _become(json.loads(data), handles, [channel.detach(), woken, wake, *statuses.values()])
        lifeline, statuses[pid], *rest = handles
        for handle in (lifeline, *rest):
            os.close(handle)
        channel.send(str(pid).encode())


def _reap(statuses: dict[int, int]) -> None:
    """Tell how workers ended, of those that have."""
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        pipe = statuses.pop(pid)
        with suppress(BrokenPipeError):  # nobody asks any more
            os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(pipe)


def _become(
    request: Mapping[str, object], handles: Sequence[int], foreign: Sequence[int]
) -> NoReturn:
    """The child: a worker of its own session, with nothing of the server's open."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        lifeline, status, given, output, log, *_ = handles
        for number, handle in enumerate((given, output, log)):
            os.dup2(handle, number)
        for handle in {*foreign, status, given, output, log}:
            os.close(handle)
        os.chdir(str(request["folder"]))
        arguments = request["arguments"]
        assert isinstance(arguments, list)
        code = importlib.import_module(str(request["module"])).main([str(lifeline), *arguments])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
