"""Strict reading of a request body: what the published schema does not know is refused.

Google's servers take camelCase and snake_case names, int64 as number or string, and enums by
name or number; so does this. The result has camelCase names throughout. What the discovery
schema says only in words is read from there too: ``Required.`` opens a field's description.
Fields that only the server sets are refused here (the real service ignores them silently),
because a client that sends one means something that will not happen.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from runner.base.errors import MissingExtraError
from runner.emulator.refusals import Violation

# Google's published API: its methods and message schemas, from the discovery documents.
#
# They are the files ``aiplatform.v1.json`` and ``aiplatform.v1beta1.json`` inside the package
# google-api-python-client (extra `emulator`), read when a version is first asked for.

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


EXCLUSIVE: dict[str, tuple[tuple[str, ...], ...]] = {
    "TuningJob": (
        ("baseModel", "preTunedModel"),
        (
            "supervisedTuningSpec",
            "preferenceOptimizationSpec",
            "reinforcementTuningSpec",
            "distillationSpec",
            "partnerModelTuningSpec",
            "fullFineTuningSpec",
            "veoTuningSpec",
            "veoLoraTuningSpec",
        ),
    ),
    "Part": (
        (
            "text",
            "inlineData",
            "fileData",
            "functionCall",
            "functionResponse",
            "executableCode",
            "codeExecutionResult",
        ),
    ),
    "BatchPredictionJob": (("model", "endpoint", "unmanagedContainerModel"),),
    "BatchPredictionJobInputConfig": (
        ("gcsSource", "bigquerySource", "vertexMultimodalDatasetSource"),
    ),
    "BatchPredictionJobOutputConfig": (
        ("gcsDestination", "bigqueryDestination", "vertexMultimodalDatasetDestination"),
    ),
}
"""Fields of which one at most may be set (proto oneofs; discovery documents do not show them)."""

PATTERNS = {
    "google-datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"),
    "google-duration": re.compile(r"-?\d+(\.\d{1,9})?s"),
    "int64": re.compile(r"-?\d+"),
    "uint64": re.compile(r"\d+"),
}
BOUNDS = {"int32": 2**31, "uint32": 2**32, "int64": 2**63, "uint64": 2**64}


def snake(name: str) -> str:
    """``baseModel`` as ``base_model``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def camel(name: str) -> str:
    """``base_model`` as ``baseModel``."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


@dataclass
class Reader:
    """Reads one body. `violations` collects everything that is wrong with it."""

    api: Api
    required: bool = True
    """Whether required fields must be there; a PATCH sends only what it changes."""
    violations: list[Violation] = field(default_factory=list)

    def message(self, schema: str, value: Any, path: str) -> Any:
        """`value` against the schema named `schema`, with camelCase names."""
        raw = self.api.schemas[schema]
        if not isinstance(value, dict):
            return self._wrong(path, value, self.api.short_name(schema))
        if "properties" not in raw:
            return self._map(raw, value, path)
        out: dict[str, Any] = {}
        for key, item in value.items():
            name = key if key in raw["properties"] else camel(key)
            known = raw["properties"].get(name)
            if known is None:
                self._unknown(path, key)
            elif known.get("readOnly"):
                self._add(_join(path, name), "Output only. The server sets this field.")
            elif item is not None:
                out[name] = self.value(known, item, _join(path, name))
        self._required(raw["properties"], out, path)
        self._exclusive(self.api.short_name(schema), out, path)
        return out

    def value(self, spec: dict[str, Any], value: Any, path: str) -> Any:
        """A field's value against its specification."""
        if "$ref" in spec:
            return self.message(spec["$ref"], value, path)
        match spec.get("type"):
            case "array":
                return self._array(spec, value, path)
            case "object":
                good = isinstance(value, dict)
                return self._map(spec, value, path) if good else self._wrong(path, value, "map")
            case "string":
                return self._string(spec, value, path)
            case "integer" | "number":
                return self._number(spec, value, path)
            case "boolean" if not isinstance(value, bool):
                return self._wrong(path, value, "TYPE_BOOL")
        return value

    def _array(self, spec: dict[str, Any], value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return self._wrong(path, value, "list")
        return [
            self.value(spec["items"], item, f"{path}[{number}]")
            for number, item in enumerate(value)
        ]

    def _map(self, spec: dict[str, Any], value: dict[str, Any], path: str) -> dict[str, Any]:
        each = spec.get("additionalProperties", {})
        return {key: self.value(each, item, f"{path}[{key}]") for key, item in value.items()}

    def _string(self, spec: dict[str, Any], value: Any, path: str) -> Any:
        form = spec.get("format", "")
        if "enum" in spec:
            return self._enum(spec["enum"], value, path)
        if form in BOUNDS:
            return self._integer(form, value, path)
        if not isinstance(value, str):
            return self._wrong(path, value, "TYPE_STRING")
        pattern = PATTERNS.get(form)
        if (pattern and not pattern.fullmatch(value)) or (form == "byte" and not _base64(value)):
            return self._wrong(path, value, form)
        return value

    def _enum(self, names: list[str], value: Any, path: str) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        return value if value in names else self._wrong(path, value, "enum")

    def _integer(self, form: str, value: Any, path: str) -> Any:
        whole = isinstance(value, float) and value.is_integer()
        text = str(int(value)) if whole else str(value)
        low, high = (0 if form.startswith("u") else -BOUNDS[form]), BOUNDS[form]
        plain = isinstance(value, int | float | str) and not isinstance(value, bool)
        if not plain or not re.fullmatch(r"-?\d{1,20}", text) or not low <= int(text) < high:
            return self._wrong(path, value, f"TYPE_{form.upper()}")
        return text if form.endswith("64") else int(text)

    def _number(self, spec: dict[str, Any], value: Any, path: str) -> Any:
        if spec["type"] == "integer":
            return self._integer(spec.get("format", "int32"), value, path)
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        return self._wrong(path, value, "TYPE_DOUBLE") if math.isnan(number) else number

    def _required(self, known: dict[str, Any], found: dict[str, Any], path: str) -> None:
        if not self.required:
            return
        for name, spec in known.items():
            wanted = spec.get("description", "").startswith("Required.")
            if wanted and not spec.get("readOnly") and found.get(name) in (None, "", [], {}):
                self._add(_join(path, name), f"Required field {snake(name)} is not set.")

    def _exclusive(self, short: str, found: dict[str, Any], path: str) -> None:
        for group in EXCLUSIVE.get(short, ()):
            several = [name for name in group if name in found]
            for name in several[1:]:
                said = f"oneof field is already set. Cannot set '{name}': '{several[0]}' is set"
                self._add(_join(path, name), f"Invalid value at '{path}' ({short}), {said}.")

    def _unknown(self, path: str, key: str) -> None:
        at = f" at '{path}'" if path else ""
        self._add(
            path,
            f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.',
        )

    def _wrong(self, path: str, value: Any, wanted: str) -> Any:
        """Complain, and hand back the value: it is set, if wrongly."""
        shown = repr(value)[:80]
        self._add(path, f"Invalid value at '{path}' ({wanted}), {shown}")
        return value

    def _add(self, path: str, description: str) -> None:
        self.violations.append(Violation(path, description))


def _join(path: str, name: str) -> str:
    return f"{path}.{snake(name)}" if path else snake(name)


def _base64(value: str) -> bool:
    try:
        base64.b64decode(value.replace("-", "+").replace("_", "/") + "==", validate=False)
    except (ValueError, binascii.Error):
        return False
    return True


def read_body(api: Api, schema: str, body: Any, *, required: bool) -> tuple[Any, list[Violation]]:
    """A request body by its schema: with camelCase names, and what is wrong with it."""
    reader = Reader(api, required)
    short = api.short_name(schema)
    root = "" if short.endswith("Request") else snake(short)
    read = reader.message(schema, body, root)
    return read, reader.violations
