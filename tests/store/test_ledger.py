"""What the ledger keeps over kills, in a file and on a server alike."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.base.errors import BudgetError, SftError
from runner.records import Resource
from runner.records.experiments import ExperimentResult
from runner.records.looks import SplitRows
from runner.records.results import ArmResult, Score, Scores, Spending, Spent
from runner.store.ledger import Ledger, now_ms
from runner.store.tables import note_place
from runner.verbs.common import open_ledger as of_home
from tests.store.damaging import cut

NAN = float("nan")
DATA = Path(__file__).parent / "data"

Opener = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same ledger again and again, as processes of one home do."""
    if request.param == "sqlite":
        return lambda: Ledger(tmp_path)
    url = request.getfixturevalue("postgres")
    return lambda: Ledger(tmp_path, url)


def experiment() -> ExperimentResult:
    arms = [ArmResult(digest=f"d{n}", name=f"arm {n}", kind="tuned") for n in range(3)]
    return ExperimentResult(name="x", digest="e1", file="/x.yaml", arms=arms, started_ms=5)


def test_arms_done_stay_done_and_others_start_again(open_ledger: Opener) -> None:
    ledger = open_ledger()
    first = ledger.begin(experiment())
    ledger.put_arm("e1", first.arms[0].model_copy(update={"status": "done"}))
    ledger.put_arm("e1", first.arms[1].model_copy(update={"status": "running"}))
    ledger.put_arm("e1", first.arms[2].model_copy(update={"status": "failed", "error": "no"}))
    again = open_ledger().begin(experiment())
    assert [arm.status for arm in again.arms] == ["done", "pending", "pending"]


def test_scores_that_are_nan_come_back(open_ledger: Opener) -> None:
    ledger = open_ledger()
    known = ledger.begin(experiment())
    score = Score(value=NAN, low=NAN, high=float("inf"), n=0)
    test = Scores(split="test", rows=0, overall={"exact_match": score})
    ledger.put_arm("e1", known.arms[0].model_copy(update={"test": test}))
    found = ledger.experiment("e1")
    assert found
    assert found.arms[0].test
    back = found.arms[0].test.overall["exact_match"]
    assert back.value != back.value
    assert back.high == float("inf")


def test_jobs_are_intended_before_they_end(open_ledger: Opener) -> None:
    ledger = open_ledger()
    ledger.intend_job("label", "smol", 1000)
    assert [job.state for job in ledger.jobs()] == ["intended"]
    ledger.end_job("label", "succeeded", 12.5)
    assert [(job.state, job.tokens, job.seconds) for job in ledger.jobs()] == [
        ("succeeded", 1000, 12.5)
    ]


def test_experiments_come_newest_first(open_ledger: Opener) -> None:
    ledger = open_ledger()
    ledger.begin(experiment())
    ledger.begin(experiment().model_copy(update={"digest": "e2", "started_ms": 9}))
    assert [found.digest for found in ledger.experiments("x")] == ["e2", "e1"]
    assert ledger.experiments("y") == []
    assert ledger.experiment("e3") is None


def test_what_was_synced_is_remembered(open_ledger: Opener) -> None:
    ledger = open_ledger()
    ledger.begin(experiment())
    assert ledger.synced("e1") == ""
    ledger.mark_synced("e1", "there")
    assert open_ledger().synced("e1") == "there"


def test_a_damaged_ledger_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database, it is a text of some length" * 30)
    with pytest.raises(SftError, match="move it away"):
        Ledger(tmp_path)


def test_a_ledger_that_was_cut_says_what_to_do(tmp_path: Path) -> None:
    Ledger(tmp_path).begin(experiment())
    with sqlite3.connect(tmp_path / "ledger.db") as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cut(tmp_path / "ledger.db")
    with pytest.raises(SftError, match="move it away"):
        Ledger(tmp_path).experiments()


def test_a_result_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    Ledger(tmp_path).begin(experiment())
    with sqlite3.connect(tmp_path / "ledger.db") as base:
        base.execute("UPDATE arms SET result = '{}'")
    with pytest.raises(SftError, match="cannot be read"):
        Ledger(tmp_path).experiments()


