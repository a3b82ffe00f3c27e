"""The host side: no torch, cheap identity, devices, clear words when a package is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.backends.local import backend
from runner.backends.local.backend import LocalBackend
from runner.backends.local.process import require
from runner.base.errors import BackendError, MissingExtraError
from tests.backends.local import making


def test_host_imports_no_torch(models: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.backends.local import making;"
        "from runner.backends.local.backend import LocalBackend;"
        f"b = LocalBackend(making.experiment(Path({str(models)!r})), Path({str(tmp_path)!r}));"
        "b.setup(lambda *a: None); b.identity(); b.count_tokens([making.example(1)]); b.find('x');"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_identity_names_what_shapes_results(models: Path, tmp_path: Path) -> None:
    def identity(**settings: object) -> dict[str, object]:
        return LocalBackend(making.experiment(models, **settings), tmp_path).identity()

    first = identity()
    assert first == identity()
    assert identity(threads=2) != first
    assert first["precision"] == "float32"
    versions = first["versions"]
    assert isinstance(versions, dict)
    assert {"torch", "trl", "peft", "transformers"} <= versions.keys()
    other = making.TINY.model_copy(update={"seed": 9})
    changed = LocalBackend(making.experiment(models, model=other), tmp_path).identity()
    assert changed["weights"] != first["weights"]


def test_missing_package_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"sft-runner\[local\]") as caught:
        require(["json", "no_such_package_at_all"], "Tuning on this machine")
    assert caught.value.extra == "local"
    assert "no_such_package_at_all" in str(caught.value)


def test_cuda_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BackendError, match=r"backend\.device=cpu"):
        backend.resolve("cuda")
    assert backend.resolve("auto") == backend.Device("cpu", 1)


def test_devices_share_a_batch_evenly(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "version", lambda package: "2.13.0+cu130")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    host = LocalBackend(making.experiment(models, device="auto"), tmp_path)
    assert host.device == backend.Device("cuda", 3)
    assert host.processes == 2  # 8 rows a batch
    assert host.identity()["precision"] == "bfloat16"


def test_quota_of_a_container_limits_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(backend, "_QUOTA", quota)
    quota.write_text("100000 100000\n")
    assert backend.cores() == 1
    quota.write_text("max 100000\n")
    unlimited = backend.cores()
    quota.unlink()
    assert backend.cores() == unlimited >= 1
