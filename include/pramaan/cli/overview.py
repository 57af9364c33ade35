"""What `pramaan status` says: where everything is, what runs, what waits, what failed."""

from typing import Any

from pramaan.errors import DatabaseError
from pramaan.feeds.landing import Landing
from pramaan.host.platform import running
from pramaan.host.postgres import embedded_database_url
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings

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
        "outbox": f"file://{settings.home / 'outbox'}",
        "airflow": f"http://127.0.0.1:{settings.airflow_port}",
        "airflow_passwords": str(settings.secrets / "airflow_passwords.json"),
        "public_url": settings.public_base_url,
    }
    processes = {record.name: f"{record.state} (pid {record.pid})" for record in running(settings)}
    waiting: dict[str, Any] = {"files": len(Landing(settings.landing_url).waiting())}
    failed: dict[str, Any] = {}
    try:
        with Pipeline(settings, url=url).connect() as connection:
            counts = connection.execute(_COUNTS).fetchone() or ()
    except DatabaseError:
        waiting["database"] = "down; any command starts it"
    else:
        waiting |= dict(
            zip(("changed_keys", "certificates_pending", "certificates_held"), counts[:3], strict=True)
        )
        failed |= dict(
            zip(("certificates_failed", "rows_quarantined", "files_quarantined"), counts[3:], strict=True)
        )
    return {"where": where, "processes": processes, "waiting": waiting, "failed": failed, **where}


_COUNTS = """
    select
        (select count(*) from ops.changed_keys),
        (select count(*) from registry.certificates where status = 'pending'),
        (select count(*) from registry.certificates where status = 'held'),
        (select count(*) from registry.certificates where status = 'failed'),
        (select count(*) from ops.quarantine where row_number is not null),
        (select count(*) from ops.quarantine where row_number is null)
"""
