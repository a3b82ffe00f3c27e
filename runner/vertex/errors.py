"""Google's exceptions in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import BackendError, SftError
from runner.vertex.trouble import trouble_of


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what Google's packages raise while doing `what` into BackendError."""
    try:
        yield
    except SftError:
        raise
    except Exception as error:
        transient = trouble_of(error, attempt=1).kind in ("busy", "later")
        raise BackendError(f"{what}: {error}", transient=transient) from error
