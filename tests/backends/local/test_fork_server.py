"""Workers forked from a process that has everything imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.backends.local import fork_server as server_module
from runner.backends.local.fork_server import (
    PRELOADED,
    ForkedProcess,
    ForkServer,
    ServerGone,
    fork_server,
)
from runner.backends.local.process import Worker, environment

MODULE = "forked_for_a_test"
SOURCE = textwrap.dedent(
    """
    import json, os, signal, sys, threading, time

    def main(arguments):
        lifeline, what, *rest = arguments
        if what == "tell":
            print(json.dumps({
                "pid": os.getpid(), "group": os.getpgid(0), "folder": os.getcwd(),
                "rest": rest, "open": sorted(map(int, os.listdir("/proc/self/fd"))),
                "lifeline": int(lifeline), "modules": sorted(sys.modules),
                "threads": threading.active_count(),
            }), flush=True)
        elif what == "raise":
            raise ValueError("as was asked for")
        elif what == "exit":
            sys.exit(int(rest[0]))
        elif what == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif what == "echo":
            for line in sys.stdin:
                print(line.upper(), end="", flush=True)
        elif what == "wait":
            from runner.backends.local import process
            process.hold(int(lifeline))
            print("waiting", flush=True)
            time.sleep(600)
        return 0
    """
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """One of our own, which finds the module that it is asked to run."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / f"{MODULE}.py").write_text(SOURCE)
    paths = os.pathsep.join(filter(None, [str(folder), *sys.path]))
    made = ForkServer({**environment(1), "PYTHONPATH": paths})
    yield made
    made.close()


class Started:
    """A forked worker with the lifeline's other end."""

    def __init__(self, server: ForkServer, folder: Path, *arguments: str, talk: bool = False):
        self.log = folder / "log"
        reader, self.lifeline = os.pipe()
        with self.log.open("ab") as out:
            self.process: ForkedProcess = server.fork(MODULE, arguments, reader, out, [], talk=talk)
        os.close(reader)

    def end(self) -> str:
        self.process.wait(60)
        os.close(self.lifeline)
        for stream in filter(None, (self.process.stdin, self.process.stdout)):
            stream.close()
        return self.log.read_text()


def test_a_worker_is_a_process_of_its_own(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = Started(server, tmp_path, "tell", "a", "b c")
    told = json.loads(started.end())
    assert told["pid"] == told["group"] == started.process.pid
    assert told["folder"] == str(tmp_path)
    assert told["rest"] == ["a", "b c"]
    assert {*PRELOADED, "torch"} <= {*told["modules"]}, "imported by the server, not the worker"
    assert told["threads"] == 1
    # Its own three, the lifeline, and the one that lists them: nothing of the server's.
    assert len(told["open"]) == 5
    assert told["lifeline"] in told["open"]
    assert started.process.returncode == 0


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        (["raise"], 1, "ValueError: as was asked for"),
        (["exit", "7"], 7, ""),
        (["die"], -signal.SIGSEGV, ""),
    ],
)
def test_a_crash_is_that_workers_alone(
    server: ForkServer, tmp_path: Path, what: list[str], code: int, said: str
) -> None:
    other = Started(server, tmp_path, "echo", talk=True)
    crashed = Started(server, tmp_path, *what)
    assert said in crashed.end()
    assert crashed.process.returncode == code
    assert crashed.process.poll() == code
    assert other.process.poll() is None
    assert other.process.stdin
    assert other.process.stdout
    other.process.stdin.write(b"still here\n")
    other.process.stdin.flush()
    assert other.process.stdout.readline() == b"STILL HERE\n"
    other.process.stdin.close()
    other.end()
    assert other.process.returncode == 0


def test_a_worker_ends_with_its_lifeline(server: ForkServer, tmp_path: Path) -> None:
    started = Started(server, tmp_path, "wait")
    with pytest.raises(subprocess.TimeoutExpired):
        started.process.wait(0.01)
    deadline = time.monotonic() + 60
    while "waiting" not in started.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.close(started.lifeline)
    assert started.process.wait(60) == -signal.SIGKILL


def test_killing_a_worker(server: ForkServer, tmp_path: Path) -> None:
    started = Started(server, tmp_path, "wait")
    started.process.kill()
    started.end()
    assert started.process.returncode == -signal.SIGKILL


def test_nothing_in_the_server_can_be_half_done(server: ForkServer) -> None:
    process = psutil.Process(server.process.pid)
    assert process.num_threads() == 1
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "/dev/nvidia" not in maps


def test_a_server_that_is_gone_takes_its_workers_and_the_next_one_serves(tmp_path: Path) -> None:
    log = tmp_path / "log"
    module, settings = "runner.backends.local.generate_worker", ["{}"]
    first = Worker(module, settings, log=log, threads=1, talk=True)
    assert isinstance(first.process, ForkedProcess)
    before = fork_server(environment(1))
    before.process.kill()
    before.process.wait()
    assert first.process.wait(60) == -signal.SIGKILL
    assert "ended by SIGKILL" in first.exit_note()
    first.stop()
    second = Worker(module, settings, log=log, threads=1, talk=True)
    assert isinstance(second.process, ForkedProcess)
    assert fork_server(environment(1)) is not before
    assert fork_server(environment(1)) is fork_server(environment(1))
    second.stop()


@pytest.mark.parametrize("why", ["platform", "server"])
def test_where_there_is_no_server_a_worker_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "platform":
        monkeypatch.setattr(server_module.sys, "platform", "darwin")
    else:  # it dies while it imports: another environment, so another server is tried
        monkeypatch.setenv("MALLOC_ARENA_MAX", "not a number, and so another server")
        monkeypatch.setattr(server_module, "QUIET", {"PYTHONHOME": "/nowhere"})
        with pytest.raises(ServerGone):
            fork_server(environment(1))
    log = tmp_path / "log"
    worker = Worker("runner.backends.local.generate_worker", ["{}"], log=log, threads=1, talk=True)
    assert isinstance(worker.process, subprocess.Popen)
    worker.input.write(b"{}\n")
    worker.input.flush()
    assert "error" in json.loads(worker.output.readline())
    worker.stop()
