"""The nightly build over years of history while batches go on: what it takes, and how long anybody waits."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final, LiteralString

from pramaan.bench.issuance.history import LEAVES, History, fill_history
from pramaan.bench.measurement import Measurement
from pramaan.bench.scratch import scratch_pipeline
from pramaan.database.connect import Connection, connect
from pramaan.errors import HostError
from pramaan.host.platform import ensure_database
from pramaan.settings import Settings
from pramaan.warehouse.dbt import run_dbt
from pramaan.warehouse.decide import KEYED_TABLES, decide_changed_keys

__all__ = ["run"]

_UNFINISHED: Final = 50_000
_BATCH: Final = 10
_BETWEEN_SECONDS: Final = 0.1
_ALONE_SECONDS: Final = 20.0

_FINISH: LiteralString = """
    with finished as (
        select * from unnest(%(users)s::text[], %(courses)s::text[], %(batches)s::text[])
            as finished (user_id, course_id, batch_id)
    ),

    noted as (
        insert into ops.changed_keys (kind, user_id, batch_id)
        select 'progress', user_id, batch_id from finished
    )

    insert into raw.progress
        (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
    select user_id, batch_id, 'content-' || %(leaves)s, course_id, 2, 80, now(), now(), 1 from finished
"""
_READ: LiteralString = """
    select count(*), sum(progress_pct) from marts.fct_enrolment_progress
    where batch_id = 'old-7' and course_id = 'old-7'
"""
_OTHER_RULES: LiteralString = "update ops.rule_statements set statement = statement || ' '"
_BUILDS: LiteralString = """
    select outcome, rows_unlike, pause_seconds from ops.builds order by build_id desc limit %s
"""


@dataclass(slots=True)
class _Work:
    """Batches and reads one after the other, and the seconds that each took."""

    url: str
    history: History
    is_over: threading.Event = field(default_factory=threading.Event)
    batches: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    finished: int = 0

    def decide(self) -> None:
        """Finish some more people and decide them, until it is over."""
        with connect(self.url) as connection:
            while not self.is_over.wait(_BETWEEN_SECONDS):
                self._finish(connection)
                began = time.perf_counter()
                with connection.transaction():
                    decide_changed_keys(connection)
                self.batches.append(time.perf_counter() - began)

    def read(self) -> None:
        """Read a batch's progress, as a report does, until it is over."""
        with connect(self.url) as connection:
            while not self.is_over.wait(_BETWEEN_SECONDS):
                began = time.perf_counter()
                connection.execute(_READ)
                self.reads.append(time.perf_counter() - began)

    def _finish(self, connection: Connection) -> None:
        if self.finished + _BATCH > self.history.unfinished:
            raise HostError("the night took longer than there were people to finish; give it more")
        people = [self.history.person(self.finished + n + 1) for n in range(_BATCH)]
        users, courses, batches = (list(column) for column in zip(*people, strict=True))
        values = {"users": users, "courses": courses, "batches": batches, "leaves": LEAVES}
        connection.execute(_FINISH, values)
        self.finished += _BATCH


@contextmanager
def _work_going_on(work: _Work) -> Iterator[None]:
    """Batches and reads beside the block."""
    work.is_over.clear()
    work.batches.clear()
    work.reads.clear()
    threads = [threading.Thread(target=each) for each in (work.decide, work.read)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        work.is_over.set()
        for thread in threads:
            thread.join()


def run(*, progress_rows: int, report: Callable[[str], None] = lambda _: None) -> list[Measurement]:
    """Measure on so many progress rows, ten to a completion, in a home of its own.

    Raises HostError when a build found what it should not.
    """
    load = os.getloadavg()[0]
    history = History(enrolments=progress_rows // LEAVES + _UNFINISHED, unfinished=_UNFINISHED)
    with scratch_pipeline() as (settings, pipeline), pipeline.connect() as connection:
        fill_history(connection, history)
        report(f"{progress_rows:,} progress rows made")
        work = _Work(ensure_database(settings), history)
        with _work_going_on(work):
            time.sleep(_ALONE_SECONDS)
        found = [
            Measurement("a batch, alone", median(work.batches), "s", None, f"{_BATCH} completions; median"),
            Measurement("a batch, alone, slowest", max(work.batches), "s", None, ""),
        ]
        found += _night(connection, settings, work, "nothing differs", outcome="unchanged")
        report(f"A night in which nothing differs: {found[-5].value:.0f} s")
        connection.execute(_OTHER_RULES)
        found += _night(connection, settings, work, "each table replaced", outcome="swapped")
        report(f"A night in which each table is replaced: {found[-5].value:.0f} s")
    return [
        *found,
        Measurement("load of the machine", load, "processes", None, "when this began; others disturb it"),
    ]


def _night(
    connection: Connection, settings: Settings, work: _Work, name: str, *, outcome: str
) -> list[Measurement]:
    began = time.perf_counter()
    with _work_going_on(work):
        models = ["run", "--select", *KEYED_TABLES]
        run_dbt(models, url=work.url, target=settings.home / "dbt")
    seconds = time.perf_counter() - began
    builds = connection.execute(_BUILDS, (len(KEYED_TABLES),)).fetchall()
    if {build[:2] for build in builds} != {(outcome, 0)}:
        raise HostError(f"the builds were to be {outcome} with nothing unlike, and are {builds}")
    pause = max(float(str(build[2])) for build in builds)
    remark = f"{len(work.batches):,} batches meanwhile"
    return [
        Measurement(f"a night, {name}", seconds, "s", None, f"the {len(builds)} keyed tables; {remark}"),
        Measurement(f"the longest pause, {name}", pause, "s", "at most 2", "the rules' lock held at the end"),
        Measurement(
            f"the slowest batch, {name}", max(work.batches), "s", None, "all that it waited included"
        ),
        Measurement(f"a batch, {name}", median(work.batches), "s", None, "median"),
        Measurement(f"the slowest read, {name}", max(work.reads), "s", None, "progress of a batch of people"),
    ]
