"""Loads what waits in the landing folder: the facts that decisions rest on, and apart from them telemetry."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from pramaan.database.connect import Connection
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import FileLoaded, load_waiting
from pramaan.feeds.spec import FEEDS
from pramaan.settings import Settings

__all__ = ["FACT_FEEDS", "TELEMETRY_FEEDS", "load_counts", "load_facts", "load_telemetry"]

TELEMETRY_FEEDS: Final = ("telemetry",)
"""What happened, and decides nothing."""

FACT_FEEDS: Final = tuple(feed for feed in FEEDS if feed not in TELEMETRY_FEEDS)
"""What decisions rest on."""

OnRows = Callable[[int], None]


def load_facts(
    connection: Connection, settings: Settings, *, on_rows: OnRows = lambda _: None
) -> list[FileLoaded]:
    """Load every file of facts that waits. The caller holds the pipeline's lock."""
    return _load(connection, settings, FACT_FEEDS, on_rows)


def load_telemetry(
    connection: Connection, settings: Settings, *, on_rows: OnRows = lambda _: None
) -> list[FileLoaded]:
    """Load every file of telemetry that waits. The caller holds telemetry's lock; no batch waits."""
    return _load(connection, settings, TELEMETRY_FEEDS, on_rows)


def _load(
    connection: Connection, settings: Settings, feeds: Collection[str], on_rows: OnRows
) -> list[FileLoaded]:
    landing = Landing(settings.landing_url)
    files = load_waiting(connection, landing, now=lambda: datetime.now(UTC), on_rows=on_rows, feeds=feeds)
    return list(files)


def load_counts(files: Sequence[FileLoaded]) -> dict[str, int]:
    """What a load did, in figures."""
    statuses = Counter(file.status for file in files)
    return {
        **{
            f"files_{name}": statuses[name]
            for name in ("loaded", "known", "quarantined", "waiting", "failed")
        },
        "rows_loaded": sum(file.rows for file in files),
        "rows_changed": sum(file.rows_changed for file in files),
        "rows_quarantined": sum(file.rows_quarantined for file in files),
    }
