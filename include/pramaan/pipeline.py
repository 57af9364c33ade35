"""One run of the pipeline: load -> decide and enqueue -> issue. Composes the rooms; the steps are theirs.

Each step can run alone and again: Airflow runs them as tasks, the foreground one after the other. Loading
and deciding hold the pipeline's lock; issuing needs none, since workers take leases.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import LiteralString, cast
from uuid import UUID

from pramaan.certificates.enqueue import Enqueued, enqueue_entitled
from pramaan.certificates.gate import GateRules, judge_quality_again
from pramaan.certificates.hold_notices import queue_hold_notices
from pramaan.certificates.holds import end_healed, list_holds
from pramaan.certificates.issue import ChunkResult, Press, issue_chunk
from pramaan.certificates.verdicts import settle_verdicts
from pramaan.certificates.workers import issue_all
from pramaan.database.connect import Connection, connect
from pramaan.database.migrate import migrate, schema_is_current
from pramaan.errors import SettingsError
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import FileLoaded, load_waiting
from pramaan.lifecycle.identity import IdentityKey
from pramaan.lifecycle.issuing import count_pending, make_due
from pramaan.mail.addresses import Sender, addresses_in
from pramaan.mail.hand_over import Sent, send_or_wait
from pramaan.mail.messages import NOTICE_KINDS
from pramaan.quality.check import Verdict, check_loads
from pramaan.registry.identity_key import record_identity_key
from pramaan.registry.printable import record_printable_code_points
from pramaan.rendering.fonts import fonts_fingerprint, printable_code_points
from pramaan.reports.office import ReportOffice
from pramaan.settings import PREFIX, Settings
from pramaan.store import Store
from pramaan.warehouse.dbt import deploy_if_changed
from pramaan.warehouse.decide import Scope, decide_changed_keys

__all__ = ["Batch", "Decided", "Pipeline", "Totals", "decided_counts", "load_counts"]

log = logging.getLogger(__name__)

_HAS_WORK: LiteralString = """
    select
        exists (select from ops.changed_keys)
        or exists (select from registry.certificates where status = 'pending' and next_attempt_at <= now())
        or exists (
            select from ops.mails where status = 'queued' and next_attempt_at <= now() and kind = any(%s)
        )