def test_a_ledger_of_the_version_before_opens(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as base:
        base.executescript((DATA / "ledger_v0.sql").read_text())
    ledger = Ledger(tmp_path)
    (known,) = ledger.experiments("old")
    assert [arm.status for arm in known.arms] == ["done", "pending"]
    assert ledger.synced("e1") == "there"
    assert ledger.claims("e1") == [("d1", "job2"), ("d0", "job1")]
    assert [item.kind for item in ledger.resources(["job1"])] == ["object", "model", "endpoint"]
    assert [item.usd for item in ledger.spendings()] == [1.25, 0.5]
    assert ledger.spent("old", "d0").experiment == 1.75
    ledger.claim("e1", "d0", "job0")
    assert Ledger(tmp_path).claims("e1")[-1] == ("d0", "job0")
    # What was tested before is not in the count, and that is said.
    assert ledger.looks().looks == []
    assert Ledger(tmp_path).looks().older


def test_a_new_ledger_has_counted_from_the_start(open_ledger: Opener) -> None:
    assert not open_ledger().looks().older
    assert not open_ledger().looks().older


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.db") as base:
        base.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(SftError, match="later version"):
        Ledger(tmp_path)


def test_a_server_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SftError, match=r"store\.ledger") as caught:
        Ledger(tmp_path, "postgresql://me:Hunter2@127.0.0.1:1/none")
    assert "Hunter2" not in str(caught.value)


def test_verbs_find_a_ledger_on_a_server(tmp_path: Path, postgres: str) -> None:
    Ledger(tmp_path, postgres).begin(experiment())
    assert not (tmp_path / "ledger.db").exists()
    (found,) = of_home(str(tmp_path)).experiments()
    assert found.digest == "e1"


def test_the_url_that_is_left_in_the_home_has_no_password(tmp_path: Path) -> None:
    note_place(tmp_path, "postgresql://me:Hunter2@host/base?password=Hunter2&sslmode=require")
    left = (tmp_path / "ledger.url").read_text()
    assert left == "postgresql://me@host/base?sslmode=require"


def test_two_cannot_both_take_the_last_dollars(open_ledger: Opener) -> None:
    open_ledger().begin(experiment())

    def judge(spent: Spent) -> None:
        if spent.month + 1 > 5:
            raise BudgetError("too much")

    def take(number: int) -> bool:
        item = Spending(
            label=f"job{number}", what="tuning", experiment="e1", arm="d0", tokens=1, usd=1.0
        )
        try:
            open_ledger().hold(item.model_copy(update={"ms": now_ms()}), "x", judge)
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(16))) == 5


def test_several_open_an_empty_ledger_at_once(open_ledger: Opener) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: open_ledger().jobs(), range(8)))) == 8


def test_costs_add_up_and_are_settled_once(open_ledger: Opener) -> None:
    ledger = open_ledger()
    ledger.begin(experiment())
    job = Spending(label="j", what="tuning", experiment="e1", arm="d0", tokens=9, usd=2.0)
    held = job.model_copy(update={"ms": now_ms()})
    ledger.hold(held, "x", lambda _: None)
    assert ledger.spent("x", "d0").arm == 2.0
    assert ledger.spent("x", "d0", ["j"]).arm == 0.0
    for _ in range(2):
        ledger.settle(held.model_copy(update={"usd": 1.5}))
    ledger.release("j")
    answers = held.model_copy(update={"label": "q", "what": "test", "usd": 0.25})
    for _ in range(2):
        ledger.add_spending(answers)
    assert [(item.label, item.usd, item.settled) for item in ledger.spendings()] == [
        ("j", 1.5, True),
        ("q", 0.5, True),
    ]
    assert ledger.spendings(["q"])[0].tokens == 18
    assert ledger.spent("x", "").experiment == 2.0
    assert ledger.spent("x", "", rehearsal=True).month == 0.0


def test_a_spender_adds_up_and_each_is_there_for_others_at_once(open_ledger: Opener) -> None:
    ledger, other = open_ledger(), open_ledger()
    bill = {"label": "q", "what": "test", "experiment": "e1", "arm": "d0", "ms": now_ms()}
    one = Spending(**bill, tokens=9, usd=0.25)
    with ledger.spender() as spend:
        for times in range(1, 4):
            spend(one)
            assert other.spendings(["q"])[0].tokens == 9 * times
            other.add_spending(one.model_copy(update={"label": "other"}))
    assert [(item.label, item.tokens, item.usd) for item in ledger.spendings()] == [
        ("other", 27, 0.75),
        ("q", 27, 0.75),
    ]


