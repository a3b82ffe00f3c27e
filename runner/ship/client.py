"""Writing the folder `ship`: the client's settings, and its two files of Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

IMPORT = "from runner.ship.prompt import"
BESIDE = "from prompt import"


def write_client(client: Mapping[str, Any], folder: Path) -> Path:
    """Write ``ask.py``, ``prompt.py`` and ``client.json`` into `folder`; returns ask.py.

    The files stand alone: they need neither this package nor its store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asker = "ask_gemini.py" if client["kind"] == "vertex" else "ask_local.py"
    ask = folder / "ask.py"
    ask.write_text(_source(asker).replace(IMPORT, BESIDE), encoding="utf-8")
    (folder / "prompt.py").write_text(_source("prompt.py"), encoding="utf-8")
    text = json.dumps(client, indent=1, ensure_ascii=False)
    (folder / "client.json").write_text(text + "\n", encoding="utf-8")
    return ask


def _source(name: str) -> str:
    return files("runner.ship").joinpath(name).read_text(encoding="utf-8")
