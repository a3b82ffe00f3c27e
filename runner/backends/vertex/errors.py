"""What Google's packages raise, in words: the cause, and what to do about it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

from runner.backends.vertex.error_hints import advice
from runner.base.errors import BackendError, SftError

VENDORS = {"google", "googleapiclient", "requests", "urllib3", "httpx", "httpcore", "httpx2"}
VENDORS |= {"httpcore2", "grpc", "pydantic", "pydantic_core", "ssl"}
SEEN_AS_LOST = (
    *("ConnectError", "ConnectionError", "TransportError", "Timeout", "ProtocolError"),
    *("ReadError", "WriteError", "CloseError", "RetryError", "ResumeIncomplete"),
    *("ChunkedEncodingError", "IncompleteRead", "TransferStalledError"),
)
"""Ends of class names, of an exception or of what it derives from."""
LINE = (ConnectionError, TimeoutError, URLError, socket.gaierror)
"""What Python itself raises when there is no connection."""
LATER = {401, 408, 425, 429, 499, 500, 502, 503, 504}
"""Codes after which the same call may work: 401 because the next one has a new token."""
REFUSED = {400, 401, 403, 404, 409, 412, 429}
"""Codes after which nothing was done."""


class ServiceError(BackendError):
    """A call to Google failed. `code` is the HTTP status, 0 when there was no reply."""

    def __init__(self, message: str, code: int, *, transient: bool) -> None:
        super().__init__(message, transient=transient)
        self.code = code

    @property
    def ambiguous(self) -> bool:
        """Whether the service may have done what was asked for all the same."""
        return self.transient and self.code not in REFUSED


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what Google's packages and their HTTP clients raise while doing `what` (``uploading
    the dataset``) into ServiceError. A mistake in our own code passes as it is."""
    try:
        yield
    except Exception as error:
        told = in_words(what, error)
        if told is error:
            raise
        raise told from error


def in_words(what: str, error: Exception) -> Exception:
    """The error as `translated` raises it: in words where it is a vendor's, else as it is."""
    if isinstance(error, SftError) or not foreign(error):
        return error
    told = service_error(what, error)
    told.__cause__ = error
    return told


def foreign(error: Exception) -> bool:
    """Whether the error is a vendor's, or the line's."""
    if isinstance(error, LINE):
        return True
    kinds = type(error).__mro__
    return any(kind.__module__.partition(".")[0] in VENDORS for kind in kinds)


def service_error(what: str, error: Exception) -> ServiceError:
    """The error in words."""
    code, says = code_of(error), says_of(error)
    transient = code in LATER or (not code and is_lost(error))
    lines = [f"{what}: {says}"]
    if found := advice(code, type(error).__name__, f"{what}: {says}", lost=is_lost(error)):
        lines.append(f"  {found}")
    return ServiceError("\n".join(lines), code, transient=transient)


def code_of(error: Exception) -> int:
    """The HTTP status behind an error, 0 without one."""
    reply = getattr(error, "response", None)
    for value in (getattr(error, "code", None), getattr(reply, "status_code", None)):
        if isinstance(value, int):
            return int(value)
    return 0


def says_of(error: Exception) -> str:
    """The error's own message in one line. Of a body that does not fit a schema, only where:
    the values may be someone's data."""
    places = getattr(error, "errors", None)
    if callable(places) and type(error).__name__ == "ValidationError":
        found = sorted({".".join(map(str, item["loc"])) for item in places()})
        return f"does not fit the schema at {', '.join(found)}"
    code, status = code_of(error), getattr(error, "status", None)
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    head = " ".join(str(part) for part in (code or "", status or "") if part)
    text = " ".join(str(message).split())
    return f"{head}: {text}" if head else f"{type(error).__name__}: {text}"


def is_lost(error: Exception) -> bool:
    """Whether there was no reply: the line, the name server, a deadline."""
    if type(error).__name__ in ("RefreshError", "DefaultCredentialsError"):
        return bool(getattr(error, "retryable", False)) and not code_of(error)
    if isinstance(error, LINE):
        return not code_of(error)
    return any(kind.__name__.endswith(SEEN_AS_LOST) for kind in type(error).__mro__)