def test_what_was_spent_outlives_a_kill(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from runner.records.results import Spending
from runner.store.ledger import Ledger
with Ledger(Path(sys.argv[1])).spender() as spend:
    for _ in range(3):
        spend(Spending(label="q", what="test", experiment="e", arm="a", tokens=5, usd=1.0, ms=1))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [(item.tokens, item.usd) for item in Ledger(tmp_path).spendings()] == [(15, 3.0)]


def test_claims_keep_their_order(open_ledger: Opener) -> None:
    ledger = open_ledger()
    for label in ("z", "a", "z"):
        ledger.claim("e1", "d0", label)
    assert ledger.claims("e1") == [("d0", "z"), ("d0", "a")]


def test_a_new_question_reaches_a_known_experiment(open_ledger: Opener) -> None:
    ledger = open_ledger()
    first = ledger.begin(experiment())
    for arm in first.arms:
        ledger.put_arm("e1", arm.model_copy(update={"status": "done"}))
    ledger.finish(first.model_copy(update={"ended_ms": 50}))
    moved = experiment().model_copy(update={"question": "why?", "file": "/y.yaml"})
    again = ledger.begin(moved)
    assert (again.question, again.file, again.ended_ms) == ("why?", "/y.yaml", 50)


def test_an_experiment_with_arms_to_do_is_not_finished(open_ledger: Opener) -> None:
    ledger = open_ledger()
    first = ledger.begin(experiment())
    ledger.finish(first.model_copy(update={"ended_ms": 50}))
    assert ledger.begin(experiment()).ended_ms == 0


def test_resources_are_recorded_once_and_shared_ones_are_known(open_ledger: Opener) -> None:
    ledger = open_ledger()
    data, model = Resource("object", "gs://b/data.jsonl"), Resource("model", "projects/p/models/1")
    ledger.add_resources("job1", [data, model])
    ledger.add_resources("job1", [data, model])
    ledger.add_resources("job2", [data])
    assert [(item.kind, item.name) for item in ledger.resources(["job1"])] == [
        ("object", data.name),
        ("model", model.name),
    ]
    assert ledger.sharers(data.name) == ["job1", "job2"]
    ledger.mark_deleted(data.name)
    assert ledger.sharers(data.name) == []
    gone = {item.name: bool(item.deleted_ms) for item in open_ledger().resources(["job1"])}
    assert gone == {data.name: True, model.name: False}
    ledger.add_resources("job1", [data])
    assert ledger.sharers(data.name) == [], "what was deleted does not come back by itself"
    ledger.add_resources("job1", [data], anew=True)
    assert ledger.sharers(data.name) == ["job1"], "uploaded again"


TESTED = SplitRows.of(["a", "b"])


def scored(arm: ArmResult, answers: str, **config: object) -> ArmResult:
    """The arm with a test score of its answers."""
    test = Scores(split="test", rows=2, overall={})
    done = {"status": "done", "test": test, "artifacts": {"predict": answers}, "ended_ms": 7}
    return arm.model_copy(update={**done, "config": {"suite": config}})


def test_a_look_is_recorded_once_for_each_question(open_ledger: Opener) -> None:
    ledger = open_ledger()
    first, second, third = ledger.begin(experiment()).arms
    for _ in range(2):
        ledger.put_arm("e1", scored(first, "p1"), TESTED)
    ledger.put_arm("e1", second.model_copy(update={"status": "done"}))
    # Another experiment with the same answers is no other look.
    ledger.begin(experiment().model_copy(update={"digest": "e2", "name": "y"}))
    ledger.put_arm("e2", scored(first, "p1"), TESTED)
    ledger.put_arm("e2", scored(third, "p3", sealed=True), TESTED)
    ledger.put_arm("e2", scored(third, "p3"), SplitRows.of(["c"]))
    book = open_ledger().looks()
    assert [(each.name, each.arm, each.recipe, each.sealed) for each in book.looks] == [
        ("x", "d0", "d0", False),
        ("y", "d2", "d2", True),
        ("y", "d2", "d2", False),
    ]
    assert book.looks[0].ms == 7
    assert book.splits[TESTED.digest] == TESTED
    assert len(book.splits) == 2


@pytest.mark.parametrize(("dies", "looks"), [("in", 0), ("after", 1)])
def test_an_arm_and_its_look_outlive_a_kill_together(tmp_path: Path, dies: str, looks: int) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from runner.store import ledger as room
from tests.store.test_ledger import TESTED, experiment, scored

def die(*given):
    real(*given)
    os.kill(os.getpid(), signal.SIGKILL)

ledger = room.Ledger(Path(sys.argv[1]))
arm = ledger.begin(experiment()).arms[0]
real = room.put_look
if sys.argv[2] == "in":
    room.put_look = die
ledger.put_arm("e1", scored(arm, "p1"), TESTED)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), dies], check=False)
    assert done.returncode == -signal.SIGKILL
    ledger = Ledger(tmp_path)
    found = ledger.experiment("e1")
    assert found
    assert len(ledger.looks().looks) == looks
    assert (found.arms[0].status == "done") == bool(looks)
