"""`sft ui`: MLflow's own pages on the runs of a folder, started lean and stopped cleanly.

One worker and no job runner: 2 processes and half a gigabyte instead of 15 and 1.6, and nothing
that comparing arms needs is missing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

from runner.tracking.mlflow_client import TrackingError

HOST = "127.0.0.1"
USUAL_PORT = 5000
START_SECONDS = 180.0
"""MLflow needs some 16 CPU seconds to start; a busy laptop takes minutes."""
STOP_SECONDS = 10.0
LISTED = 12


def serve(uri: str, home: Path, port: int | None = None) -> int:
    """Show the store at `uri` in MLflow's pages until Ctrl-C or SIGTERM; the exit code.

    Where `uri` is a server's address nothing is started: its links are printed. Raises
    TrackingError when there is nothing to show or the server does not start.
    """
    if uri.startswith(("http://", "https://")):
        _announce(uri, listed(uri))
        return 0
    chosen = free_port(port)
    if port not in (None, chosen):
        print(f"port {port} is taken, using {chosen} instead")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        print("starting MLflow ...", flush=True)
        with running(uri, home, chosen) as (base, server):
            _announce(base, listed(base))
            print("stop with Ctrl-C", flush=True)
            server.wait()
            raise TrackingError(f"MLflow stopped by itself\n{_tail(home)}")
    except KeyboardInterrupt:
        return 0


@contextmanager
def running(
    uri: str, home: Path, port: int | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on 127.0.0.1 that answers: its address and process. Killed with its children
    on leaving."""
    _something_to_show(uri)
    chosen = free_port(port)
    base = f"http://{HOST}:{chosen}"
    with _log(home).open("wb") as log:
        server = subprocess.Popen(
            _command(chosen),
            env=_environment(uri, home),
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # A group of its own: MLflow's main process outlives a signal to itself alone.
            start_new_session=True,
        )
        try:
            _wait_until_it_answers(server, base, home)
            yield base, server
        finally:
            _stop(server)


def free_port(wish: int | None = None) -> int:
    """`wish` (5000 when None) if it is free on 127.0.0.1, else any free port."""
    for port in (wish or USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise TrackingError(f"no free port on {HOST}")


def listed(base: str) -> list[tuple[str, str]]:
    """(experiment name, its leaderboard page), the one touched last first."""
    found = _post(
        f"{base.rstrip('/')}/api/2.0/mlflow/experiments/search",
        {"max_results": LISTED, "order_by": ["last_update_time DESC"]},
    )
    pages = []
    for item in found.get("experiments", []):
        tags = {tag["key"] for tag in item.get("tags", [])}
        number = item["experiment_id"]
        if f"mlflow.sharedViewState.{LEADERBOARD}" in tags:
            pages.append((item["name"], view_page(number, LEADERBOARD)))
        elif item["name"] != "Default":
            pages.append((item["name"], experiment_page(number)))
    return pages


def _announce(base: str, pages: list[tuple[str, str]]) -> None:
    print(f"MLflow is at {base}")
    width = max((len(name) for name, _ in pages), default=0)
    for name, page in pages:
        print(f"  {name:<{width}}  {base.rstrip('/')}/{page}")
    if not pages:
        print("  no experiments yet: type sft run EXPERIMENT.yaml")


def _command(port: int) -> list[str]:
    options = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *options]


def _environment(uri: str, home: Path) -> dict[str, str]:
    """Settings by environment, so that a database password does not show in the process list."""
    return {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_ARTIFACTS_DESTINATION": (home / "mlflow" / "artifacts").resolve().as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _something_to_show(uri: str) -> None:
    file = uri.removeprefix("sqlite:///")
    if file != uri and not Path(file).is_file():
        raise TrackingError(
            f"there are no MLflow runs yet: {file} does not exist\n"
            "  type: sft run EXPERIMENT.yaml, or name the folder with --home"
        )


def _wait_until_it_answers(server: subprocess.Popen[bytes], base: str, home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrackingError(f"MLflow did not start\n{_tail(home)}")
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise TrackingError(f"MLflow did not answer in {START_SECONDS:.0f} s\n{_tail(home)}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the whole group: politely, then not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, sign)
        except ProcessLookupError:
            break
        try:
            server.wait(STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue  # someone who presses Ctrl-C twice wants it gone, not left behind
    server.wait()


def _log(home: Path) -> Path:
    folder = home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "ui.log"


def _tail(home: Path) -> str:
    lines = _log(home).read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
    return "\n".join([*(f"  {line}" for line in lines), f"  log: {_log(home)}"])


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError) as error:
        raise TrackingError(f"the MLflow server at {url} does not answer: {error}") from error


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


# Where to look in MLflow's pages. Every path forces the classic pages: without
# ``workflowType=machine_learning`` MLflow opens its chat-application view.

CLASSIC = {"workflowType": "machine_learning"}
LEADERBOARD = "leaderboard"
"""Key of the saved view that `sft ui` opens."""


def experiment_page(experiment: str) -> str:
    return f"#/experiments/{experiment}/runs?{urlencode(CLASSIC)}"


def view_page(experiment: str, view: str, mode: str = "") -> str:
    """A saved view; `mode` ``CHART`` opens its charts, ``ARTIFACT`` its tables."""
    query = {**CLASSIC, "viewStateShareKey": view}
    if mode:
        query["compareRunsMode"] = mode
    return f"#/experiments/{experiment}/runs?{urlencode(query)}"


def run_page(experiment: str, run: str, artifact: str = "") -> str:
    tail = f"/artifacts/{artifact}" if artifact else ""
    return f"#/experiments/{experiment}/runs/{run}{tail}?{urlencode(CLASSIC)}"


@dataclass(frozen=True, slots=True)
class TrackingLinks:
    """What `sync` left behind in MLflow. All pages are fragment paths (``#/experiments/...``):
    put the address of a running MLflow UI before them, or call `at`."""

    experiment_id: str = ""
    parent_run_id: str = ""
    leaderboard: str = ""
    """Page of the saved leaderboard view, or the runs page where views are off."""
    parent: str = ""
    """Page of the run that tells the whole story."""
    server: str = ""
    """Address of the tracking server when it is one; empty for a database file."""
    problem: str = ""
    """Why the mirror is not complete; empty when it is."""

    @property
    def complete(self) -> bool:
        """Whether MLflow now equals the result."""
        return not self.problem

    def at(self, page: str, server: str = "") -> str:
        """`page` with an address: of `server`, else of the tracking server if there is one."""
        base = (server or self.server).rstrip("/")
        return f"{base}/{page}" if base else page
