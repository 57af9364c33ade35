"""The steps of the DAGs, and what every DAG shares.

A step opens the pipeline, does one thing, and returns ids and counts, which is all that an XCom may carry.
Nothing is imported or read before a task runs, so that parsing a DAG file stays quick.
"""

import os
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.sdk.exceptions import AirflowSkipException

from pramaan.errors import PipelineBusyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pramaan.pipeline import Pipeline

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

LARGEST_CHUNK = 2_000
"""Certificates of one mapped task at most: about a minute of rendering, so that a retry repeats little."""

SMALLEST_CHUNK = 100
"""Fewer than this are not worth a task of their own, which costs about as much as rendering them."""

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


def load_feeds() -> dict[str, Any]:
    """Load what waits in the landing folder; returns the run's id and counts.

    Skips when another run, say one in the foreground, holds the pipeline's lock.
    """
    from pramaan.database.connect import pipeline_lock
    from pramaan.pipeline import Batch

    pipeline = _pipeline()
    try:
        with pipeline.connect() as connection, pipeline_lock(connection, wait_seconds=0):
            run_id = pipeline.start_run(connection, trigger="airflow")
            counts = Batch(pipeline.load(connection)).counts()
    except PipelineBusyError as error:
        raise AirflowSkipException(str(error)) from error
    kept = [name for name in counts if name.startswith(("files_", "rows_"))]
    return {"run_id": str(run_id), **{name: counts[name] for name in kept}}


def make_decisions() -> dict[str, int]:
    """Decide the changed keys and enqueue what they earn; returns counts, among them how many certificates
    wait.
    """
    from pramaan.database.connect import pipeline_lock

    pipeline = _pipeline()
    with pipeline.connect() as connection, pipeline_lock(connection, wait_seconds=300):
        decided = pipeline.decide(connection)
        return {
            "keys_decided": decided.scope.keys,
            "certificates_enqueued": decided.enqueued.pending,
            "certificates_withdrawn": decided.enqueued.withdrawn,
            "certificates_waiting": pipeline.waiting(connection),
        }


def plan_chunks(waiting: int) -> list[dict[str, Any]]:
    """Share out the certificates that wait: a chunk for each core, more where they would grow too large."""
    cores = os.cpu_count() or 1
    count = max(-(-waiting // LARGEST_CHUNK), min(cores, -(-waiting // SMALLEST_CHUNK)))
    return [{"name": f"{n} of {count}", "limit": -(-waiting // count)} for n in range(1, count + 1)]


def issue_chunk(run_id: str, *, limit: int) -> dict[str, int]:
    """Issue up to `limit` certificates, whichever no other worker holds; returns counts by outcome."""
    return asdict(_pipeline().issue_chunk(limit=limit, run_id=UUID(run_id)))


def record_run(
    loaded: "Mapping[str, Any]", decided: "Mapping[str, int]", chunks: "Sequence[Mapping[str, int] | None]"
) -> dict[str, int]:
    """Complete the run's line in `ops.runs` with the counts of all its steps, and return them."""
    done = [chunk for chunk in chunks if chunk]
    counts = {name: int(value) for name, value in {**loaded, **decided}.items() if name != "run_id"}
    counts |= {
        f"certificates_{name}": sum(chunk[name] for chunk in done) for name in ("issued", "failed", "retried")
    }
    pipeline = _pipeline()
    with pipeline.connect() as connection:
        pipeline.finish_run(connection, UUID(loaded["run_id"]), counts)
    return counts


def enqueue_missing() -> dict[str, int]:
    """Enqueue every entitled completion that has no certificate; the next batch issues them."""
    from pramaan.database.connect import pipeline_lock

    pipeline = _pipeline()
    with pipeline.connect() as connection, pipeline_lock(connection, wait_seconds=1800):
        enqueued = pipeline.enqueue_missing(connection)
    return {"certificates_enqueued": enqueued.pending, "certificates_withdrawn": enqueued.withdrawn}


def _pipeline() -> "Pipeline":
    """The pipeline that the environment names. Airflow's parts are started after everything is deployed."""
    from pramaan.errors import SettingsError
    from pramaan.pipeline import Pipeline
    from pramaan.settings import load_settings

    settings = load_settings()
    url = settings.pipeline_database_url
    if url is None:
        raise SettingsError("PRAMAAN_DATABASE_URL is not set; start Airflow with `pramaan up`")
    return Pipeline(settings, url=url)
