"""Models by Hugging Face id or in a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.config import FolderModel
from runner.errors import BackendError, MissingExtraError
from runner.local.digests import file_digest
from runner.records import Progress

NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
PATTERNS = ["*.json", "*.jinja", "*.safetensors"]
"""What is fetched: never a pickle, never code."""


def hub_folder(model: FolderModel, progress: Progress, key: str = "model.path") -> Path:
    """The folder; fetched from the hub when `path` is no folder here. Raises BackendError when
    it lacks a file or cannot be fetched. `key` is where the configuration has the path."""
    folder = _local(model) or _fetched(model, progress, key)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not list(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise BackendError(
            f"{folder} is no model folder this backend can use: it lacks {', '.join(missing)}"
        )
    return folder


def hub_facts(model: FolderModel, cache: Path) -> dict[str, Any]:
    """What identifies the weights: the files' content for a folder; id and revision else."""
    folder = _local(model)
    if folder is None:
        return {"id": model.path, "revision": model.revision or "main"}
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    return {path.name: file_digest(path, cache) for path in files}


def _local(model: FolderModel) -> Path | None:
    folder = Path(model.path).expanduser()
    return folder.resolve() if folder.is_dir() else None


def _fetched(model: FolderModel, progress: Progress, key: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise MissingExtraError("huggingface_hub", "local", "A model by id") from error
    progress(0, 1, f"fetching {model.path}")
    try:
        return Path(snapshot_download(model.path, revision=model.revision, allow_patterns=PATTERNS))
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        raise BackendError(
            f"{key}: no folder {model.path!r} here, and the hub did not give it: "
            f"{str(error).splitlines()[0]}",
            transient=not isinstance(error, ValueError),
        ) from error
