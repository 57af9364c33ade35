"""What `pramaan status` says: where everything is, what runs, what waits, what failed."""

from dataclasses import asdict
from typing import Any

from pramaan.database.connect import connect
from pramaan.errors import DatabaseError
from pramaan.feeds.landing import Landing
from pramaan.host.platform import running
from pramaan.host.postgres import embedded_database_url
from pramaan.runs import measure
from pramaan.settings import Settings
from pramaan.work import work_sources

__all__ = ["overview"]


def overview(settings: Settings) -> dict[str, Any]:
    """Everything about this home as plain values; starts nothing.

    Raises HostError where there is no home yet.
    """
    url = settings.pipeline_database_url or embedded_database_url(settings)
    where = {
        "home": str(settings.home),
        # Without options: not every client knows ours.
        "database_url": url.partition("?")[0],
        "landing": settings.landing_url,
        "store": settings.store_url,
        "outbox": f"file://{settings.outbox}",
        "airflow": f"http://127.0.0.1:{settings.airflow_port}",
        "airflow_passwords": str(settings.secrets / "airflow_passwords.json"),
        "public_url": settings.public_base_url,
    }
    processes = {record.name: f"{record.state} (pid {record.pid})" for record in running(settings)}
    waiting: dict[str, Any] = {"files": len(Landing(settings.landing_url).waiting())}
    failed: dict[str, Any] = {}
    try:
        with connect(url) as connection:
            measures = asdict(measure(connection))
            counts = connection.execute(_FAILED).fetchone() or ()
            due = {
                work: sum(1 for source in sources for _ in source.pending(connection))
                for work, sources in work_sources(settings, url=url).items()
            }
    except DatabaseError:
        waiting["database"] = "down; any command starts it"
        measures, due = {}, {}
    else:
        waiting |= {name: measures[name] for name in _WAITING}
        failed |= {"certificates_failed": measures["certificates_failed"]}
        failed |= dict(
            zip(
                ("rows_quarantined", "files_quarantined", "loads_failed", "mails_failed", "reports_failed"),
                counts,
                strict=True,
            )
        )
    last_run = {name: measures.get(f"last_{name}") for name in ("batch_size", "run_seconds")}
    seen = {"processes": processes, "waiting": waiting, "due": due, "failed": failed, "last_run": last_run}
    return {"where": where, **seen, **where}


_WAITING = (
    *("changed_keys", "certificates_pending", "oldest_waiting_seconds"),
    *("certificates_held", "holds_waiting", "mails_queued"),
    *("reports_under_way", "oldest_report_seconds"),
)

_FAILED = """
    select
        (select count(*) from ops.quarantine where row_number is not null),
        (select count(*) from ops.quarantine where row_number is null),
        (select count(*) from ops.load_verdicts where not passed),
        (select count(*) from ops.mails where status = 'failed'),
        (select count(*) from ops.report_requests where status = 'failed')
"""
