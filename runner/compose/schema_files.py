"""The schema files that the headers of the shipped YAML files point to.

``python -m runner.compose.schema_files`` writes them; a test fails when they are stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from runner.compose.folders import groups, packaged_conf
from runner.compose.schema import group_schema, schema_json

FOLDER = ".schema"
"""Below `conf/`, so that it comes along in a wheel."""


def schema_files() -> dict[Path, str]:
    """The files that belong below `conf/.schema`, with their content."""
    folder = packaged_conf() / FOLDER
    # Options of `debug` go to the top, so they are written like an experiment.
    named = {
        group.replace("/", "."): group_schema(group) for group in groups(()) if group != "debug"
    }
    schemas = {"experiment": schema_json(), **named}
    return {
        folder / f"{name}.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def main() -> None:
    """Write the schema files, and take away those of groups that are gone."""
    files = schema_files()
    folder = packaged_conf() / FOLDER
    folder.mkdir(exist_ok=True)
    for stale in set(folder.glob("*.json")) - set(files):
        stale.unlink()
    for file, content in files.items():
        file.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
