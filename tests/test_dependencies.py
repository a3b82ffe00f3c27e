"""Every package that the code imports is named in pyproject.toml, so that an update of a package
that merely brought it along cannot take it away; and every named one does something."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
NOT_IMPORTED = {
    # Hydra's own; transformers' for devices; the URL of a ledger names it.
    "accelerate",
    "psycopg",
}
ONLY_IF_BROUGHT = {"httpx2"}
"""Imported only where the package that needs it has brought it."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0]) for text in requirements}


def imported() -> dict[str, set[str]]:
    """Absolute imports of ``runner`` with a file of each; names of ``from`` imports included, since
    parts of ``google`` belong to different distributions."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "runner").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                if name.partition(".")[0] not in {*sys.stdlib_module_names, "runner"}:
                    found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


@cache
def owners() -> dict[str, set[str]]:
    """Distributions of a top-level name; of ``google.*`` by the longest path they have files in."""
    found = {
        name: {canonical(dist) for dist in dists}
        for name, dists in packages_distributions().items()
        if name != "google"
    }
    for dist in distributions():
        if not dist.metadata["Name"].startswith(("google", "proto")):
            continue
        for file in dist.files or ():
            if file.parts[:1] == ("google",) and file.suffix == ".py":
                parts = file.with_suffix("").parts
                for size in range(2, len(parts) + 1):
                    found.setdefault(".".join(parts[:size]), set()).add(
                        canonical(dist.metadata["Name"])
                    )
    return found


def owner(name: str, known: dict[str, set[str]]) -> set[str]:
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        if dists := known.get(".".join(parts[:size])):
            return dists
    return set()


def test_every_import_is_a_named_requirement() -> None:
    known = owners()
    wanted = named(PROJECT["dependencies"]).union(*(named(EXTRAS[name]) for name in EXTRAS))
    missing = {
        name: sorted(files)
        for name, files in imported().items()
        if name.partition(".")[0] not in ONLY_IF_BROUGHT and not owner(name, known) & wanted
    }
    assert not missing


def test_every_requirement_is_imported() -> None:
    known = owners()
    used = {dist for name in imported() for dist in owner(name, known)}
    for extra, requirements in {"": PROJECT["dependencies"], **EXTRAS}.items():
        if extra != "dev":
            assert not named(requirements) - used - NOT_IMPORTED, extra
