"""Where to look in MLflow's pages. Every path forces the classic pages: without
``workflowType=machine_learning`` MLflow opens its chat-application view."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

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
class Links:
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
