"""The one error of this room. It never leaves it: the tracker turns it into a warning."""

from __future__ import annotations

from runner.errors import SftError


class TrackingError(SftError):
    """The tracking store could not be read or written; the message says where and why.

    `passing` says whether the same call may work in a moment (a locked database, a lost
    connection).
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(message)
