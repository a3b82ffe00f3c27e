"""Cloud Storage for whoever reads from it: no project, no bucket of ours, default credentials.

STORAGE_EMULATOR_HOST is honoured, as by all of Google's clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runner.errors import DataError, MissingExtraError


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
