"""`sft ui`: starts, says where, stops without leaving anything behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from runner.records.experiments import ExperimentResult
from runner.tracking import tracking_uri
from runner.tracking.mlflow_client import TrackingError
from runner.tracking.ui import free_port, listed, running, serve
from tests.tracking.conftest import TRACKING, sync

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = (
    "import sys; from pathlib import Path; from runner.tracking.ui import serve;"
    "sys.exit(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))"
)


def test_it_prints_the_leaderboard_and_stops_with_all_its_children(
    home: Path, result: ExperimentResult
) -> None:
    links = sync(home, result)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", CODE, tracking_uri(TRACKING, home), str(home), str(port)]
        ours = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        # A server that never answers must not hold up the tests for ever.
        watchdog = threading.Timer(300, ours.kill)
        watchdog.start()
        assert ours.stdout is not None
        said = []
        for line in ours.stdout:
            said.append(line)
            if line.startswith("stop with"):
                break
        children = psutil.Process(ours.pid).children(recursive=True)
        ours.send_signal(signal.SIGTERM)
        assert ours.wait(60) == 0
        watchdog.cancel()
        ours.stdout.close()

    text = "".join(said)
    assert f"port {port} is taken" in text
    assert f"/{links.leaderboard}\n" in text
    assert "http://127.0.0.1:" in text
    assert len(children) >= 1
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    assert len(gone) == len(children)


def test_a_running_server_is_lean_local_and_knows_the_experiments(
    home: Path, result: ExperimentResult
) -> None:
    links = sync(home, result)
    with running(tracking_uri(TRACKING, home), home) as (base, server):
        assert listed(base) == [("triage", links.leaderboard)]
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert len(family) <= 3
        listening = {
            item.laddr.ip
            for process in family
            for item in process.net_connections("inet")
            if item.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        assert os.getpgid(server.pid) != os.getpgid(0)


def test_nothing_to_show_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    uri = tracking_uri(TRACKING, tmp_path)
    with pytest.raises(TrackingError, match="no MLflow runs yet"):
        serve(uri, tmp_path, None)
    assert not (tmp_path / "mlflow" / "mlflow.db").exists()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_text("no database " * 200)
    with pytest.raises(TrackingError, match="did not start") as caught:
        serve(tracking_uri(TRACKING, tmp_path), tmp_path, free_port(0))
    assert "ui.log" in str(caught.value)


def test_a_taken_port_gives_way_to_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = free_port(port)
        assert other != port
    assert free_port(other) == other
