"""One run of the pipeline: load -> decide and enqueue -> issue. Composes the rooms; the steps are theirs.

Each step can run alone and again: Airflow runs them as tasks, the foreground one after the other. Loading
and deciding hold the pipeline's lock; issuing needs none, since workers take leases.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal, cast
from uuid import UUID

from pramaan.certificates.identity import IdentityKey
from pramaan.certificates.issue import ChunkResult, Press, issue_chunk
from pramaan.certificates.queue import Enqueued, count_waiting, enqueue_entitled, make_due
from pramaan.certificates.store import Store
from pramaan.certificates.workers import issue_all
from pramaan.database.connect import Connection, connect
from pramaan.database.migrate import migrate, schema_is_current
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import FileLoaded, load_waiting
from pramaan.registry.identity_key import record_identity_key
from pramaan.registry.printable import record_printable_code_points
from pramaan.rendering.fonts import fonts_fingerprint, printable_code_points
from pramaan.settings import Settings
from pramaan.warehouse.dbt import deploy_if_changed
from pramaan.warehouse.decide import Scope, decide_changed_keys

__all__ = ["Batch", "Decided", "Pipeline", "Totals"]

Trigger = Literal["foreground", "airflow"]


@dataclass(frozen=True, slots=True)
class Decided:
    """What the decide step did."""

    scope: Scope
    enqueued: Enqueued


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole warehouse and registry, in counts."""

    rows: dict[str, int]
    quarantined: int
    completions: int
    decisions: dict[str, int]
    certificates: dict[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run did."""

    files: list[FileLoaded] = field(default_factory=list)
    decided: Decided | None = None
    issued: ChunkResult = field(default_factory=ChunkResult)

    def counts(self) -> dict[str, int]:
        """The run in figures, as they are printed and kept in `ops.runs`."""
        return {
            "files_loaded": sum(f.status == "loaded" for f in self.files),
            "files_known": sum(f.status == "known" for f in self.files),
            "files_quarantined": sum(f.status == "quarantined" for f in self.files),
            "files_waiting": sum(f.status == "waiting" for f in self.files),
            "rows_loaded": sum(f.rows for f in self.files),
            "rows_changed": sum(f.rows_changed for f in self.files),
            "rows_quarantined": sum(f.rows_quarantined for f in self.files),
            "keys_decided": self.decided.scope.keys if self.decided else 0,
            "certificates_enqueued": self.decided.enqueued.pending if self.decided else 0,
            "certificates_withdrawn": self.decided.enqueued.withdrawn if self.decided else 0,
            **{f"certificates_{name}": count for name, count in asdict(self.issued).items()},
        }


class Pipeline:
    """The pipeline of one home, on the database at `url`."""

    def __init__(self, settings: Settings, *, url: str) -> None:
        self._settings = settings
        self._url = url
        self.press = Press(
            database_url=url,
            store_url=settings.store_url,
            timezone=settings.timezone,
            fonts_folder=settings.home / "fonts",
        )

    def connect(self) -> AbstractContextManager[Connection]:
        """A connection to the database for the block."""
        return connect(self._url)

    def prepare(self, *, report: Callable[[str], None] = lambda _: None) -> None:
        """Bring schema, rules and printable characters to what this version expects; quick when they are.

        Safe to repeat and in several processes at once.
        """
        if not schema_is_current(self._url):
            report("Migrating the registry")
            migrate(self._url)
        with self.connect() as connection:
            if record_printable_code_points(
                connection, printable_code_points, fingerprint=fonts_fingerprint()
            ):
                report("Recorded which characters the fonts can print")
            record_identity_key(connection, self._identity_key().fingerprint)
        Landing(self._settings.landing_url)
        Store(self._settings.store_url)
        if deploy_if_changed(self._url, target=self._settings.home / "dbt"):
            report("Deployed the rules by dbt")

    def load(
        self, connection: Connection, *, on_rows: Callable[[int], None] = lambda _: None
    ) -> list[FileLoaded]:
        """Load every file that waits. The caller holds the pipeline's lock."""
        landing = Landing(self._settings.landing_url)
        return list(load_waiting(connection, landing, now=lambda: datetime.now(UTC), on_rows=on_rows))

    def decide(self, connection: Connection) -> Decided:
        """Decide the changed keys and enqueue what they earn, in one transaction. The caller holds the
        lock.
        """
        with connection.transaction():
            scope = decide_changed_keys(connection)
            return Decided(scope, self._enqueue(connection, in_scope=True))

    def enqueue_missing(self, connection: Connection) -> Enqueued:
        """Enqueue every entitled completion that has no certificate, whatever the reason. The caller holds
        the lock.

        Decides the changed keys first: what is printed must be what a decision saw.
        """
        with connection.transaction():
            decide_changed_keys(connection)
            return self._enqueue(connection, in_scope=False)

    def _enqueue(self, connection: Connection, *, in_scope: bool) -> Enqueued:
        return enqueue_entitled(
            connection, key=self._identity_key(), public_url=self._settings.public_base_url, in_scope=in_scope
        )

    def _identity_key(self) -> IdentityKey:
        return IdentityKey.read(self._settings.secrets / "certificate_id.key")

    def waiting(self, connection: Connection) -> int:
        """How many certificates are due now."""
        return count_waiting(connection, due_by=datetime.now(UTC))

    def issue_chunk(self, *, limit: int, run_id: UUID | None) -> ChunkResult:
        """Issue up to `limit` certificates in this process."""
        return issue_chunk(self.press, limit=limit, due_by=datetime.now(UTC), run_id=run_id)

    def issue_all(
        self,
        connection: Connection,
        *,
        run_id: UUID | None,
        on_attempts: Callable[[int], None] = lambda _: None,
        on_total: Callable[[int], None] = lambda _: None,
    ) -> ChunkResult:
        """Issue until nothing is left, on all cores; those that wait for a later attempt are tried now,
        once.
        """
        due_by = make_due(connection)
        waiting = count_waiting(connection, due_by=due_by)
        on_total(waiting)
        if not waiting:
            return ChunkResult()
        return issue_all(self.press, due_by=due_by, run_id=run_id, waiting=waiting, on_attempts=on_attempts)

    def start_run(self, connection: Connection, *, trigger: Trigger) -> UUID:
        """A line in `ops.runs`; returns its id."""
        row = connection.execute(
            "insert into ops.runs (trigger) values (%s) returning run_id", (trigger,)
        ).fetchone()
        return cast(UUID, row[0])  # type: ignore[index]

    def finish_run(self, connection: Connection, run_id: UUID, counts: dict[str, int]) -> None:
        """Complete the run's line with its counts."""
        connection.execute(
            "update ops.runs set finished_at = now(), counts = %s where run_id = %s",
            (json.dumps(counts), run_id),
        )

    def totals(self, connection: Connection) -> Totals:
        """Count everything; reads whole tables, so for people and not for batches."""
        raw = ("users", "courses", "batches", "enrolments", "progress", "telemetry")
        return Totals(
            rows={name: _count(connection, f"select count(*) from raw.{name}") for name in raw},  # noqa: S608
            quarantined=_count(connection, "select count(*) from ops.quarantine"),
            completions=_count(connection, "select count(*) from marts.fct_completions"),
            decisions=_counts(
                connection, "select decision, count(*) from marts.fct_certificate_decisions group by 1"
            ),
            certificates=_counts(connection, "select status, count(*) from registry.certificates group by 1"),
        )


def _count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return cast(int, row[0]) if row else 0


def _counts(connection: Connection, query: str) -> dict[str, int]:
    return dict(sorted(cast(list[tuple[str, int]], connection.execute(query).fetchall())))
