"""The stand-in for Cloud Storage holds requests to their preconditions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed

from runner.backends.vertex.clients import Clients
from runner.emulator import Emulator
from tests.backends.vertex.asking import backend

BIG = "x" * (9 << 20)
"""Above 8 MB the client uploads in a resumable session."""


def bucket(emulator: Emulator) -> Any:
    return Clients(backend(emulator)).storage.bucket("sft-emulator")


def put(emulator: Emulator, content: str = "first") -> Any:
    """A new object."""
    blob = bucket(emulator).blob("a b/ü.txt")
    blob.upload_from_string(content, if_generation_match=0)
    return blob


REFUSED: dict[str, Callable[[Any, int], object]] = {
    "make": lambda blob, _: blob.upload_from_string("other", if_generation_match=0),
    "make a big one": lambda blob, _: blob.upload_from_string(BIG, if_generation_match=0),
    "replace": lambda blob, old: blob.upload_from_string("other", if_generation_match=old),
    "replace by a big one": lambda blob, old: blob.upload_from_string(BIG, if_generation_match=old),
    "delete": lambda blob, old: blob.delete(if_generation_match=old),
    "delete but that": lambda blob, old: blob.delete(if_metageneration_not_match=1),
    "read": lambda blob, old: blob.download_as_bytes(if_generation_match=old),
    "patch": lambda blob, old: blob.patch(if_metageneration_match=77),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_a_precondition_that_does_not_hold_is_a_412_and_changes_nothing(
    emulator: Emulator, what: str
) -> None:
    blob = put(emulator)
    old = blob.generation
    blob.upload_from_string("second", if_generation_match=old)
    with pytest.raises(PreconditionFailed):
        REFUSED[what](bucket(emulator).blob(blob.name), old)
    assert bucket(emulator).blob(blob.name).download_as_bytes() == b"second"


def test_preconditions_that_hold(emulator: Emulator) -> None:
    blob = put(emulator, BIG)
    blob.upload_from_string("second", if_generation_match=blob.generation)
    fresh = bucket(emulator).get_blob(blob.name, if_generation_match=blob.generation)
    assert fresh.download_as_bytes(if_generation_match=blob.generation) == b"second"
    fresh.delete(if_generation_match=blob.generation)
    assert bucket(emulator).get_blob(blob.name) is None
    with pytest.raises(NotFound):
        fresh.delete()


def test_of_many_who_replace_one_generation_one_does(emulator: Emulator) -> None:
    blob = put(emulator)
    done: list[int] = []

    def replace(number: int) -> None:
        mine = bucket(emulator).blob(blob.name)
        act = mine.delete if number % 2 else lambda **match: mine.upload_from_string("x", **match)
        try:
            act(if_generation_match=blob.generation)
        except (PreconditionFailed, NotFound):
            return
        done.append(number)

    threads = [threading.Thread(target=replace, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
