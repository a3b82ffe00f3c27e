"""Clients of Google's services, made late and kept alive."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runner.backends.vertex.errors import translated
from runner.base.errors import BackendError, DataError, MissingExtraError
from runner.config import GeminiModel, VertexBackendSettings

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
CALL_SECONDS = 120
"""A call about a job that takes longer is given up as lost."""


EMULATED_TOKEN = "token-of-no-account"
"""What an emulator is sent for a token; like a real one it must turn up nowhere else."""


class Clients:
    """The official clients for one project, safe to use from threads.

    Credentials are Application Default ones; with `settings.emulator` they are made up and
    everything goes there. All members raise BackendError (no credentials, no connection) and
    MissingExtraError. Clients have to be kept: google-genai closes the connections of one that
    is garbage-collected.
    """

    def __init__(self, settings: VertexBackendSettings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}

    def serving(self, location: str) -> Any:
        """A google-genai client for `location`, which decides the host that is called: tuned
        3.x models answer at ``us`` and ``eu`` only."""
        return self._kept(f"genai {location}", lambda: self._genai(location))

    @property
    def tuning(self) -> Any:
        """The google-genai client that tuning jobs are asked for with."""
        return self.serving(self.settings.location)

    @property
    def storage(self) -> Any:
        """The client of Cloud Storage."""
        return self._kept("storage", self._storage)

    @property
    def credentials(self) -> Any:
        """What calls are signed with."""
        return self._kept("credentials", self._credentials)

    def session(self) -> Any:
        """A requests session that signs its calls, for plain REST."""

        def make() -> Any:
            from google.auth.transport.requests import AuthorizedSession

            return AuthorizedSession(self.credentials)

        return self._kept("session", make)

    def address(self, location: str) -> str:
        """``https://HOST`` of the API in a location, or the emulator's."""
        return self.settings.emulator or f"https://{host(location)}"

    def tensorboards(self, location: str) -> Any:
        """aiplatform's TensorboardServiceClient, over REST."""
        return self._gapic("TensorboardServiceClient", location)

    def metadata(self, location: str) -> Any:
        """aiplatform's MetadataServiceClient, over REST."""
        return self._gapic("MetadataServiceClient", location)

    def models(self, location: str) -> Any:
        """aiplatform's ModelServiceClient, over REST."""
        return self._gapic("ModelServiceClient", location)

    def endpoints(self, location: str) -> Any:
        """aiplatform's EndpointServiceClient, over REST."""
        return self._gapic("EndpointServiceClient", location)

    def close(self) -> None:
        """Let go of every connection. A client that is asked for later is a new one."""
        with self._lock:
            made, self._made = self._made, {}
        for name, client in made.items():
            if name.startswith("genai") or name in ("storage", "session"):
                client.close()

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._made:
                with translated("signing in to Google Cloud"):
                    try:
                        self._made[name] = make()
                    except ImportError as error:
                        missing = str(error.name or "google-genai")
                        raise MissingExtraError(missing, "vertex", "backend=vertex") from error
            return self._made[name]

    def _genai(self, location: str) -> Any:
        from google import genai
        from google.genai import types

        # One attempt: a create call that the SDK repeats is a second job that is paid for.
        options = types.HttpOptions(
            base_url=self.settings.emulator,
            timeout=1000 * CALL_SECONDS,
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        return genai.Client(
            vertexai=True,
            project=self.settings.project,
            location=location,
            credentials=self.credentials,
            http_options=options,
        )

    def _credentials(self) -> Any:
        if self.settings.emulator:
            # Not anonymous ones: google-genai wants to refresh those.
            from google.oauth2.credentials import Credentials

            return Credentials(token=EMULATED_TOKEN)
        import google.auth

        found, _ = google.auth.default(scopes=[SCOPE])
        return found

    def _storage(self) -> Any:
        from google.cloud import storage

        options = None
        if self.settings.emulator:
            with urllib.request.urlopen(f"{self.settings.emulator}/emulator", timeout=30) as reply:
                options = {"api_endpoint": json.load(reply)["storage"]}
        return storage.Client(
            project=self.settings.project, credentials=self.credentials, client_options=options
        )

    def _gapic(self, kind: str, location: str) -> Any:
        def make() -> Any:
            from google.api_core.client_options import ClientOptions
            from google.cloud import aiplatform_v1

            where = self.settings.emulator or host(location)
            return getattr(aiplatform_v1, kind)(
                transport="rest",
                client_options=ClientOptions(api_endpoint=where),
                credentials=self.credentials,
            )

        return self._kept(f"{kind} {location}", make)


def host(location: str) -> str:
    """The API's host name for a location."""
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


# Where a model answers: the location, which also decides the host that is called.

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


# Cloud Storage for whoever reads from it: no project, no bucket of ours, default credentials.
#
# STORAGE_EMULATOR_HOST is honoured, as by all of Google's clients.


@contextmanager
def reading(uri: str) -> Iterator[Any]:
    """A client of Cloud Storage to read ``gs://`` `uri` with, which may be a pattern.

    Raises:
        MissingExtraError: `google-cloud-storage` is not installed.
        DataError: the bucket cannot be read (missing, no access, no network).
    """
    try:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import storage
    except ImportError as error:
        raise MissingExtraError("google-cloud-storage", "vertex", f"reading {uri}") from error
    try:
        yield storage.Client()
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        bucket = uri.removeprefix("gs://").partition("/")[0]
        raise DataError(
            f"{uri} cannot be read: {type(error).__name__}: {error}\n"
            f"  see what is there: gcloud storage ls gs://{bucket}/"
        ) from error
