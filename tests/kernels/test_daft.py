"""Near-duplicates on Daft, embedded and on a Ray cluster: the clusters of the one machine."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from runner.base.errors import BackendError, MissingExtraError
from runner.kernels.minhash import MinHashSettings, near_clusters
from runner.prepare.kernel_settings import kernel_errors

pytest.importorskip("daft", reason="the extra 'scale' is not installed")


def texts(count: int) -> list[str]:
    """Random texts, a sixth of them with one to three near copies, in random order; some are
    empty, some are no ASCII, one holds half a surrogate pair."""
    rng = random.Random(5)
    words = [f"w{at}" for at in range(2000)] + ["größer", "東京", "naïve"]
    made = ["", "", "\ud800 lone", "short one"]
    for _ in range(count):
        words_here = [rng.choice(words) for _ in range(60)]
        made.append(" ".join(words_here))
        for _ in range(rng.randint(1, 3) if rng.random() < 0.16 else 0):
            changed = list(words_here)
            changed[rng.randrange(60)] = "changed"
            made.append(" ".join(changed))
    rng.shuffle(made)
    return made


def chain(count: int) -> list[str]:
    """Texts of which only neighbours are alike."""
    return [" ".join(f"c{at}" for at in range(2 * n, 2 * n + 30)) for n in range(count)]


def test_embedded_daft_finds_the_same_clusters(tmp_path: Path) -> None:
    given = texts(900)
    given += chain(60)
    here = near_clusters(given, MinHashSettings())
    there = near_clusters(given, MinHashSettings(engine="daft"), folder=tmp_path)
    assert len(here) > 80
    assert list(there) == list(here)
    assert list(tmp_path.iterdir()) == []


def test_a_large_bucket_is_proposed_alike(tmp_path: Path) -> None:
    """More equal texts than a bucket's rows are compared with."""
    given = [*["the same text again and again"] * 150, *texts(20)]
    here, there = (
        near_clusters(given, MinHashSettings(engine=engine), folder=tmp_path)
        for engine in ("local", "daft")
    )
    assert list(there) == list(here)
    assert max(len(one.members) for one in here) == 149


def test_the_representative_is_chosen_here(tmp_path: Path) -> None:
    import numpy as np

    given = texts(200)
    priority = np.array([len(text) for text in given], float)
    here = near_clusters(given, MinHashSettings(), priority)
    there = near_clusters(given, MinHashSettings(engine="daft"), priority, tmp_path)
    assert [one.kept for one in there] == [one.kept for one in here]


def test_without_daft(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "daft", None)
    install = r"pip install 'sft-runner\[scale\]'"
    with pytest.raises(MissingExtraError, match=install), kernel_errors():
        near_clusters(["a", "b"], MinHashSettings(engine="daft"))


def test_a_failure_inside_daft_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "runner.kernels.minhash.daft.write_parquet", lambda *given: ["/nowhere.parquet"]
    )
    failed = r"Daft \(daft\) could not finish"
    with pytest.raises(BackendError, match=failed), kernel_errors():
        near_clusters(["a", "b"], MinHashSettings(engine="daft"), folder=tmp_path)


@pytest.mark.slow
@pytest.mark.enable_socket
def test_a_ray_cluster_of_two_workers_finds_the_same_clusters(tmp_path: Path) -> None:
    """In a process of its own: Daft keeps the runner it was given first."""
    pytest.importorskip("ray")
    code = Path(__file__).with_name("ray_cluster.py")
    done = subprocess.run(
        [sys.executable, str(code), str(tmp_path)], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 workers, equal: True" in done.stdout


def test_an_address_without_a_ray_cluster_is_named() -> None:
    pytest.importorskip("ray")
    config = MinHashSettings(engine="ray", ray_address="nonsense")
    unreached = "Ray cannot be reached at nonsense: "
    with pytest.raises(BackendError, match=unreached), kernel_errors():
        near_clusters(["a", "b"], config)


ON_RAY = """
from runner.kernels.minhash import MinHashSettings, near_clusters
near_clusters(["one two three four", "one two three four"], MinHashSettings(engine="ray"))
"""


@pytest.mark.slow
@pytest.mark.enable_socket
def test_a_ray_of_this_machine_says_nothing_of_its_own() -> None:
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY], capture_output=True, text=True, timeout=400, check=True
    )
    said = done.stdout + done.stderr
    assert not [line for line in said.splitlines() if "INFO" in line or "WARNING" in line]
    assert "Started a local Ray" not in said
