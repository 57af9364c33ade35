"""Completions as they trickle in: how long each waits for its PDF under Airflow, and where the time goes."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final, LiteralString

from pramaan.bench.issuance.airflow_api import Run, Task
from pramaan.bench.issuance.platform import ISSUING, Platform, wait_until
from pramaan.bench.issuance.synthetic_people import drop_completions
from pramaan.bench.measurement import Measurement
from pramaan.database.connect import Connection

__all__ = ["measure_stream", "measure_wake_ups"]

_PEOPLE_A_SECOND: Final = 10
_WAKE_UPS: Final = 5
_TIMEOUT_SECONDS: Final = 300.0

_ISSUED: LiteralString = """
    select certificates.user_id, extract(epoch from certificates.issued_at)::float, runs.scheduler_run_id
    from registry.certificates as certificates
    inner join ops.outcomes on certificates.certificate_id = outcomes.certificate_id
    inner join ops.runs as runs on outcomes.run_id = runs.run_id
    where certificates.user_id like %s || '-%%' and outcomes.status = 'issued'
"""


@dataclass(frozen=True, slots=True)
class _Passage:
    """A certificate's way: instants in seconds since 1970."""

    dropped_at: float
    issued_at: float
    run_id: str

    @property
    def seconds(self) -> float:
        return self.issued_at - self.dropped_at


def measure_wake_ups(platform: Platform) -> list[Measurement]:
    """Drop one person's completion on a platform at rest, some times over."""
    with platform.pipeline.connect() as connection:
        passages: list[_Passage] = []
        began = time.time()
        for number in range(_WAKE_UPS):
            name = f"alone{number}"
            drop = drop_completions(platform.landing, platform.folder, name=name, people=1)
            passages += _passages(connection, name, dict.fromkeys(drop.user_ids, drop.last_at))
            platform.rest(connection)
        runs = {run.run_id: run for run in platform.api.runs(ISSUING, since=began)}
    waits = [runs[one.run_id].started_at - one.dropped_at for one in passages]
    remark = f"at rest, a single completion; median of {_WAKE_UPS}"
    return [
        Measurement("a wake-up", median(waits), "s", None, f"file dropped to run started; {remark}"),
        Measurement(
            "one completion, alone",
            median(one.seconds for one in passages),
            "s",
            None,
            f"to its PDF; {remark}",
        ),
    ]


def measure_stream(
    platform: Platform, *, seconds: int, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Drop the completions of ten people each second, for so many seconds."""
    began = time.time()
    dropped: dict[str, float] = {}
    for second in range(seconds):
        drop = drop_completions(
            platform.landing, platform.folder, name=f"stream{second:05}", people=_PEOPLE_A_SECOND
        )
        dropped |= dict.fromkeys(drop.user_ids, drop.last_at)
        time.sleep(max(0.0, began + second + 1 - time.time()))
    report(f"Dropped {len(dropped):,} completions in {time.time() - began:.0f} s")
    with platform.pipeline.connect() as connection:
        passages = _passages(connection, "stream%", dropped)
        platform.rest(connection)
    return [
        *_latencies(passages, seconds=seconds),
        *_breakdown(
            passages,
            {run.run_id: run for run in platform.api.runs(ISSUING, since=began - _TIMEOUT_SECONDS)},
            platform.api.tasks(ISSUING, since=began - _TIMEOUT_SECONDS),
        ),
    ]


def _passages(connection: Connection, name: str, dropped: dict[str, float]) -> list[_Passage]:
    """Wait for the certificates of those who were dropped."""
    found: list[tuple[str, float, str]] = []

    def all_issued() -> bool:
        found[:] = connection.execute(_ISSUED, (name,)).fetchall()  # type: ignore[assignment]
        return len(found) >= len(dropped)

    wait_until(all_issued, seconds=_TIMEOUT_SECONDS, what=f"{len(dropped):,} certificates")
    return [_Passage(dropped[user_id], issued, run_id) for user_id, issued, run_id in found]


def _latencies(passages: Sequence[_Passage], *, seconds: int) -> list[Measurement]:
    cuts = quantiles((one.seconds for one in passages), n=100)
    remark = f"{_PEOPLE_A_SECOND} completions a second for {seconds} s, a file a second of each feed"
    slowest = max(one.seconds for one in passages)
    return [
        Measurement("file dropped to PDF recorded, p50", cuts[49], "s", "at most 10", remark),
        Measurement("file dropped to PDF recorded, p95", cuts[94], "s", "at most 20", remark),
        Measurement("file dropped to PDF recorded, slowest", slowest, "s", None, remark),
    ]


def _breakdown(
    passages: Sequence[_Passage], runs: dict[str, Run], tasks: Iterable[Task]
) -> list[Measurement]:
    """Where a certificate's time goes, at the median; and what a run takes."""
    by_run: dict[str, dict[str, Task]] = {}
    for task in tasks:
        # Of a step's chunks, the first to begin.
        known = by_run.setdefault(task.run_id, {}).get(task.task_id)
        if known is None or task.started_at < known.started_at:
            by_run[task.run_id][task.task_id] = task
    legs: dict[str, list[float]] = {}
    for one in passages:
        run, steps = runs[one.run_id], by_run[one.run_id]
        load, decide, chunk = (steps[name] for name in ("load_feeds", "make_decisions", "issue_chunk"))
        for name, took in {
            "waiting for a run": max(0.0, run.started_at - one.dropped_at),
            "scheduling load_feeds": load.started_at - run.started_at,
            "load_feeds": load.ended_at - max(load.started_at, one.dropped_at),
            "scheduling make_decisions": decide.started_at - load.ended_at,
            "make_decisions": decide.ended_at - decide.started_at,
            "scheduling issue_chunk": chunk.started_at - decide.ended_at,
            "issue_chunk, to the record": one.issued_at - chunk.started_at,
        }.items():
            legs.setdefault(name, []).append(took)
    whole = [runs[run_id].ended_at - runs[run_id].started_at for run_id in {one.run_id for one in passages}]
    last = [
        by_run[run_id]["record_run"].ended_at - by_run[run_id]["issue_chunk"].ended_at
        for run_id in {one.run_id for one in passages}
    ]
    return [
        *(
            Measurement(f"of it, {name}", median(took), "s", None, "median over certificates")
            for name, took in legs.items()
        ),
        Measurement("record_run after it", median(last), "s", None, "scheduled and run; the next run waits"),
        Measurement("a run", median(whole), "s", None, f"median of {len(whole)} runs"),
    ]
