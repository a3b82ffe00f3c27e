"""Requests a second of the engine that asks a model, beside Inspect and lm-evaluation-harness.

    python benchmarks/asking.py --peers PYTHON [--rounds 5] [--concurrency 20 100]
    python benchmarks/asking.py --quota

Everyone puts the same questions to a stub in the same process, so many at a time, in processes of
their own, rounds interleaved (A B C A B C ...); ratios are formed within a round. The stub answers
at once, or after 0.1 seconds, where nobody can do better than concurrency / 0.1 s.

    engine          `ask_all`: concurrency, rate, retries
    kept            the whole way of a run: every answer on the ledger as paid, then in the cache
    inspect         Inspect's model API, asked from one event loop
    inspect_eval    `inspect_ai.eval`: with its log, without its display
    lm_eval         `generate_until` of lm-evaluation-harness's API model
    lm_eval_cached  the same, each answer in its SQLite cache

`--quota`: 1,000 calls against a service that bears 50 a second (a bucket of 50), for several
latencies, each way of the engine: seconds, refusals, lost answers, and the ratio to the optimum,
which is (calls - bucket) / rate + latency.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from memory import touch

PEERS = ("inspect", "inspect_eval", "lm_eval", "lm_eval_cached")
LATENCIES = (0.0, 0.1)
CALLS, RATE, BUCKET = 1000, 50.0, 50
"""Of the service with a quota: calls a second, and how many more go at once."""


def questions(count: int) -> list[str]:
    return [f"Question {n}: what is the fee for card {n * 7919 % 10_000}?" for n in range(count)]


def answer_of(question: str) -> str:
    return question[-12:]


# The engine of this project.


class Quota(Exception):
    """Too many calls."""


class Bucket:
    """A service with a quota: a token bucket, looked at when a call comes in."""

    def __init__(self, rate: float, size: int) -> None:
        self.rate, self.size = rate, size
        self.level, self.at = float(size), time.monotonic()
        self.lock = threading.Lock()
        self.refusals = 0

    def take(self) -> None:
        with self.lock:
            now = time.monotonic()
            self.level = min(self.size, self.level + (now - self.at) * self.rate)
            self.at = now
            if self.level < 1:
                self.refusals += 1
                raise Quota
            self.level -= 1


def ask(count: int, latency: float, limits: Any, bucket: Bucket | None = None) -> Iterator[Any]:
    from runner.inference import Failure, ask_all
    from runner.records import Prediction, Request

    def call(request: Request) -> Prediction:
        if bucket:
            bucket.take()
        if latency:
            time.sleep(latency)
        text = request.contents[0].text
        return Prediction(request.id, answer_of(text), prompt_tokens=12, output_tokens=3)

    def classify(error: Exception, attempt: int) -> Failure:
        return Failure("quota" if isinstance(error, Quota) else "fatal", "429", error)

    return ask_all(call, classify, requests(count), limits)


def requests(count: int) -> list[Any]:
    from runner.records import Request, Turn

    return [Request(str(n), (Turn("user", text),)) for n, text in enumerate(questions(count))]


def limits_of(concurrency: int) -> Any:
    from runner.config import OnlineCalls

    return OnlineCalls(start=concurrency, ceiling=concurrency)


def engine(count: int, concurrency: int, latency: float, folder: Path) -> list[str]:
    found = list(ask(count, latency, limits_of(concurrency)))
    return [one.text for one in sorted(found, key=lambda one: int(one.id))]


def kept(count: int, concurrency: int, latency: float, folder: Path) -> list[str]:
    from runner.config import Budget
    from runner.inference import PredictionCache, predict
    from runner.money import Account, Band
    from runner.records import Generation
    from runner.store.ledger import Ledger

    config: Any = SimpleNamespace(
        name="asking",
        model=SimpleNamespace(priced=None),
        backend=SimpleNamespace(batched_from=None, rehearsal=False),
        budget=Budget(arm=1e6, experiment=1e6, month=1e6),
    )
    account = Account(Ledger(folder / "home"), config, "e" * 64, "a" * 64)
    rate = Band(1e-6, 1e-6)

    def pay(answers: Iterator[Any], number: int) -> Iterator[Any]:
        return account.paying(
            "label", "test", answers, tuned=False, requests=number, rates=(rate, rate)
        )

    def generate(missing: Any) -> Iterator[Any]:
        return ask(count, latency, limits_of(concurrency))

    cache = PredictionCache(folder / "answers.db")
    found = predict(requests(count), generate, cache, {"model": "m"}, Generation(8), pay=pay)
    paid = sum(item.tokens for item in account.accounts.spendings())
    if paid != 15 * count:
        raise SystemExit(f"{paid} tokens on record, {15 * count} bought")
    return [answer.text for answer in found]


# The peers, each as its own documentation has it.


def inspect_api(latency: float) -> Any:
    """The name under which Inspect knows a model that answers in this process."""
    import asyncio

    from inspect_ai.model import ModelAPI, ModelOutput, modelapi

    class Stub(ModelAPI):
        def max_connections(self) -> int:
            return 1000  # what is asked for counts

        async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> Any:
            if latency:
                await asyncio.sleep(latency)
            return ModelOutput.from_content(self.model_name, answer_of(input[-1].text))

    @modelapi(name="stub")
    def stub() -> type[ModelAPI]:
        return Stub

    return "stub/model"


def inspect(count: int, concurrency: int, latency: float, folder: Path) -> list[str]:
    import asyncio

    from inspect_ai.model import GenerateConfig, get_model

    name = inspect_api(latency)

    async def everything() -> list[str]:
        model = get_model(name, config=GenerateConfig(max_connections=concurrency))
        places = asyncio.Semaphore(concurrency)  # without `eval` nothing else holds calls back

        async def one(text: str) -> str:
            async with places:
                return (await model.generate(text)).completion

        return await asyncio.gather(*map(one, questions(count)))

    return asyncio.run(everything())


def inspect_eval(count: int, concurrency: int, latency: float, folder: Path) -> list[str]:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample

    samples = [Sample(input=text, id=n) for n, text in enumerate(questions(count))]
    (log,) = eval(
        Task(dataset=MemoryDataset(samples)),
        model=inspect_api(latency),
        max_connections=concurrency,
        max_samples=concurrency,
        display="none",
        log_dir=str(folder / "logs"),
        log_realtime=False,
    )
    found = sorted(log.samples or [], key=lambda one: int(one.id))
    return [one.output.completion for one in found]


def lm_eval(count: int, concurrency: int, latency: float, folder: Path) -> list[str]:
    return _lm_eval(count, concurrency, latency, None)


def lm_eval_cached(count: int, concurrency: int, latency: float, folder: Path) -> list[str]:
    return _lm_eval(count, concurrency, latency, folder / "lm_eval.db")


def _lm_eval(count: int, concurrency: int, latency: float, cache: Path | None) -> list[str]:
    """Its own API model and `amodel_call`; only the HTTP session is the stub."""
    import asyncio

    from lm_eval.api.instance import Instance
    from lm_eval.api.model import CachingLM
    from lm_eval.models import api_models, openai_completions

    class Response:
        ok = True

        def __init__(self, text: str) -> None:
            self.text = text

        async def __aenter__(self) -> Response:
            if latency:
                await asyncio.sleep(latency)
            return self

        async def __aexit__(self, *error: object) -> None: ...

        def raise_for_status(self) -> None: ...

        async def json(self) -> dict[str, Any]:
            return {"choices": [{"index": 0, "text": answer_of(self.text)}]}

    class Session:
        def __init__(self, **options: Any) -> None: ...

        async def __aenter__(self) -> Session:
            return self

        async def __aexit__(self, *error: object) -> None: ...

        def post(self, url: str, json: Any, headers: Any) -> Response:
            return Response(
                json["prompt"][0] if isinstance(json["prompt"], list) else json["prompt"]
            )

    api_models.ClientSession = Session
    made: Any = openai_completions.LocalCompletionsAPI(
        model="stub",
        base_url="http://stub",
        tokenizer_backend=None,
        num_concurrent=concurrency,
    )
    if cache is not None:
        made = CachingLM(made, str(cache))
    how = {"max_gen_toks": 8, "until": []}
    asked = [
        Instance("generate_until", {}, (text, how), n) for n, text in enumerate(questions(count))
    ]
    return list(made.generate_until(asked))


CONTENDERS: dict[str, Callable[[int, int, float, Path], list[str]]] = {
    work.__name__: work for work in (engine, kept, inspect, inspect_eval, lm_eval, lm_eval_cached)
}


def work(name: str, count: int, concurrency: int, latency: float) -> None:
    """One contender's run, in this process; a short one before it loads and warms everything."""
    ask_all_of = CONTENDERS[name]
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere),  # progress bars
    ):
        ask_all_of(20, concurrency, 0.0, Path(folder) / "warm")
        clock, cpu = time.perf_counter(), time.process_time()
        found = ask_all_of(count, concurrency, latency, Path(folder) / "timed")
        spent = time.perf_counter() - clock, time.process_time() - cpu
    if found != [answer_of(text) for text in questions(count)]:
        raise SystemExit(f"{name} gave other answers, {len(found)} of {count}")
    print(json.dumps({"wall": spent[0], "cpu": spent[1]}))


