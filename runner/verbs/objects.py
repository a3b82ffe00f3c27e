"""Sizes of the files that rows name, as far as the storage can be asked."""

from __future__ import annotations

from collections.abc import Callable

from runner.errors import BackendError


class Sizes:
    """Asks a storage; a check without an account or a network goes on without it."""

    def __init__(self, object_size: Callable[[str], int | None]) -> None:
        """`object_size` as in `runner.backends.protocol.Storage`."""
        self._object_size = object_size
        self.trouble = ""
        """Why nobody was asked; empty when all went well."""

    def __call__(self, uri: str) -> int | None:
        """Bytes of the object, None when there is none; 0 where nobody can tell."""
        if self.trouble:
            return 0
        try:
            return self._object_size(uri)
        except BackendError as error:
            reason = str(error).splitlines()[0]
            self.trouble = f"files of rows were not looked for: {reason}"
            return 0