"""


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

    files: Sequence[FileLoaded]
    decided: Decided
    issued: ChunkResult

    def counts(self) -> dict[str, int]:
        """The run in figures, as they are printed."""
        return {
            **load_counts(self.files),
            **decided_counts(self.decided),
            **{f"certificates_{name}": count for name, count in asdict(self.issued).items()},
        }


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


def decided_counts(decided: Decided) -> dict[str, int]:
    """What a batch decided, in figures."""
    return {
        "keys_decided": decided.scope.keys,
        "certificates_enqueued": decided.enqueued.pending,
        "certificates_held": decided.enqueued.held,
        "certificates_withdrawn": decided.enqueued.withdrawn,
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
            pages_folder=settings.home / "pages",
            mail_from=Sender.parse(settings.mail_from),
        )

    @property
    def reports(self) -> ReportOffice:
        """The reports of this home, on the same database."""
        return ReportOffice(self._settings, url=self._url)

    @property
    def timezone(self) -> str:
        """Whose days the gate counts by."""
        return self._settings.timezone

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
        self.reports.check_settings()
        if deploy_if_changed(self._url, target=self._settings.home / "dbt"):
            report("Deployed the rules by dbt")

    def load(
        self, connection: Connection, *, on_rows: Callable[[int], None] = lambda _: None
    ) -> list[FileLoaded]:
        """Load every file that waits. The caller holds the pipeline's lock, and calls `refuse_failed` on what
        became of them when it has done what it can with the rest.
        """
        landing = Landing(self._settings.landing_url)
        return list(load_waiting(connection, landing, now=lambda: datetime.now(UTC), on_rows=on_rows))

    def decide(self, connection: Connection, *, run_id: UUID | None = None, history: bool = False) -> Decided:
        """Decide the changed keys and enqueue what they earn, past the gate, in one transaction. The caller
        holds the lock.

        An import of `history` passes the gate.
        """
        with connection.transaction():
            scope = decide_changed_keys(connection)
            if not scope.keys:
                return Decided(scope, Enqueued(0, 0, 0))
            return Decided(scope, self._enqueue(connection, in_scope=True, run_id=run_id, history=history))

    def enqueue_missing(self, connection: Connection) -> Enqueued:
        """Enqueue every entitled completion that has no certificate, whatever the reason. The caller holds
        the lock.

        Decides the changed keys first: what is printed must be what a decision saw.
        """
        with connection.transaction():
            decide_changed_keys(connection)
            return self._enqueue(connection, in_scope=False, run_id=None, history=False)

    def _enqueue(
        self, connection: Connection, *, in_scope: bool, run_id: UUID | None, history: bool
    ) -> Enqueued:
        enqueued = enqueue_entitled(
            connection,
            key=self._identity_key(),
            public_url=self._settings.public_base_url,
            in_scope=in_scope,
            gate=self._gate_rules(),
            run_id=run_id,
            history=history,
        )
        if enqueued.held:
            self.tell_team(connection)
        return enqueued

    def _gate_rules(self) -> GateRules:
        settings = self._settings
        return GateRules(
            weeks=settings.gate_weeks,
            volume_factor=settings.gate_volume_factor,
            volume_floor=settings.gate_volume_floor,
            oldest_days=settings.gate_oldest_days,
            timezone=settings.timezone,
        )

    def _identity_key(self) -> IdentityKey:
        return IdentityKey.read(self._settings.secrets / "certificate_id.key")

    def waiting(self, connection: Connection) -> int:
        """How many certificates are due now."""
        return count_pending(connection)

    def has_work(self, connection: Connection) -> bool:
        """Whether there is anything to load, decide, issue or send."""
        row = connection.execute(_HAS_WORK, (list(NOTICE_KINDS),)).fetchone()
        return bool(row and row[0]) or bool(Landing(self._settings.landing_url).waiting())

    def check_loads(self) -> list[Verdict]:
        """Run the quality suites on the loads that have no verdict yet, and on failed ones to which more has
        come since.
        """
        with self.connect() as connection:
            verdicts = check_loads(connection, docs_folder=self._settings.quality_docs)
            settle_verdicts(connection)
        return verdicts

    def issue_chunk(self, *, limit: int, run_id: UUID | None) -> ChunkResult:
        """Issue up to `limit` certificates in this process."""
        return issue_chunk(self.press, limit=limit, run_id=run_id)

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
        waiting = count_pending(connection, due_by=due_by)
        on_total(waiting)
        if not waiting:
            return ChunkResult()
        return issue_all(self.press, due_by=due_by, run_id=run_id, waiting=waiting, on_attempts=on_attempts)

    def hold_what_follows(self, connection: Connection) -> int:
        """Hold what waits to be issued on facts of loads that failed their quality suite, and let go what
        rests on better ones by now, or on a better verdict; returns how many are newly held. The caller
        holds the lock.
        """
        with connection.transaction():
            held = judge_quality_again(connection, timezone=self.timezone)
            end_healed(connection)
            if held:
                self.tell_team(connection)
        return held

    def tell_team(self, connection: Connection) -> None:
        """Queue a mail about each hold that waits and has none yet, in the caller's transaction.

        A mail that cannot be written is logged and undoes nothing else: a notice never stops a decision.
        """
        try:
            with connection.transaction():
                queue_hold_notices(
                    connection,
                    list_holds(connection, state="waiting"),
                    team=addresses_in(self._settings.team_email, variable="PRAMAAN_TEAM_EMAIL"),
                    approval_url=f"{self._settings.public_base_url.removesuffix(PREFIX)}/required_actions",
                    sender=Sender.parse(self._settings.mail_from),
                )
        except (ValueError, SettingsError) as error:
            # Without the error itself, which may quote an address.
            log.error("the team is not told of what is held: %s", type(error).__name__)  # noqa: TRY400

    def send_mail(self, *, server_url: Callable[[], str | None]) -> Sent:
        """Send what mail is due, as far as the rate allows; `server_url` is asked for only if there is some.
        Reports go with those who build them.

        Without a server, and while it is away, mail waits.
        """
        with self.connect() as connection:
            self.reports.tell_of_late(connection)
            return send_or_wait(
                connection, settings=self._settings, server_url=server_url, kinds=NOTICE_KINDS
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
