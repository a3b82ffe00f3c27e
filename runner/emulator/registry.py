"""What the emulated project holds: resources by name, and the points of its curves.

One SQLite file, so that a restarted emulator goes on where it was; in memory without a home.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import runner
from runner.config import GeminiModel

TABLES = """
create table if not exists resources (
    number integer primary key autoincrement, name text unique, kind text, parent text,
    body text, inner text);
create table if not exists ids (number integer primary key autoincrement);
create table if not exists points (
    series text, step integer, value real, seconds real, primary key (series, step));
"""


@dataclass(frozen=True, slots=True)
class StoredResource:
    """One resource: `body` is what clients see, `inner` what only the emulator knows."""

    name: str
    kind: str
    body: dict[str, Any]
    inner: dict[str, Any]


class Registry:
    """Safe to use from threads. A write is durable when it returns."""

    def __init__(self, file: Path | None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file or ":memory:", check_same_thread=False)
        self._db.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + TABLES)

    def new_id(self, seed: int) -> str:
        """A number nobody has, as long as Google's; the same ones in the same order by seed."""
        with self._lock, self._db:
            count = self._db.execute("insert into ids default values").lastrowid
        digest = hashlib.sha256(f"{seed}/{count}".encode()).digest()
        return str(10**18 + int.from_bytes(digest[:8], "big") % (8 * 10**18))

    def add(
        self, kind: str, name: str, body: dict[str, Any], inner: dict[str, Any] | None = None
    ) -> StoredResource:
        """Store a new resource; `name` is its full resource name."""
        parent = "/".join(name.split("/")[:-2])
        resource = StoredResource(name, kind, {"name": name, **body}, inner or {})
        with self._lock, self._db:
            self._db.execute(
                "insert into resources (name, kind, parent, body, inner) values (?, ?, ?, ?, ?)",
                (name, kind, parent, json.dumps(resource.body), json.dumps(resource.inner)),
            )
        return resource

    def get(self, kind: str, name: str) -> StoredResource | None:
        """The resource, or None."""
        rows = self._select("name = ? and kind = ?", name, kind)
        return rows[0] if rows else None

    def all(self, kind: str, parent: str | None = None) -> list[StoredResource]:
        """Resources of a kind in order of creation, of one parent or of all."""
        if parent is None:
            return self._select("kind = ?", kind)
        return self._select("kind = ? and parent = ?", kind, parent)

    def change(
        self, resource: StoredResource, body: dict[str, Any], inner: dict[str, Any] | None = None
    ) -> StoredResource:
        """Merge changes into a resource; a value of None takes the key away."""
        with self._lock, self._db:
            found = self.get(resource.kind, resource.name) or resource
            merged = {**found.body, **body}
            merged = {key: value for key, value in merged.items() if value is not None}
            kept = {**found.inner, **(inner or {})}
            self._db.execute(
                "update resources set body = ?, inner = ? where name = ?",
                (json.dumps(merged), json.dumps(kept), resource.name),
            )
        return StoredResource(resource.name, resource.kind, merged, kept)

    def remove(self, resource: StoredResource) -> None:
        """Forget a resource."""
        with self._lock, self._db:
            self._db.execute("delete from resources where name = ?", (resource.name,))

    def plot(self, points: Iterable[tuple[str, int, float, float]]) -> None:
        """Store points: series name, step, value, Unix seconds. A step is written once."""
        with self._lock, self._db:
            self._db.executemany("insert or ignore into points values (?, ?, ?, ?)", points)

    def points(self, series: str) -> list[tuple[int, float, float]]:
        """Step, value and Unix seconds of a series, by step."""
        with self._lock:
            return self._db.execute(
                "select step, value, seconds from points where series = ? order by step", (series,)
            ).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _select(self, where: str, *values: str) -> list[StoredResource]:
        with self._lock:
            rows = self._db.execute(
                f"select name, kind, body, inner from resources where {where} order by number",
                values,
            ).fetchall()
        return [StoredResource(n, k, json.loads(b), json.loads(i)) for n, k, b, i in rows]


# What the service knows about its models: the files ``conf/model/gemini_*.yaml``.

ADAPTERS = {size: f"ADAPTER_SIZE_{name}" for size, name in {
    1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO",
}.items()}  # fmt: skip
SIZES = {name: size for size, name in ADAPTERS.items()}


def conf_folder() -> Path:
    """The shipped defaults: inside the installed package, or beside it in a checkout."""
    package = Path(runner.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


@cache
def models() -> dict[str, GeminiModel]:
    """Every model by the id that the API calls it by."""
    import yaml

    found = {}
    for file in sorted((conf_folder() / "model").glob("gemini_*.yaml")):
        model = GeminiModel.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        found[model.id] = model
    return found


def serving_location(model: GeminiModel, location: str) -> str:
    """Where a model that is tuned in `location` answers: there, or in its continent's
    multi-region."""
    if "job" in model.serving_locations:
        return location
    continent = "eu" if location.startswith("eu") else "us"
    return continent if continent in model.serving_locations else model.serving_locations[0]


def multi_region(model: GeminiModel) -> bool:
    """Whether the model answers in multi-regions (and the global location) only."""
    return "job" not in model.serving_locations
