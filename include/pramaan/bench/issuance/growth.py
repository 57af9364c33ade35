"""Cost follows the change: the same batches on a long history and on a tenth of it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from pramaan.bench.issuance.history import LEAVES, History, fill_history
from pramaan.bench.measurement import Measurement
from pramaan.bench.scratch import scratch_pipeline
from pramaan.database.connect import Connection, pipeline_lock
from pramaan.errors import HostError
from pramaan.feeds.landing import Landing
from pramaan.host.postgres import superuser_database_url
from pramaan.pipeline import Pipeline
from pramaan.runs import finish_run, start_run

__all__ = ["BATCH", "ROUNDS", "drop_batch", "measure_growth", "run_batch"]

BATCH: Final = 1_000
ROUNDS: Final = 5
_WARM_UPS: Final = 1


def measure_growth(
    *, progress_rows: int, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Batches of 1,000 completions on about so many progress rows and on a tenth of them, by turns, so that
    what else the machine does falls on both.
    """
    sizes = (progress_rows, progress_rows // 10)
    taken: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        warehouses = [stack.enter_context(_warehouse(size, report=report)) for size in sizes]
        for number in range(_WARM_UPS + ROUNDS):
            for size, warehouse in zip(sizes, warehouses, strict=True):
                taken[size].append(warehouse.batch(number))
                phases = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in taken[size][-1].items())
                report(f"A batch on {size:,} progress rows: {phases}")
    return _compared(*(taken[size][_WARM_UPS:] for size in sizes), progress_rows=progress_rows)


def _compared(
    large: list[dict[str, float]], small: list[dict[str, float]], *, progress_rows: int
) -> list[Measurement]:
    remark = f"median of {ROUNDS} batches of {BATCH:,} completions, by turns"
    rows = f"{progress_rows:,} progress rows"
    whole_small, whole_large = (median(sum(one.values()) for one in each) for each in (small, large))
    return [
        Measurement(f"a batch on {rows}", whole_large, "s", None, f"{remark}; load to recorded PDF"),
        Measurement("the same on a tenth of it", whole_small, "s", None, remark),
        Measurement("the first over the second", whole_large / whole_small, "times", "at most 1.3", ""),
        *(
            Measurement(
                f"{phase}, on {rows}",
                median(one[phase] for one in large),
                "s",
                None,
                f"on a tenth {median(one[phase] for one in small):.3f} s",
            )
            for phase in large[0]
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Warehouse:
    pipeline: Pipeline
    connection: Connection
    landing: Landing
    folder: Path
    history: History

    def batch(self, number: int) -> dict[str, float]:
        """Seconds by phase of the number-th batch."""
        drop_batch(self.landing, self.folder, self.history, number=number)
        return run_batch(self.pipeline, self.connection)


@contextmanager
def _warehouse(progress_rows: int, *, report: Callable[[str], None]) -> Iterator[_Warehouse]:
    """A home with a history for the block."""
    unfinished = (_WARM_UPS + ROUNDS) * BATCH // 2
    history = History(enrolments=progress_rows // LEAVES, unfinished=unfinished)
    with scratch_pipeline() as (settings, pipeline), pipeline.connect() as connection:
        began = time.perf_counter()
        fill_history(connection, history)
        with psycopg.connect(superuser_database_url(settings), autocommit=True) as server:
            server.execute("checkpoint")  # or its writing would fall into the batches
        report(f"{progress_rows:,} progress rows made in {time.perf_counter() - began:.0f} s")
        yield _Warehouse(pipeline, connection, Landing(settings.landing_url), settings.home / "made", history)


@dataclass(slots=True)
class _Clock:
    phases: dict[str, float]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.phases[name] = time.perf_counter() - began


def run_batch(pipeline: Pipeline, connection: Connection) -> dict[str, float]:
    """One batch as a run of Airflow goes through it, in this process; returns seconds by phase.

    Raises HostError when it did not issue a whole batch.
    """
    clock = _Clock({})
    run_id = start_run(connection, trigger="foreground")
    with pipeline_lock(connection):
        with clock.phase("load"):
            pipeline.load(connection)
        with clock.phase("decide and enqueue"):
            pipeline.decide(connection, run_id=run_id)
            waiting = pipeline.waiting(connection)
    with clock.phase("issue"):
        issued = pipeline.issue_chunk(limit=waiting, run_id=run_id).issued
    with clock.phase("record the run"):
        finish_run(connection, run_id)
    if issued != BATCH:
        raise HostError(f"a batch of {BATCH:,} completions issued {issued:,} certificates")
    return clock.phases


def drop_batch(landing: Landing, folder: Path, history: History, *, number: int) -> None:
    """Drop the number-th batch: half are people of the history who finish, half are new and bring all."""
    now = datetime.now(UTC)
    begun, done = (now - timedelta(days=1)).isoformat(), now.isoformat()
    half = BATCH // 2
    finishing = [history.person(number * half + n + 1) for n in range(half)]
    newcomers = [(f"new-{number}-{n}", *history.person(n + 1)[1:]) for n in range(half)]
    keys = [dict(zip(("user_id", "course_id", "batch_id"), one, strict=True)) for one in newcomers]
    _drop(landing, folder / "users", number, [
        {"user_id": key["user_id"], "name": "सुनीता शर्मा", "tenant_id": "state", "updated_at": begun}
        for key in keys
    ])  # fmt: skip
    _drop(landing, folder / "enrolments", number, [
        {**key, "enrolled_at": begun, "active": True, "updated_at": begun} for key in keys
    ])  # fmt: skip
    contents = [(one, LEAVES) for one in finishing]
    contents += [(one, content) for one in newcomers for content in range(1, LEAVES + 1)]
    _drop(landing, folder / "progress", number, [
        {"user_id": user, "course_id": course, "batch_id": batch, "content_id": f"content-{content}",
         "status": 2, "score": 80, "completed_at": done, "updated_at": done}
        for (user, course, batch), content in contents
    ])  # fmt: skip


def _drop(landing: Landing, folder: Path, number: int, rows: list[dict[str, object]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    landing.add(folder.name, path)
