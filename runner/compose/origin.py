"""Where a key of a composed config was set: an override, or a line of one of the YAML files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runner.compose.claims import within
from runner.compose.folders import is_own
from runner.compose.precedence import Overriding, giving_way
from runner.compose.request import GROUP, ComposeRequest
from runner.compose.values import TypedOverride, place
from runner.compose.yaml_files import Key, key_lines, read_yaml


@dataclass(frozen=True, slots=True)
class Layer:
    """One YAML file of the composition and the key its content was put under."""

    file: Path
    package: Key

    gone: tuple[Key, ...] = ()
    """Keys of the file that gave way to something stronger."""

    def line(self, key: Key) -> int | None:
        """Line of the key in the file; None when it is not there, or does not count."""
        inner = key[len(self.package) :]
        if key[: len(self.package)] != self.package:
            return None
        if any(inner[: len(gone)] == gone for gone in self.gone):
            return None
        return key_lines(self.file).get(inner)


Defaults = Callable[[], Sequence[tuple[str, str]]]
"""Pairs of config path and package, the weakest first."""


@dataclass(frozen=True, slots=True)
class KeyOrigin:
    """What set a key."""

    where: str
    layer: Layer | None = None
    """None when it was an override."""


@dataclass(frozen=True, slots=True)
class KeyOrigins:
    """The places of one point, the strongest first: what is typed, sweeps of the file, files."""

    request: ComposeRequest
    grid: Sequence[str]
    """Keys that ``sweep.grid`` set."""
    overrides: Sequence[TypedOverride]
    """The job's overrides, typed ones and those of ``hydra.sweeper.params``."""
    layers: Iterable[Layer]
    """The strongest first; walked as far as needed, since Hydra takes its time over the rest."""

    def origin(self, key: Key) -> KeyOrigin | None:
        """What set exactly this key, or the list or mapping that it stands in as a whole."""
        name = dotted(key)
        for claim in reversed(self.request.claims):
            if not claim.chooses and any(within(name, leaf) for leaf, _ in claim.leaves):
                return KeyOrigin(claim.where)
        for axis in self.grid:
            if within(name, axis):
                return KeyOrigin(self._declared(("sweep", "grid", axis)))
        for override in reversed(self.overrides):
            if within(name, override.key) and not self.request.is_group(override.key):
                return KeyOrigin(self._override(override))
        return self._in_files(key)

    def where(self, key: Key) -> str:
        """The place of the key, else of the nearest thing around it, else the experiment's file."""
        for length in range(len(key), 0, -1):
            if found := self.origin(key[:length]):
                return found.where
        return place(self.request.file)

    def inside(self, key: Key) -> str | None:
        """The place of an axis or override that sets something below `key`."""
        name = dotted(key)
        for axis in self.grid:
            if within(axis, name):
                return self._declared(("sweep", "grid", axis))
        found = (override for override in reversed(self.overrides) if within(override.key, name))
        return next((self._override(override) for override in found), None)

    def _in_files(self, key: Key) -> KeyOrigin | None:
        lists = next((at for at, part in enumerate(key) if isinstance(part, int)), len(key))
        for layer in self.layers:
            # A list replaces the one before it as a whole: only the last file counts.
            if (line := layer.line(key[:lists])) is not None:
                cuts = range(len(key), lists, -1)
                deep = next((found for cut in cuts if (found := layer.line(key[:cut]))), line)
                return KeyOrigin(place(layer.file, deep), layer)
        return None

    def _override(self, override: TypedOverride) -> str:
        typed = self.request.typed_keys().get(override.key)
        if typed is not None:
            return typed.named
        return self._declared(("hydra", "sweeper", "params", override.key))

    def _declared(self, key: Key) -> str:
        """The line that declares a swept key."""
        if (typed := self.request.typed_keys().get(dotted(key[:2]))) is not None:
            return typed.named
        found = self._in_files(key) or self._in_files(key[:-1])
        return found.where if found else place(self.request.file)


class Layers:
    """The layers of one job, the strongest first. Hydra's own files are left out."""

    def __init__(
        self, request: ComposeRequest, strongest: bool, defaults: Defaults, above: Overriding
    ) -> None:
        """`strongest` says that no file's values beat those of the experiment's own file;
        `defaults` asks Hydra for its computed defaults list; `above` is set above all files."""
        self._request = request
        self._above = above
        self._own = (self._layer(request.file, GROUP, ()),) if strongest else ()
        self._defaults = defaults

    def __iter__(self) -> Iterator[Layer]:
        yield from self._own
        yield from (layer for layer in self._all if layer not in self._own)

    @cached_property
    def _all(self) -> tuple[Layer, ...]:
        found = [
            self._layer(
                self._request.file_of(path),
                path.rpartition("/")[0],
                tuple(filter(None, package.split("."))),
            )
            for path, package in self._defaults()
            if not path.startswith("hydra")
        ]
        return tuple(reversed(found))

    def _layer(self, file: Path, group: str, package: Key) -> Layer:
        gone = tuple(key for key, _ in giving_way(self._above, group, package))
        return Layer(file, package, gone)


def beats_all(request: ComposeRequest, job: Sequence[str]) -> bool:
    """Whether the experiment's own file is plainly the last one: no `debug`, no file it builds
    on, no root config of the user's that may have another order."""
    content = read_yaml(request.file)
    defaults = content.get("defaults") if isinstance(content, dict) else None
    rest = [entry for entry in defaults or [] if not isinstance(entry, dict)]
    rooted = any(is_own(conf / "config.yaml", conf) for conf in request.confs)
    return not (rest or rooted or "debug" in repr((defaults, list(job))))


def dotted(key: Key) -> str:
    return ".".join(map(str, key))
