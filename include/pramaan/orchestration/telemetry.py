"""The steps of `build_metrics`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow.sdk.exceptions import AirflowSkipException

from pramaan.errors import PipelineBusyError
from pramaan.orchestration.context import task_context
from pramaan.orchestration.outcome import fail_if_red, tell_failed_files

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

__all__ = ["await_metrics", "build_models", "is_to_be_built", "load_telemetry", "tell_outcome"]

_MODELS: Final = "source:raw.telemetry+"
"""Whatever reads telemetry, from one model to the next."""

_NIGHT: Final = "build_warehouse"

_WOKEN: Final = "asset_triggered"
"""The kind of a run that new files caused."""

_BUILD_LASTS_FOR: Final = timedelta(hours=1)
"""All events are read through for it, which each new file need not cause."""


def load_telemetry() -> dict[str, int]:
    """Load what telemetry waits in the landing folder; returns counts.

    Skips, and what follows with it, when a run in the foreground loads telemetry for longer than a minute.
    Files that a fault of ours keeps from loading are logged and counted: what did load is built upon all the
    same, and `tell_outcome` fails.
    """
    from pramaan.database.connect import telemetry_lock
    from pramaan.stages.loading import load_counts
    from pramaan.stages.loading import load_telemetry as load

    place = task_context()
    try:
        with place.connect() as connection, telemetry_lock(connection, wait_seconds=60):
            files = load(connection, place.settings)
    except PipelineBusyError as error:
        raise AirflowSkipException(str(error)) from error
    tell_failed_files(files)
    return load_counts(files)


def build_models(ti: "RuntimeTaskInstanceProtocol", *, run_type: str) -> str:
    """Build the models that read telemetry anew; returns what was done: `built`; `left to the hour` when new
    files caused this run and the last build is of the last hour; or `left to the night`, which builds every
    model and is at it or about to be. The night waits for it: see `await_metrics`.

    Raises DatabaseError with dbt's own words: the tables are then as they were.
    """
    from pramaan.database.connect import metrics_lock
    from pramaan.warehouse.dbt import run_dbt

    place = task_context()
    # Beside the artefacts of the whole project, which the night's DAG reads.
    target = place.settings.home / "run" / "metrics"
    built = target / "built"
    if not is_to_be_built(run_type, built=built, now=datetime.now(UTC)):
        return "left to the hour"
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with place.connect() as connection, metrics_lock(connection):
        # Under the lock: a night that is not seen here has yet to ask for it.
        if ti.get_dr_count(dag_id=_NIGHT, states=["queued", "running"]):
            return "left to the night"
        run_dbt(["run", "--select", _MODELS], url=place.url, target=target)
    built.touch()
    return "built"


def await_metrics() -> None:
    """Wait until no run of `build_metrics` builds, for an hour: it and the night write the same tables. One
    that begins from now on sees the night, and leaves the building to it.
    """
    from pramaan.database.connect import metrics_lock

    with task_context().connect() as connection, metrics_lock(connection, wait_seconds=3600):
        pass


def is_to_be_built(run_type: str, *, built: Path, now: datetime) -> bool:
    """Whether a run of this kind builds, when the file `built` was touched by the last that did."""
    if run_type != _WOKEN or not built.exists():
        return True
    return now - datetime.fromtimestamp(built.stat().st_mtime, UTC) >= _BUILD_LASTS_FOR


def tell_outcome(ti: "RuntimeTaskInstanceProtocol") -> None:
    """Fail when a step failed or files could not be loaded."""
    counts = ti.xcom_pull(task_ids="load_telemetry") or {}
    fail_if_red(ti, loaded_by="load_telemetry", files_failed=counts.get("files_failed", 0))
