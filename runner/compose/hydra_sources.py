"""Hydra config sources: folders of YAML files, and the experiment's folder as a group."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from runner.base.errors import ConfigError, Problem
from runner.compose.folders import is_own
from runner.compose.precedence import prevailing
from runner.compose.request import CURRENT, GROUP
from runner.compose.user_yaml import checked
from runner.compose.yaml_files import read_yaml

Header = dict[str, str | None]


def _package(header: Header, group: str) -> tuple[str, ...]:
    """The key that a file's content goes to, by its header or else by its group."""
    told = header["package"] or "_group_"
    parts = group.replace("/", ".") if told == "_group_" else told.removeprefix("_global_")
    return tuple(filter(None, parts.split(".")))


class ConfFolder(ConfigSource):
    """The packaged `conf/`. Hydra's own `file://` source reads each file again for each point,
    in pure Python; this one reads a file once, with libyaml."""

    @staticmethod
    def scheme() -> str:
        return "conf"

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.file(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found: {file}")
        header = self.header(file)
        return ConfigResult(
            provider=self.provider,
            path=f"{self.scheme()}://{self.path}",
            config=OmegaConf.create(self.prevailing(file, config_path, header)),
            header=header,
        )

    def prevailing(self, file: Path, config_path: str, header: Header) -> dict[str, Any]:
        """The file's mapping without what something stronger takes the place of."""
        content = self.content(file, config_path)
        group = config_path.rpartition("/")[0]
        return prevailing(CURRENT.get(), content, file, group, _package(header, group))

    def content(self, file: Path, config_path: str) -> dict[str, Any]:
        """The file's mapping; shared between calls."""
        content = read_yaml(file)
        return content if isinstance(content, dict) else {}

    def header(self, file: Path) -> Header:
        with file.open(encoding="utf-8") as lines:
            return self._get_header_dict(lines.read(512))

    def file(self, config_path: str) -> Path:
        return Path(self.path) / f"{config_path.removesuffix('.yaml')}.yaml"

    def available(self) -> bool:
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        return (Path(self.path) / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return self.file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        found: list[str] = []
        for file in sorted((Path(self.path) / config_path).iterdir()):
            if not file.name.startswith("."):
                path = f"{config_path}/{file.name}".lstrip("/")
                self._list_add_result(found, path, file.name, results_filter)
        return found


class UserFolder(ConfFolder):
    """A user's `conf/`: every file is checked before Hydra composes it; mere copies of packaged
    files are as if they were not there."""

    @staticmethod
    def scheme() -> str:
        return "user-conf"

    def is_config(self, config_path: str) -> bool:
        return is_own(self.file(config_path), Path(self.path))

    def content(self, file: Path, config_path: str) -> dict[str, Any]:
        group = PurePosixPath(config_path).parent.as_posix()
        return checked(file, "" if group == "." else group, CURRENT.get())

    def header(self, file: Path) -> Header:
        header = super().header(file)
        package = (header["package"] or "").removeprefix("_global_.")
        if package.split(".")[0] == "hydra":
            raise ConfigError(
                [Problem("", f"a file of yours cannot go to the package {package}", f"{file}:1")]
            )
        return header


class ExperimentFolder(UserFolder):
    """The folder of the experiment's file, its YAML files as options of `GROUP`."""

    @staticmethod
    def scheme() -> str:
        return "experiment"

    def content(self, file: Path, config_path: str) -> dict[str, Any]:
        return {"name": file.stem, **super().content(file, config_path)}

    def header(self, file: Path) -> Header:
        return {**super().header(file), "package": "_global_"}

    def file(self, config_path: str) -> Path:
        return CURRENT.get().file_of(config_path)

    def is_group(self, config_path: str) -> bool:
        return config_path == GROUP

    def is_config(self, config_path: str) -> bool:
        return config_path.startswith(f"{GROUP}/") and self.file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path != GROUP:
            return [GROUP] if results_filter != ObjectType.CONFIG else []
        if results_filter == ObjectType.GROUP:
            return []
        return sorted(file.stem for file in Path(self.path).glob("*.yaml"))
