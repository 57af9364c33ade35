"""The reports of one home: the service that every interface and task calls. Composes this package's
modules.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pramaan.database.connect import Connection, connect
from pramaan.errors import SettingsError, StoreError
from pramaan.mail.addresses import Sender, addresses_in
from pramaan.mail.ledger import count_due
from pramaan.mail.send import Sent, send_or_wait
from pramaan.reports.builders import MOST_BUILDERS, BuilderTotals, work
from pramaan.reports.building import BuildContext
from pramaan.reports.delivery import ReportDelivery
from pramaan.reports.encryption import LINK_LIFE, ReportKey
from pramaan.reports.ledger import (
    Channel,
    count_builders,
    count_waiting,
    expired_files,
    newest_waiting,
    record_file_removed,
)
from pramaan.reports.mails import REPORT_MAILS, ProgressReport
from pramaan.reports.requests import ReportSpec, Requester, RequestRules, request_report
from pramaan.reports.schedules import Cadence, add_schedule, is_schedule_due, request_due
from pramaan.reports.sla import has_unreported_late_reports, notify_late_reports
from pramaan.store import Store

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["PendingWork", "ReportService"]

log = logging.getLogger(__name__)

_SENDING_SECONDS: Final = 60.0
"""At a time; the process that sends builds nothing meanwhile."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """How many reports were requested by schedule, how many notices went to the team, and how many builders
    have work now.
    """

    asked: int
    told: int
    builders: int


class ReportService:
    """The reports of one home, on the database at `url`."""

    def __init__(self, settings: "Settings", *, url: str) -> None:
        self._settings = settings
        self._url = url

    def connect(self) -> AbstractContextManager[Connection]:
        """Returns a connection to the database for the block."""
        return connect(self._url, application="pramaan reports")

    @cached_property
    def rules(self) -> RequestRules:
        """Where reports may be sent, and how many may be requested."""
        return RequestRules.of(self._settings)

    @cached_property
    def key(self) -> ReportKey:
        """The home's key for passwords and links."""
        return ReportKey.read(self._settings.secrets / "report.key")

    def check_settings(self) -> None:
        """Raises SettingsError for a setting that would keep reports from being sent."""
        _ = self.rules, self._sender, self._team

    def ask(
        self,
        connection: Connection,
        requester: Requester,
        spec: ReportSpec,
        *,
        channel: Channel,
        requested_at: datetime | None = None,
        request_id: UUID | None = None,
    ) -> UUID:
        """Record a request; returns its id. Raises ReportError as `request_report` does."""
        return request_report(
            connection,
            requester,
            spec,
            channel=channel,
            rules=self.rules,
            key=self.key,
            requested_at=requested_at,
            request_id=request_id,
        )

    def schedule(
        self, connection: Connection, requester: Requester, spec: ReportSpec, *, cadence: Cadence
    ) -> UUID:
        """Schedule a report to be requested again by itself. Raises ReportError as `add_schedule` does."""
        return add_schedule(connection, requester, spec, cadence=cadence, rules=self.rules)

    def poll(self, connection: Connection) -> Iterator[str]:
        """Yields a name for each kind of pending work: to build, to send, to request by schedule, to report
        as late. The name for building changes when a newer request waits.
        """
        if newest := newest_waiting(connection):
            yield f"report {newest}"
        if count_due(connection, kinds=REPORT_MAILS):
            yield "mail about reports"
        if is_schedule_due(connection, timezone=self._settings.timezone):
            yield "schedule"
        if has_unreported_late_reports(connection):
            yield "late"

    def pending_work(self, connection: Connection) -> PendingWork:
        """Request the reports that are due by schedule, notify the team of late ones, and return the pending
        work.
        """
        asked = request_due(connection, rules=self.rules, key=self.key, timezone=self._settings.timezone)
        told = self.notify_late(connection)
        self._remove_expired_files(connection)
        waiting = count_waiting(connection) or bool(count_due(connection, kinds=REPORT_MAILS))
        # Busy builders look for more work before they end.
        idle = max(0, MOST_BUILDERS - count_builders(connection))
        return PendingWork(asked, told, builders=min(waiting, idle))

    def notify_late(self, connection: Connection) -> int:
        """Notify the team of late reports; returns how many notices were queued. Mail senders call this too,
        since a paused DAG notifies nobody. Settings that cannot be used are logged and stop nothing else.
        """
        try:
            told = notify_late_reports(connection, team=self._team, sender=self._sender)
        except SettingsError as error:
            log.error("nobody is told of late reports: %s", error)  # noqa: TRY400 - it names the setting
            return 0
        if told:
            log.error("reports wait for too long: %s notices to the team", told)
        return told

    def work(self, *, server_url: Callable[[], str | None], request_id: UUID | None = None) -> BuilderTotals:
        """Build and send until nothing waits; only the named request, if `request_id` is given."""
        with self.connect() as connection:
            return work(
                connection,
                context=self._context,
                send=lambda most_bytes: self.send(connection, server_url=server_url, most_bytes=most_bytes),
                request_id=request_id,
            )

    def send(
        self, connection: Connection, *, server_url: Callable[[], str | None], most_bytes: int | None = None
    ) -> Sent:
        """Hand over the mails about reports that are due, with files of at most `most_bytes`. Mails wait when
        there is no server and while it cannot be reached.
        """
        return send_or_wait(
            connection,
            settings=self._settings,
            server_url=server_url,
            kinds=REPORT_MAILS,
            deliveries={ProgressReport.kind: self._delivery},
            seconds=_SENDING_SECONDS,
            most_bytes=most_bytes,
        )

    @property
    def _delivery(self) -> ReportDelivery:
        return ReportDelivery(self._context.store, sender=self._sender, timezone=self._settings.zone.key)

    def _remove_expired_files(self, connection: Connection) -> None:
        """Remove files whose links have expired; a file that the store cannot remove now is tried again
        later.
        """
        for request_id, path in expired_files(connection, after=LINK_LIFE):
            try:
                self._context.store.discard(path)
            except StoreError as error:
                log.warning("report %s: %s", request_id, error)
            else:
                record_file_removed(connection, request_id)

    @cached_property
    def _context(self) -> BuildContext:
        return BuildContext(
            database_url=self._url,
            store=Store(self._settings.store_url),
            zone=self._settings.zone,
            key=self.key,
            sender=self._sender,
            folder=self._settings.home / "run" / "reports",
            public_url=self._settings.public_base_url,
        )

    @property
    def _sender(self) -> Sender:
        return Sender.parse(self._settings.mail_from)

    @property
    def _team(self) -> tuple[str, ...]:
        return addresses_in(self._settings.team_email, variable="PRAMAAN_TEAM_EMAIL")
