"""What a failed call means for the call: ask again, give this row up, or give up altogether."""

from __future__ import annotations

from typing import Any

from runner.backends.vertex.errors import in_words
from runner.inference import Failure

ASKING = "asking the model"
TRANSIENT = {408, 425, 499, 500, 502, 503, 504}
"""The server's own trouble, or the line's: the same call may work later."""
QUOTA = 429
NOT_ALLOWED = {401, 403, 404}
"""About the caller or the model, so every further call would end the same way."""
EXPIRED = 401
EXPIRED_TRIES = 2
"""A token may run out between two calls; the next call has a new one."""


def classify(error: Exception, attempt: int) -> Failure:
    """What it means that a call raised this on its `attempt`-th try (from 1)."""
    from google.genai.errors import APIError
    from pydantic import ValidationError

    if isinstance(error, APIError):
        return _of_service(error, attempt)
    if isinstance(error, ValidationError):
        where = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        return Failure("permanent", f"the row is no Gemini request at: {where}", error)
    if _is_lost(error):
        return Failure("transient", f"the connection was lost ({type(error).__name__})", error)
    return _fatal(type(error).__name__, error)


def _of_service(error: Any, attempt: int) -> Failure:
    code, says = int(error.code or 0), f"{error.code} {error.status}: {error.message}"
    wait = retry_after(error)
    if code == QUOTA:
        return Failure("quota", says, error, wait)
    if code in TRANSIENT or (code == EXPIRED and attempt <= EXPIRED_TRIES):
        return Failure("transient", says, error, wait)
    if code in NOT_ALLOWED:
        return _fatal(says, error)
    return Failure("permanent", says, error)


def _fatal(says: str, error: Exception) -> Failure:
    return Failure("fatal", says, in_words(ASKING, error))


def retry_after(error: Any) -> float | None:
    """Seconds from the header Retry-After, or from google.rpc.RetryInfo in the body."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    found = _seconds(headers.get("retry-after") or headers.get("Retry-After"))
    if found is not None:
        return found
    body = error.details if isinstance(error.details, dict) else {}
    for detail in (body.get("error") or {}).get("details") or []:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("RetryInfo"):
            return _seconds(str(detail.get("retryDelay", "")).removesuffix("s"))
    return None


def _seconds(text: Any) -> float | None:
    """A number of seconds; None for anything else (dates are not used by this service)."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 <= value < float("inf") else None


def _is_lost(error: Exception) -> bool:
    """Whether the line failed. The SDK may use either of two HTTP clients."""
    import httpx
    from google.auth.exceptions import TransportError

    kinds: list[type[Exception]] = [OSError, TransportError, httpx.TransportError]
    try:
        import httpx2
    except ModuleNotFoundError:
        pass
    else:
        kinds.append(httpx2.TransportError)
    return isinstance(error, tuple(kinds))