def compare(arguments: argparse.Namespace, concurrency: int, latency: float) -> None:
    """All contenders, round by round, and what came of it."""
    count = arguments.requests if not latency else round(concurrency / latency * arguments.seconds)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.contenders}
    for _ in range(arguments.rounds):
        for name in arguments.contenders:
            python = arguments.peers if name in PEERS else sys.executable
            given = ("--work", name, str(count), str(concurrency), str(latency))
            done = subprocess.run(
                [python, __file__, *given], check=True, stdout=subprocess.PIPE, text=True
            )
            results[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"\n{count:,} requests, {concurrency} at a time, answers after {latency:g} s")
    print(f"{'':15}{'requests/s':>11}{'CPU ms each':>12}{'of limit':>9}  the first's rate / this")
    first = next(iter(results.values()))
    for name, rounds in results.items():
        wall = statistics.median(one["wall"] for one in rounds)
        cpu = statistics.median(one["cpu"] for one in rounds)
        ratios = sorted(a["wall"] / b["wall"] for a, b in zip(rounds, first, strict=True))
        limit = f"{count * latency / concurrency / wall:.1%}" if latency else ""
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(f"{name:15}{count / wall:11,.0f}{1000 * cpu / count:12.3f}{limit:>9}  {spread}")


def against_quota() -> None:
    """What a limit of calls a second costs."""
    from runner.config import OnlineCalls

    print(f"\n{CALLS:,} calls against {RATE:g} a second, bucket of {BUCKET}")
    print(f"{'latency':>8}{'seconds':>9}{'optimum':>9}{'ratio':>7}{'refused':>9}{'lost':>6}")
    for latency in (0.0, 0.1, 0.2, 1.0):
        bucket = Bucket(RATE, BUCKET)
        clock = time.perf_counter()
        found = list(ask(CALLS, latency, OnlineCalls(), bucket))
        wall = time.perf_counter() - clock
        optimum = (CALLS - BUCKET) / RATE + latency
        lost = CALLS - sum(not one.error for one in found)
        print(
            f"{latency:8.1f}{wall:9.2f}{optimum:9.2f}{wall / optimum:7.3f}"
            f"{bucket.refusals:9}{lost:6}",
            flush=True,
        )


