"""Who asks for a tuning job: a home folder, and the person and machine that work in it."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

FILE = "home_id"


@dataclass(frozen=True, slots=True)
class Owner:
    """The home at `folder`; without one nobody in particular."""

    folder: Path | None = None

    @property
    def id(self) -> str:
        """What stands for the home in a job's labels, made at the first call; empty without a
        home. Not its path: two machines may have the same one."""
        if self.folder is None:
            return ""
        file = self.folder / FILE
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = self.folder / f".{FILE}.{secrets.token_hex(4)}"
            draft.write_text(secrets.token_hex(8), encoding="utf-8")
            try:
                os.link(draft, file)  # whole or not at all, and never over another's
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_text(encoding="utf-8").strip()

    @property
    def says(self) -> str:
        """``anna on laptop (process 71, home /home/anna/work)``."""
        try:
            who = getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            who = f"user {os.getuid()}"
        where = f", home {self.folder.absolute()}" if self.folder else ""
        return f"{who} on {socket.gethostname()} (process {os.getpid()}{where})"
