"""The steps of `issue_certificates` and `build_warehouse`, and what every DAG shares.

A step does one thing and returns ids and counts, which is all that an XCom may carry. One that finds nothing
to do does nothing, and succeeds: a skipped task says that it did not look.
Nothing is imported or read before a task runs, so that parsing a DAG file stays quick.
"""

import os
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.sdk.exceptions import AirflowSkipException

from pramaan.errors import PipelineBusyError
from pramaan.orchestration.context import task_context
from pramaan.orchestration.outcome import fail_if_red, tell_failed_files

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

__all__ = [
    "DEFAULT_ARGS",
    "LARGEST_CHUNK",
    "SMALLEST_CHUNK",
    "enqueue_missing",
    "issue_chunk",
    "load_feeds",
    "make_decisions",
    "plan_chunks",
    "record_run",
]

LARGEST_CHUNK = 50_000
"""Certificates of one mapped task at most: about a minute of rendering. A process takes as long to begin as
to render a thousand; what it issued is recorded on its way, so that a retry repeats little.
"""

SMALLEST_CHUNK = 500
"""Fewer than this are not worth a task of their own, which costs about as much as rendering them."""

_TIMEOUT_SECONDS = 20.0
"""For the pipeline's lock: longer than any short holder keeps it."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}
"""Of every task: transient faults are waited out; whatever still fails then needs a person, and the next
run goes on.
"""


def load_feeds(scheduler_run_id: str) -> str:
    """Load what facts wait in the landing folder; returns the id of the run's line in `ops.runs`.

    Skips, and all that follows with it, when another run, say in the foreground, keeps the pipeline's lock.
    Files that a fault of ours keeps from loading are logged and counted: what did load is decided all the
    same, and `record_run` fails.
    """
    from pramaan.database.connect import pipeline_lock
    from pramaan.runs import note_counts, start_run
    from pramaan.stages.loading import load_counts, load_facts

    place = task_context()
    with place.connect() as connection:
        run_id = start_run(connection, trigger="airflow", scheduler_run_id=scheduler_run_id)
        try:
            with pipeline_lock(connection, wait_seconds=_TIMEOUT_SECONDS):
                files = load_facts(connection, place.settings)
                note_counts(connection, run_id, load_counts(files))
        except PipelineBusyError as error:
            note_counts(connection, run_id, {"gave_way": 1})
            raise AirflowSkipException(str(error)) from error
    tell_failed_files(files)
    return str(run_id)


def make_decisions(run_id: str) -> list[dict[str, Any]]:
    """Decide the changed keys and enqueue what they earn; returns the chunks in which to issue what waits."""
    from pramaan.database.connect import pipeline_lock
    from pramaan.runs import note_counts
    from pramaan.stages.deciding import decide, decided_counts
    from pramaan.stages.issuing import count_due

    place = task_context()
    with place.connect() as connection, pipeline_lock(connection, wait_seconds=300):
        with connection.transaction():
            decided = decide(connection, place.settings, run_id=UUID(run_id))
            note_counts(connection, UUID(run_id), decided_counts(decided))
        return plan_chunks(count_due(connection))


def plan_chunks(waiting: int) -> list[dict[str, Any]]:
    """Share out the certificates that wait: a chunk for each core, more where they would grow too large; an
    empty one when none waits, since Airflow skips a task that is mapped over nothing.
    """
    cores = os.cpu_count() or 1
    count = max(1, -(-waiting // LARGEST_CHUNK), min(cores, -(-waiting // SMALLEST_CHUNK)))
    return [{"name": f"{n} of {count}", "limit": -(-waiting // count)} for n in range(1, count + 1)]


def issue_chunk(run_id: str, *, limit: int) -> dict[str, int]:
    """Issue up to `limit` certificates, whichever no other worker holds; returns counts by outcome."""
    from pramaan.stages.issuing import issue_chunk as issue
    from pramaan.stages.issuing import worker_config_of

    place = task_context()
    worker_config = worker_config_of(place.settings, url=place.url)
    return asdict(issue(worker_config, limit=limit, run_id=UUID(run_id)))


def record_run(ti: "RuntimeTaskInstanceProtocol") -> dict[str, int]:
    """Complete the run's line in `ops.runs` and tell Airflow's metrics; returns the line's counts, none when
    the run did not begin. Fails after that when a step failed or files could not be loaded.
    """
    from pramaan.orchestration.metrics import tell_metrics
    from pramaan.runs import find_run, finish_run, measure

    with task_context().connect() as connection:
        run_id = find_run(connection, str(ti.run_id))
        counts = finish_run(connection, run_id) if run_id else {}
        tell_metrics(measure(connection), counts)
    fail_if_red(ti, loaded_by="load_feeds", files_failed=counts.get("files_failed", 0))
    return counts


def enqueue_missing() -> dict[str, int]:
    """Enqueue every entitled completion that has no certificate; the next batch issues them. Also returns in
    how many rows the last builds found that batches had been wrong.
    """
    from pramaan.database.connect import pipeline_lock
    from pramaan.stages.deciding import enqueue_missing as enqueue
    from pramaan.stages.deciding import enqueued_counts
    from pramaan.warehouse.builds import rows_unlike

    place = task_context()
    with place.connect() as connection, pipeline_lock(connection, wait_seconds=1800):
        counts = enqueued_counts(enqueue(connection, place.settings))
        return {"rows_unlike": rows_unlike(connection), **counts}
