"""Clients of Google's services, made late and kept alive."""

from __future__ import annotations

import json
import urllib.request
from functools import cached_property
from typing import Any

from runner.config import VertexBackend


class Clients:
    """The official clients for one project; credentials are Application Default ones, and
    made-up ones for the emulator."""

    def __init__(self, settings: VertexBackend) -> None:
        self.settings = settings
        self._serving: dict[str, Any] = {}

    def serving(self, location: str) -> Any:
        """A google-genai client for models that answer in `location`."""
        if location not in self._serving:
            self._serving[location] = self._genai(location)
        return self._serving[location]

    @property
    def tuning(self) -> Any:
        return self.serving(self.settings.location)

    def _genai(self, location: str) -> Any:
        from google import genai
        from google.genai import types

        more: dict[str, Any] = {}
        if self.settings.emulator:
            from google.oauth2.credentials import Credentials

            more["credentials"] = Credentials(token="emulator")
            more["http_options"] = types.HttpOptions(base_url=self.settings.emulator)
        return genai.Client(vertexai=True, project=self.settings.project, location=location, **more)

    @cached_property
    def storage(self) -> Any:
        from google.cloud import storage

        if not self.settings.emulator:
            return storage.Client(project=self.settings.project)
        from google.auth.credentials import AnonymousCredentials

        with urllib.request.urlopen(f"{self.settings.emulator}/emulator") as reply:
            url = json.load(reply)["storage"]
        return storage.Client(
            project=self.settings.project,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": url},
        )
