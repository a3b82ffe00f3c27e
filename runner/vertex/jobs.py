"""Tuning jobs on the service: found by label, looked at by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner.vertex.errors import translated
from runner.vertex.states import Job, state_of

if TYPE_CHECKING:
    from runner.vertex.clients import Clients

LOOKING = "looking for the tuning job"


def plain(job: Any) -> Job:
    """google-genai's job as REST has it."""
    found: Job = job.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response"}
    )
    return found


def find_job(clients: Clients, key: str, value: str) -> Job | None:
    """The job with this label, or None. Of several, one that may still give a result goes
    before those that failed, and the newest before older ones."""
    from google.genai import types

    with translated(LOOKING):
        config = types.ListTuningJobsConfig(filter=f'labels.{key}="{value}"', page_size=100)
        found = [plain(job) for job in clients.tuning.tunings.list(config=config)]
    return best_of([job for job in found if (job.get("labels") or {}).get(key) == value])


def best_of(jobs: Sequence[Job]) -> Job | None:
    """The job that counts among those of one label."""
    alive = [job for job in jobs if state_of(job) not in ("failed", "cancelled")]
    return max(alive or jobs, key=lambda job: str(job.get("createTime", "")), default=None)


def get_job(clients: Clients, name: str) -> Job:
    """The job of this name."""
    with translated("looking at the tuning job"):
        return plain(clients.tuning.tunings.get(name=name))


def cancel_job(clients: Clients, name: str) -> None:
    """Ask the service to stop the job; it ends as cancelled a little later."""
    with translated("cancelling the tuning job"):
        clients.tuning.tunings.cancel(name=name)
