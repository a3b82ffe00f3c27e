"""Where a model answers: the location, which also decides the host that is called."""

from __future__ import annotations

import re

from runner.config import GeminiModel
from runner.errors import BackendError

JOB = "job"
EVERYWHERE = "global"
RESOURCE = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/\w+/.+")


def serving_location(model: GeminiModel, job_location: str, endpoint: str | None) -> str:
    """Where to ask: an endpoint where it stands, the untuned model by its row of the table.

    The host follows the client's location and not the resource's name, so a client for another
    place answers 404. Tuned Gemini 3.x models stand in the multi-regions ``us`` and ``eu``,
    those of 2.5 where they were tuned; untuned 3.x models answer at ``global``.
    """
    found = RESOURCE.fullmatch(endpoint) if endpoint else None
    if found:
        return found["location"]
    if JOB in model.serving_locations:
        return job_location
    return multi_region(job_location) if endpoint else EVERYWHERE


def multi_region(location: str) -> str:
    """The multi-region around a location."""
    return "eu" if location.split("-")[0] in ("europe", "eu") else "us"


def location_of(name: str) -> str:
    """Where a resource stands, by its full name. Raises BackendError for any other name."""
    found = RESOURCE.fullmatch(name)
    if found is None:
        raise BackendError(f"{name} is no full resource name (projects/P/locations/L/...)")
    return found["location"]
