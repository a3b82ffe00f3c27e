"""Sizes of the files that rows name, as far as the storage can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import BackendError

if TYPE_CHECKING:
    from runner.config import VertexBackend


class Sizes:
    """Asks Cloud Storage; a check without an account or a network goes on without it."""

    def __init__(self, settings: VertexBackend) -> None:
        self._settings = settings
        self._objects: object = None
        self.trouble = ""
        """Why nobody was asked; empty when all went well."""

    def __call__(self, uri: str) -> int | None:
        """Bytes of the object, None when there is none; 0 where nobody can tell."""
        from runner.vertex.objects import Objects

        if self.trouble:
            return 0
        if not isinstance(self._objects, Objects):
            self._objects = Objects(self._settings)
        try:
            return self._objects(uri)
        except BackendError as error:
            reason = str(error).splitlines()[0]
            self.trouble = f"files of rows were not looked for: {reason}"
            return 0
