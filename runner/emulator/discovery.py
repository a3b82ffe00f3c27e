"""Google's published API: its methods and message schemas, from the discovery documents.

They are the files ``aiplatform.v1.json`` and ``aiplatform.v1beta1.json`` inside the package
google-api-python-client (extra `emulator`), read when a version is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runner.errors import MissingExtraError

VERSIONS = ("v1", "v1beta1")
COMMON = frozenset({"alt", "access_token", "callback", "fields", "key", "oauth_token"}) | {
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
    "$alt",
    "$.xgafv",
}
"""Query parameters that every method takes."""


@dataclass(frozen=True, slots=True)
class Method:
    """One API method. `id` is e.g. ``projects.locations.tuningJobs.create``."""

    id: str
    segments: tuple[str, ...]
    """Of the flat path, without version and custom verb; ``{x}`` stands for anything."""
    request: str | None
    """Name of the body's schema."""
    parameters: frozenset[str]
    """Query parameters it takes."""


@dataclass(frozen=True)
class Api:
    """One version of the API."""

    version: str
    schemas: dict[str, Any]
    methods: dict[tuple[str, int, str], list[Method]]
    """By HTTP verb, number of path segments and custom verb (``cancel``)."""

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method at `path` (below the version) and its path variables; None for none."""
        path, custom = split_verb(path)
        segments = path.split("/")
        for method in self.methods.get((verb, len(segments), custom), ()):
            if all(a == b or a[0] == "{" for a, b in zip(method.segments, segments, strict=True)):
                pairs = zip(method.segments, segments, strict=True)
                return method, {a[1:-1]: b for a, b in pairs if a[0] == "{"}
        return None

    def schema(self, short: str) -> dict[str, Any]:
        """A schema by its short name, e.g. ``TuningJob``."""
        found: dict[str, Any] = self.schemas[self.full_name(short)]
        return found

    def full_name(self, short: str) -> str:
        """``TuningJob`` as ``GoogleCloudAiplatformV1TuningJob``."""
        return f"GoogleCloudAiplatform{self.version.capitalize()}{short}"

    def short_name(self, full: str) -> str:
        """The way back."""
        return full.removeprefix(f"GoogleCloudAiplatform{self.version.capitalize()}")


@cache
def api(version: str) -> Api:
    """The API of one of `VERSIONS`. Raises MissingExtraError without the extra `emulator`."""
    import orjson

    document = orjson.loads(_file(version).read_bytes())
    methods: dict[tuple[str, int, str], list[Method]] = {}
    for raw in _methods(document):
        path = raw.get("flatPath", raw["path"]).removeprefix(f"{version}/")
        path, custom = split_verb(path)
        method = Method(
            id=raw["id"].removeprefix("aiplatform."),
            segments=tuple(path.split("/")),
            request=raw.get("request", {}).get("$ref"),
            parameters=frozenset(
                name for name, x in raw.get("parameters", {}).items() if x["location"] == "query"
            ),
        )
        key = (raw["httpMethod"], len(method.segments), custom)
        methods.setdefault(key, []).append(method)
    for found in methods.values():
        found.sort(key=lambda method: [part[0] == "{" for part in method.segments])
    return Api(version, document["schemas"], methods)


def split_verb(path: str) -> tuple[str, str]:
    """``a/b:cancel`` as ``a/b`` and ``cancel``."""
    head, slash, tail = path.rpartition("/")
    tail, _, custom = tail.partition(":")
    return head + slash + tail, custom


def _methods(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for child in resource.get("resources", {}).values():
        yield from _methods(child)


def _file(version: str) -> Path:
    try:
        import googleapiclient
    except ImportError:
        raise MissingExtraError(
            "google-api-python-client", "emulator", "The Vertex AI emulator"
        ) from None
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    return folder / f"aiplatform.{version}.json"
