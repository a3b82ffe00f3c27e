"""Which objects of Cloud Storage are there, and how large: for the files that rows name."""

from __future__ import annotations

from runner.vertex.clients import Clients
from runner.vertex.errors import translated

MOST = 300_000
"""Objects of one folder that are listed; a dataset has at most as many rows with files."""


class Objects:
    """Sizes of objects by their ``gs://`` URI. One listing a folder, not one call an object."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._folders: dict[str, dict[str, int]] = {}

    def __call__(self, uri: str) -> int | None:
        """Bytes of the object; None when there is none. Raises BackendError when the storage
        cannot be asked."""
        folder, _, name = uri.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._listed(folder)
        return self._folders[folder].get(name)

    def _listed(self, folder: str) -> dict[str, int]:
        bucket, _, path = folder.removeprefix("gs://").partition("/")
        prefix = f"{path}/" if path else ""
        with translated(f"listing {folder}"):
            found = self._clients.storage.list_blobs(
                bucket, prefix=prefix, delimiter="/", max_results=MOST
            )
            return {blob.name.rpartition("/")[2]: int(blob.size) for blob in found}