def versions(python: str) -> dict[str, str]:
    """Of the peers, as their interpreter has them; empty where it lacks them."""
    given = [python, __file__, "--versions"]
    done = subprocess.run(given, check=False, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def tell_versions() -> None:
    found = {"python": platform.python_version()}
    for name in ("inspect-ai", "lm-eval"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--concurrency", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--requests", type=int, default=2000, help="to the stub without latency")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the stub with latency")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--quota", action="store_true", help="only the service with a quota")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--versions", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.versions:
        return tell_versions()
    if arguments.work:
        name, count, concurrency, latency = arguments.work
        return work(name, int(count), int(concurrency), float(latency))
    if arguments.quota:
        return against_quota()
    has = versions(arguments.peers)
    wanted = {"inspect": "inspect-ai", "lm_eval": "lm-eval"}
    for start, package in wanted.items():
        left_out = [name for name in arguments.contenders if name.startswith(start)]
        if package not in has and left_out:
            print(f"{arguments.peers} has no {package}: without {', '.join(left_out)}")
            arguments.contenders = [one for one in arguments.contenders if one not in left_out]
    print(f"python {sys.argv} peers {json.dumps(has)}, load {os.getloadavg()}")
    touch()
    for latency in LATENCIES:
        for concurrency in arguments.concurrency:
            compare(arguments, concurrency, latency)
    return None


if __name__ == "__main__":
    main()
