"""A value that an object works out once, and that threads do not wait for across objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):
    """Like `functools.cached_property`, which in Python 3.11 holds one lock for all objects of a
    class: an arm that waits for its tuning job would keep every other arm waiting. Meant for
    objects that belong to one thread each."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Self | T:
        if instance is None:
            return self
        value = self._make(instance)
        vars(instance)[self._name] = value  # found there from now on, before this descriptor
        return value
