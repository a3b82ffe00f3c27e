"""Starting worker processes: a clean environment, a lifeline, a log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from runner.backends.local.fork_server import ForkedProcess, ServerGone, fork_server
from runner.base.errors import MissingExtraError, SftError

TRAIN_NEEDS = ("torch", "transformers", "peft", "accelerate", "trl", "datasets", "safetensors")
GENERATE_NEEDS = ("torch", "transformers", "peft", "safetensors")
STOP_SECONDS = 10.0


def require(packages: Sequence[str], purpose: str) -> None:
    """Raise MissingExtraError for the first package that is not installed; imports none."""
    if package := missing(packages):
        raise MissingExtraError(package, "local", purpose)


def missing(packages: Sequence[str]) -> str:
    """The first package that is not installed, or an empty string; imports none."""
    return next((package for package in packages if find_spec(package) is None), "")


class Worker:
    """A running worker: forked from a process that has everything imported (`fork_server`), or
    started anew where that cannot be. Letting go of it (`stop`, or the end of this process) ends
    it."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        log: Path,
        threads: int,
        inherit: Sequence[int] = (),
        talk: bool = False,
    ) -> None:
        reader, self._lifeline = os.pipe()
        self.process: subprocess.Popen[bytes] | ForkedProcess
        with log.open("ab") as out:
            try:
                server = fork_server(environment(threads))
                self.process = server.fork(module, arguments, reader, out, inherit, talk=talk)
            except ServerGone:
                self.process = _started(
                    module, [str(reader), *arguments], out, threads, (reader, *inherit), talk=talk
                )
        os.close(reader)

    @property
    def input(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def stop(self) -> None:
        """End the worker now and reap it. Idempotent."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in filter(None, (self.process.stdin, self.process.stdout)):
            with suppress(BrokenPipeError):  # what nobody is there to read any more
                stream.close()

    def exit_note(self) -> str:
        """How the process ended, for people; empty while it runs and after a clean exit."""
        code = self.process.poll()
        if not code:
            return ""
        if code > 0:
            return f"the worker ended with exit code {code}"
        name = signal.Signals(-code).name
        hint = " (often the system's answer to too little memory)" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{hint}"


def start_server(threads: int) -> None:
    """Start the process that workers are forked from, where there can be one."""
    with suppress(ServerGone):
        fork_server(environment(threads))


def _started(
    module: str,
    arguments: Sequence[str],
    out: IO[bytes],
    threads: int,
    kept: Sequence[int],
    *,
    talk: bool,
) -> subprocess.Popen[bytes]:
    channel = subprocess.PIPE if talk else subprocess.DEVNULL
    return subprocess.Popen(
        # -P: a module beside the user's experiment must not shadow one of ours.
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=channel,
        stdout=channel if talk else out,
        stderr=out,
        pass_fds=tuple(kept),
        env=environment(threads),
        start_new_session=True,  # Ctrl-C is for the runner; it ends us through the pipe
    )


def environment(threads: int) -> dict[str, str]:
    """The worker's environment: as many threads as told, nothing fetched, nothing phoned home."""
    # Threads that wait for each other by spinning lose most of a shared machine's time: 34 to 305
    # tokens/s against 235 to 384 with a short spin, on two cores under load.
    spin = {} if "OMP_WAIT_POLICY" in os.environ else {"GOMP_SPINCOUNT": "1000"}
    return {
        **spin,
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # CUDA is only reproducible with it
    }


# A worker lives no longer than its runner.
#
# The runner keeps the write end of a pipe open and the worker waits on the read end; when the
# runner ends, in whatever way, the kernel closes the pipe and the worker kills its own process
# group. Unlike Linux's parent-death signal this also works on macOS, and it does not fire when
# merely the thread that started the worker ends.


def hold(descriptor: int) -> None:
    """Watch the pipe in a daemon thread. The worker has to lead its own process group."""
    threading.Thread(target=_watch, args=(descriptor,), daemon=True, name="lifeline").start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.killpg(0, signal.SIGKILL)


# From an exception in a worker to a sentence a person can act on.


class LossDiverged(Exception):
    """The training loss is not a number any more."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the training loss became nan or infinite at step {step}")


class Cancelled(Exception):
    """Somebody asked the job to stop."""


def explain(error: BaseException) -> str:
    """The cause and the cure in one or two sentences; the traceback is in the log."""
    text = str(error).strip()
    if isinstance(error, SftError):
        return text
    if isinstance(error, LossDiverged):
        return f"{text}; lower tuning.learning_rate_multiplier"
    if isinstance(error, MemoryError) or _out_of_memory(error, text):
        return (
            "out of memory; lower backend.batch_size (and raise backend.gradient_accumulation "
            "by as much), type backend.gradient_checkpointing=true, or shorten the rows"
        )
    if isinstance(error, OSError) and error.errno == 28:
        return f"the disk is full: {text}"
    last = text.splitlines()[-1] if text else "no message"
    return f"{type(error).__name__}: {last}"


def _out_of_memory(error: BaseException, text: str) -> bool:
    # By name, because torch must not be imported for this; the allocator on the CPU raises a
    # plain RuntimeError with this text.
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text
