"""What Airflow draws between the DAGs: the data that each takes and makes, and what wakes them.

An event of a watcher is a wake-up and no more: what there is to do is read from the landing folder and from
tables.
"""

from airflow.sdk import Asset, AssetWatcher

from pramaan.orchestration.triggers import WorkTrigger

__all__ = [
    "CERTIFICATES",
    "DECISIONS",
    "EVENTS",
    "FACTS",
    "HOLDS",
    "LOADS",
    "MAIL",
    "RAW",
    "REPORTS",
    "TELEMETRY",
]


FACTS = Asset(
    name="facts",
    uri="pramaan://facts",
    watchers=[AssetWatcher(name="facts", trigger=WorkTrigger("facts"))],
)
"""New files of facts in the landing folder, changes in the registry: what a batch of issuance takes."""

EVENTS = Asset(name="events", uri="pramaan://events")
"""Telemetry as landed."""

RAW = Asset(name="raw", uri="pramaan://raw")
"""The feeds as landed."""

DECISIONS = Asset(name="decisions", uri="pramaan://decisions")
"""Who earned a certificate, and who did not, and why."""

CERTIFICATES = Asset(name="certificates", uri="pramaan://certificates")
"""The registry's issued certificates and their PDFs."""

LOADS = Asset(
    name="loads_to_check",
    uri="pramaan://loads",
    watchers=[AssetWatcher(name="loads", trigger=WorkTrigger("loads"))],
)
"""Loads without a verdict of their quality suite."""

HOLDS = Asset(
    name="holds",
    uri="pramaan://holds",
    watchers=[AssetWatcher(name="holds", trigger=WorkTrigger("holds"))],
)
"""Candidates that the gate holds until a person decides."""

REPORTS = Asset(
    name="reports",
    uri="pramaan://reports",
    watchers=[AssetWatcher(name="reports", trigger=WorkTrigger("reports"))],
)
"""Progress reports that somebody asked for, or that a schedule says are due."""

MAIL = Asset(
    name="mail_due",
    uri="pramaan://mail",
    watchers=[AssetWatcher(name="mail", trigger=WorkTrigger("mail"))],
)
"""Notices that are due: to recipients of certificates, and to the team."""

TELEMETRY = Asset(
    name="telemetry",
    uri="pramaan://telemetry",
    watchers=[AssetWatcher(name="telemetry", trigger=WorkTrigger("telemetry"))],
)
"""New files of telemetry in the landing folder."""
