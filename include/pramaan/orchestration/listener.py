"""What Airflow's scheduler does for us: it begins with our modules at hand, and notes on each run of
`issue_certificates` what the run did, where a person sees it in the list of runs.
"""

import importlib
import logging
import sys
from typing import TYPE_CHECKING, cast

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

__all__ = ["on_dag_run_failed", "on_dag_run_success", "on_starting"]

log = logging.getLogger(__name__)

_DAG_ID = "issue_certificates"
_COUNTS = "select counts from ops.runs where scheduler_run_id = %s"

_AT_HAND = (
    "pramaan.runs",
    "pramaan.certificates.rendering",
    "pramaan.rendering.renderer",
    "pramaan.stages.deciding",
    "pramaan.stages.issuing",
    "pramaan.stages.loading",
    "pramaan.stages.mailing",
    "pramaan.orchestration.approval",
    "pramaan.orchestration.mail",
    "pramaan.orchestration.metrics",
    "pramaan.orchestration.quality",
    "pramaan.orchestration.steps",
    "pramaan.orchestration.telemetry",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.standard.decorators.python",
)
"""What each task of ours imports, in about a second."""


@hookimpl  # type: ignore[untyped-decorator] # Airflow is not followed
def on_starting(component: object) -> None:  # noqa: ARG001 - Airflow's name; it does not know its kind yet
    """Import in the scheduler what tasks need: a task's process is a copy of it, and begins with that."""
    if "scheduler" not in sys.argv:
        return
    for name in _AT_HAND:
        importlib.import_module(name)


@hookimpl  # type: ignore[untyped-decorator] # Airflow is not followed
def on_dag_run_success(dag_run: "DagRun") -> None:
    """Note the counts of a run that went well."""
    _note(dag_run, has_failed=False)


@hookimpl  # type: ignore[untyped-decorator] # Airflow is not followed
def on_dag_run_failed(dag_run: "DagRun") -> None:
    """Note what a run did before it failed."""
    _note(dag_run, has_failed=True)


def _note(dag_run: "DagRun", *, has_failed: bool) -> None:
    if dag_run.dag_id != _DAG_ID:
        return
    from pramaan.database.connect import connect
    from pramaan.errors import PramaanError
    from pramaan.orchestration.context import database_url
    from pramaan.settings import load_settings

    try:
        with connect(database_url(load_settings()), application="pramaan run note") as connection:
            row = connection.execute(_COUNTS, (dag_run.run_id,)).fetchone()
    except PramaanError as error:
        # A note is a courtesy: the scheduler goes on without it.
        log.warning("run %s gets no note: %s", dag_run.run_id, error)
        return
    counts = cast("dict[str, int]", row[0]) if row else {}
    dag_run.note = _told(counts, has_failed=has_failed)


def _told(counts: dict[str, int], *, has_failed: bool) -> str:
    """In a line: what is zero is left out."""
    if counts.get("gave_way"):
        return "gave way to a run in the foreground, which does it all"
    shown = {
        "rows": "rows_loaded",
        "quarantined": "rows_quarantined",
        "keys decided": "keys_decided",
        "issued": "certificates_issued",
        "held": "certificates_held",
        "failed": "certificates_failed",
        "to try again": "certificates_retried",
        "withdrawn": "certificates_withdrawn",
        "files not loaded": "files_failed",
    }
    parts = [f"{counts[key]:,} {label}" for label, key in shown.items() if counts.get(key)]
    if has_failed:
        return f"failed, as `record_run` says; done: {', '.join(parts) or 'nothing'}"
    return ", ".join(parts) or "nothing to do"
