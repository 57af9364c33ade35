"""Requests for reports: who may request which report, and where it may be sent. Every interface uses this.

Mentors and admins may request reports of batches in their tenants; an operator at this machine, of any batch.
A report goes to the requester's own address, as their grants have it, or to an address in an allowed domain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from pramaan.errors import ReportError
from pramaan.localisation import LANGUAGES
from pramaan.mail.addresses import domains_in, is_sendable
from pramaan.registry.grants import Grant, grants_of, tenants_in
from pramaan.reports.encryption import ReportKey
from pramaan.reports.ledger import (
    Channel,
    Format,
    NewRequest,
    ReportRequest,
    count_lately,
    enter,
    lock_requester,
)

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.settings import Settings

__all__ = [
    "ReportSpec",
    "RequestRules",
    "Requester",
    "may_still_see",
    "recipient_of",
    "request_report",
    "requester_of",
    "require_batch",
    "require_language",
]

_HOUR: Final = timedelta(hours=1)
_ROUTES: Final = frozenset("%!/|")
_SHORTEST_PASSWORD: Final = 8
_LONGEST_PASSWORD: Final = 128


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who requests a report. `tenants`: where they are a mentor (None: everywhere); `email`: their
    own address, if it is known; `is_operator`: someone at this machine, who may send anywhere and without a
    limit.
    """

    username: str
    tenants: list[str] | None
    email: str | None = field(default=None, repr=False)
    is_operator: bool = False

    @classmethod
    def of(cls, username: str, grants: Iterable[Grant]) -> Self:
        """Returns the requester for a signed-in user with these grants."""
        granted = tuple(grants)
        email = next((grant.email for grant in granted if grant.email and is_sendable(grant.email)), None)
        return cls(username, tenants_in(granted, "mentor"), email)

    def may_see(self, tenant_id: str) -> bool:
        """Whether the requester may request reports of this tenant's batches."""
        return self.tenants is None or tenant_id in self.tenants


@dataclass(frozen=True, slots=True)
class RequestRules:
    """Where reports may be sent and how many may be requested. `domains` None: anywhere."""

    domains: frozenset[str] | None
    per_hour: int

    @classmethod
    def of(cls, settings: "Settings") -> Self:
        """Returns the rules from the settings. Without `PRAMAAN_REPORT_DOMAINS`, reports go only to
        requesters' own addresses, or anywhere when mail goes to the embedded server, which delivers nothing.

        Raises SettingsError for a value that is not a list of domains.
        """
        domains = domains_in(settings.report_domains, variable="PRAMAAN_REPORT_DOMAINS")
        is_open = not domains and not settings.delivers_mail
        return cls(None if is_open else domains, settings.reports_per_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpec:
    """The requested report. Without `email` it goes to the requester's own address."""

    batch_id: str
    format: Format
    language: str = "en"
    email: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def request_report(
    connection: "Connection",
    requester: Requester,
    wanted: ReportSpec,
    *,
    channel: Channel,
    rules: RequestRules,
    key: ReportKey,
    requested_at: datetime | None = None,
    request_id: UUID | None = None,
) -> UUID:
    """Record the request in its own transaction and wake the builders; returns the request's id.

    `requested_at` is when the report was requested, if that was earlier; more than an hour ago counts as an
    hour. With a caller's own `request_id` the request is written once, however often the call is repeated.

    Raises ReportError: `batch_not_found`, also for a batch that the requester may not see; `email_needed`,
    `email_not_usable`, `email_not_allowed`, `unknown_language`, `password_not_usable`; `too_many_reports`,
    `report_already_running`.
    """
    require_batch(connection, requester, wanted.batch_id)
    email = recipient_of(requester, wanted.email, rules=rules)
    require_language(wanted.language)
    _check_password(wanted.password)
    with connection.transaction():
        lock_requester(connection, requested_by=requester.username)
        if not requester.is_operator and channel != "schedule":
            lately = count_lately(connection, requested_by=requester.username, within=_HOUR)
            if lately >= rules.per_hour:
                raise ReportError(
                    "too_many_reports",
                    f"{lately} reports were asked for within the last hour; wait before asking again",
                )
        return enter(
            connection,
            NewRequest(
                batch_id=wanted.batch_id,
                requested_by=requester.username,
                by_operator=requester.is_operator,
                email=email,
                format=wanted.format,
                language=wanted.language,
                channel=channel,
                encrypted_password=key.encrypt(wanted.password) if wanted.password else None,
                requested_at=requested_at,
                request_id=request_id,
            ),
        )


def requester_of(connection: "Connection", username: str, *, by_operator: bool) -> Requester:
    """Returns a past requester with the grants that they have now."""
    if by_operator:
        return Requester(username, None, is_operator=True)
    return Requester.of(username, grants_of(connection, username))


def may_still_see(connection: "Connection", request: ReportRequest) -> bool:
    """Whether the requester of a report may still see its batch."""
    requester = requester_of(connection, request.requested_by, by_operator=request.by_operator)
    try:
        require_batch(connection, requester, request.batch_id)
    except ReportError:
        return False
    return True


def require_batch(connection: "Connection", requester: Requester, batch_id: str) -> None:
    """Raises ReportError `batch_not_found` for a batch that is unknown, or that the requester may not see."""
    # Postgres text cannot hold this character.
    known = (
        "\x00" not in batch_id
        and connection.execute(
            "select tenant_id from marts.dim_batch where batch_id = %s", (batch_id,)
        ).fetchone()
    )
    if not (known and requester.may_see(str(known[0]))):
        raise ReportError("batch_not_found", f"there is no batch {_shown(batch_id)}")


def require_language(language: str) -> None:
    """Raises ReportError `unknown_language`."""
    if language not in LANGUAGES:
        raise ReportError("unknown_language", f"reports come in: {', '.join(LANGUAGES)}")


def recipient_of(requester: Requester, email: str | None, *, rules: RequestRules) -> str:
    """Returns the report's recipient. Raises ReportError `email_needed`, `email_not_usable`,
    `email_not_allowed`.
    """
    if not email:
        if requester.email is None:
            raise ReportError(
                "email_needed",
                "no address of yours is known: say where the report is to go, or have it added to your grant "
                "(`pramaan grant add --email`)",
            )
        return requester.email
    # `%` and `!` can route mail to another server behind the first; a leading `/` or `|` names a file or a
    # program.
    is_own = requester.email is not None and email.lower() == requester.email.lower()
    if not is_sendable(email) or not (is_own or requester.is_operator or _ROUTES.isdisjoint(email)):
        raise ReportError("email_not_usable", "that is no address such as mentor@example.org")
    domain = email.rpartition("@")[2].lower()
    if not (is_own or requester.is_operator or rules.domains is None or domain in rules.domains):
        raise ReportError(
            "email_not_allowed",
            "reports go to your own address, or to one of the domains in PRAMAAN_REPORT_DOMAINS: "
            f"{', '.join(sorted(rules.domains)) or 'none is set'}",
        )
    return email


def _check_password(password: str | None) -> None:
    if password is not None and not (
        _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD and password.isprintable()
    ):
        raise ReportError(
            "password_not_usable",
            f"a password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} printable characters",
        )


def _shown(batch_id: str) -> str:
    """Returns the id itself if it is printable ASCII, else its escaped form."""
    return batch_id if batch_id.isascii() and batch_id.isprintable() else ascii(batch_id)
