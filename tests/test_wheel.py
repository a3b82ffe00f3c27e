"""The package as it is installed: a wheel, unpacked, away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.tiny import write

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel puts into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    options = ["--disable-pip-version-check", "-w", str(folder), str(ROOT)]
    done = subprocess.run([sys.executable, "-m", *build, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def plan(site: Path, experiment: Path, *words: str) -> str:
    """What the unpacked package's `sft plan` prints, started in the experiment's folder."""
    command = [sys.executable, "-m", "runner", "plan", experiment.name, *words]
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=experiment.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_plans_with_its_own_conf_and_the_users_before_it(
    installed: Path, tmp_path: Path
) -> None:
    experiment = write(tmp_path, sizes=[8], shots="[]")
    # The checkout's conf beside the experiment, as in a clone that an installed sft is used on.
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    alone = json.loads(plan(installed, experiment, "--json"))
    assert alone["shadowed"] == []
    assert [arm["state"] for arm in alone["arms"]] == ["new", "new"]

    own = tmp_path / "conf/template/plain.yaml"
    own.write_text('name: plain\nsystem: You sort the mail of a shop.\nprompt: "{{ text }}"\n')
    packaged = installed / "runner/conf/template/plain.yaml"
    mine = json.loads(plan(installed, experiment, "--json"))
    assert mine["shadowed"] == [[str(own), str(packaged)]]
    assert mine["arms"][1]["digest"] != alone["arms"][1]["digest"]
    assert mine["arms"][1]["tokens_high"] > alone["arms"][1]["tokens_high"]
    assert f"your {own} takes precedence over {packaged}" in plan(installed, experiment)
