"""The queue: as many jobs at a time as the quota has, the others wait in order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runner.emulator.registry import StoredResource
from runner.emulator.service import JobWatch
from runner.emulator.tuning_job import TuningRun

if TYPE_CHECKING:
    from runner.emulator.service import EmulatedService

KIND = "tuningJobs"
WAITING = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING")
ALIVE = (*WAITING, "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING")


class JobQueue:
    """One thread a slot of the quota takes the oldest waiting job and sees it through."""

    def __init__(self, service: EmulatedService, quota: int) -> None:
        self.service = service
        self.quota = quota
        self._news = threading.Condition()
        self._watches: dict[str, JobWatch] = {}
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"tuning-{number}", daemon=True)
            for number in range(quota)
        ]

    def start(self) -> None:
        """Take up the jobs that an earlier emulator left, and wait for more."""
        for job in self.service.registry.all(KIND):
            if job.body["state"] in ALIVE[2:]:
                self.service.registry.change(job, {"state": "JOB_STATE_PENDING"})
        for thread in self._threads:
            thread.start()

    def first_state(self) -> dict[str, Any]:
        """How a job that is created now begins."""
        busy = sum(job.body["state"] in ALIVE for job in self.service.registry.all(KIND))
        if busy >= self.quota:
            return {
                "state": "JOB_STATE_QUEUED",
                "tuningJobState": "TUNING_JOB_STATE_WAITING_FOR_QUOTA",
            }
        return {"state": "JOB_STATE_PENDING"}

    def notice(self) -> None:
        """There is a new job."""
        with self._news:
            self._news.notify_all()

    def cancel(self, job: StoredResource) -> None:
        """End a job wherever it is."""
        with self._news:
            watch = self._watches.get(job.name)
            if watch:
                watch.stop()
                return
        TuningRun(self.service, job, JobWatch(self.service.clock)).cancelled()

    def close(self) -> None:
        """Stop the threads; running jobs are taken up again by the next emulator."""
        with self._news:
            self._closing = True
            self._news.notify_all()
            for watch in self._watches.values():
                watch.stop()
        for thread in self._threads:
            if thread.ident:
                thread.join()

    @property
    def closing(self) -> bool:
        return self._closing

    def _work(self) -> None:
        while taken := self._next():
            job, watch = taken
            try:
                TuningRun(self.service, job, watch).run()
            finally:
                with self._news:
                    del self._watches[job.name]

    def _next(self) -> tuple[StoredResource, JobWatch] | None:
        with self._news:
            while not self._closing:
                for job in self.service.registry.all(KIND):
                    if job.body["state"] in WAITING and job.name not in self._watches:
                        watch = self._watches[job.name] = JobWatch(self.service.clock)
                        return job, watch
                self._news.wait()
        return None
