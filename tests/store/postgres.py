"""A Postgres of the tests' own, from whatever Debian's package put on this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def binaries() -> Path | None:
    """The folder of the newest `initdb`, or None."""
    found = [
        path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").is_file()
    ]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    there = shutil.which("initdb")
    return Path(there).resolve().parent if there else None


@contextmanager
def cluster(binaries: Path) -> Iterator[str]:
    """URL of an empty database; the cluster listens on a socket in its own folder only."""
    # A socket's path may have 107 bytes: pytest's folders are too deep for it.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    who = _owner(folder)
    data = folder / "data"
    command = [str(binaries / "initdb"), "-D", str(data), "-U", "sft", "-A", "trust", "-N"]
    subprocess.run([*command, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, **who)
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    log = ["-l", str(folder / "log")]
    try:
        subprocess.run(
            [*control, *log, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, **who
        )
        yield f"postgresql://sft@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], capture_output=True, **who)
        shutil.rmtree(folder)


def _owner(folder: Path) -> dict[str, Any]:
    """Who runs it: Postgres refuses root."""
    if os.getuid():
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    chosen = names.get("postgres") or names["nobody"]
    os.chown(folder, chosen.pw_uid, chosen.pw_gid)
    return {
        "user": chosen.pw_uid,
        "group": chosen.pw_gid,
        "extra_groups": [],
        "cwd": folder,
    }
