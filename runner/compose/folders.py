"""Where configuration is looked for: the packaged `conf/`, and the user's own before it."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from runner.compose.points import ShadowedFile


@cache
def packaged_conf() -> Path:
    """The defaults that come with the package: inside it in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def user_confs(experiment: Path) -> tuple[Path, ...]:
    """Folders named `conf` that take precedence over the packaged one, strongest first: beside
    the experiment, beside the experiment's folder, in the working directory."""
    parents = (experiment.parent, experiment.parent.parent, Path.cwd())
    found = dict.fromkeys((folder / "conf").resolve() for folder in parents)
    return tuple(path for path in found if path.is_dir() and path != packaged_conf())


LAUNCH = "launch.yaml"
"""How Hydra works here; only the packaged one counts, whatever a user's `conf/` holds."""


def is_own(file: Path, conf: Path) -> bool:
    """Whether `file` of a user's folder `conf` counts. A copy of the packaged file of that name,
    as a checkout has all of them, is nobody's choice: the packaged one is used as ever."""
    name = file.relative_to(conf)
    packaged = packaged_conf() / name
    if not file.is_file() or str(name) == LAUNCH:
        return False
    return not (packaged.is_file() and filecmp.cmp(file, packaged, shallow=False))


def shadows(confs: Sequence[Path]) -> tuple[ShadowedFile, ...]:
    """Packaged files that a file of the same name in one of `confs` takes the place of."""
    found: dict[Path, ShadowedFile] = {}
    for conf in confs:
        for file in sorted(conf.rglob("*.yaml")):
            packaged = packaged_conf() / file.relative_to(conf)
            if packaged.is_file() and is_own(file, conf):
                found.setdefault(packaged, ShadowedFile(user=file, packaged=packaged))
    return tuple(found.values())


def option_files(group: str, confs: Sequence[Path]) -> dict[str, Path]:
    """The options of a group with their files, sorted; none when there is no such group."""
    own = [file for conf in confs for file in (conf / group).glob("*.yaml") if is_own(file, conf)]
    files = [*own, *(packaged_conf() / group).glob("*.yaml")]
    strongest_last = {file.stem: file for file in reversed(files)}
    return dict(sorted(strongest_last.items()))


def options(group: str, confs: Sequence[Path]) -> list[str]:
    """Names of the options of a group, sorted; none when there is no such group."""
    return list(option_files(group, confs))


def groups(confs: Sequence[Path]) -> list[str]:
    """Every group there is, such as ``prepare`` and ``prepare/dedup``, sorted."""
    roots = (*confs, packaged_conf())
    return sorted(
        {
            path.relative_to(root).as_posix()
            for root in roots
            for path in root.rglob("*")
            if path.is_dir() and any(path.glob("*.yaml"))
        }
    )
