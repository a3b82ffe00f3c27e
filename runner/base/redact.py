"""Passwords taken out of what is kept and shown. What connects uses the value as it was given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

STARS = "***"

_USER = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/?#@]*):(?:[^\s/?#]*|[^\s@]*)@", re.I)
"""Scheme, user and password of a URI (RFC 3986, section 3.2.1). A password with an unescaped
slash is no URI any more, but database drivers take it."""

_NAME = (
    r"(?:[a-z0-9]+[_-])*(?:password|passwd|secret|token|credentials?|(?:api|access|secret)[_-]?key)"
)
_QUERY = re.compile(rf"(?P<head>[?&]{_NAME}=)[^&#\s]+", re.I)
_KEY = re.compile(rf"(?:.*[./])?{_NAME}", re.I)


def masked(value: Any) -> Any:
    """A copy of `value`, JSON or anything simpler, with stars for the passwords in it: those in
    URIs, and texts under a key that says what they are, such as ``options.api_key``."""
    if isinstance(value, str):
        return _QUERY.sub(rf"\g<head>{STARS}", _USER.sub(rf"\g<head>:{STARS}@", value))
    if isinstance(value, Mapping):
        return {key: STARS if _secret(key, item) else masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked(item) for item in value)
    return value


def masked_word(word: str) -> str:
    """The same for a word of a command line, which may be ``key=value``."""
    key, sign, value = word.partition("=")
    if sign and _secret(key.lstrip("+"), value):
        return f"{key}={STARS}"
    return masked(word)  # type: ignore[no-any-return]


def _secret(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, str) and bool(value and _KEY.fullmatch(key))
