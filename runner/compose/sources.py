"""Hydra config sources: folders of YAML files, and the experiment's folder as a group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from runner.compose.request import CURRENT, GROUP
from runner.compose.yaml_files import read_yaml


class ConfFolder(ConfigSource):
    """A `conf/` folder. Hydra's own `file://` source re-reads each file for each point in
    pure Python; this one reads a file once, with libyaml."""

    @staticmethod
    def scheme() -> str:
        return "conf"

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.file(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found: {file}")
        content = self.content(file)
        return ConfigResult(
            provider=self.provider,
            path=f"{self.scheme()}://{self.path}",
            config=OmegaConf.create(content),
            header=self.header(file),
        )

    def content(self, file: Path) -> Any:
        content = read_yaml(file)
        return {} if content is None else content

    def header(self, file: Path) -> dict[str, str | None]:
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
            self._list_add_result(found, f"{config_path}/{file.name}", file.name, results_filter)
        return found


class ExperimentFolder(ConfFolder):
    """The folder of the experiment's file, its YAML files as options of `GROUP`."""

    @staticmethod
    def scheme() -> str:
        return "experiment"

    def content(self, file: Path) -> Any:
        content = super().content(file)
        return {"name": file.stem, **content} if isinstance(content, dict) else content

    def header(self, file: Path) -> dict[str, str | None]:
        return {**super().header(file), "package": "_global_"}

    def file(self, config_path: str) -> Path:
        request = CURRENT.get()
        name = config_path.removesuffix(".yaml")
        if name == f"{GROUP}/{request.option}":
            return request.file
        return Path(self.path) / f"{name.removeprefix(f'{GROUP}/')}.yaml"

    def is_group(self, config_path: str) -> bool:
        return config_path == GROUP

    def is_config(self, config_path: str) -> bool:
        return config_path.startswith(f"{GROUP}/") and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path != GROUP:
            return [GROUP] if results_filter != ObjectType.CONFIG else []
        if results_filter == ObjectType.GROUP:
            return []
        return sorted(file.stem for file in Path(self.path).glob("*.yaml"))
