"""Attachments: certificates asserted to courses, each version in force for an interval (table
`registry.attachments`).

This module reads and writes their rows. `pramaan.registry.attachment_changes` decides who may change them and
how; `pramaan.registry.issuer_versioning` what a new version of an issuer does to them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import LiteralString, cast
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pramaan.database.connect import Connection
from pramaan.database.wake import wake
from pramaan.errors import RegistryError
from pramaan.registry.changes import Actor, record_change

__all__ = [
    "Attachment",
    "Criteria",
    "Terms",
    "attachment_history",
    "attachment_in_force",
    "close_attachment",
    "get_attachment",
    "note_attachment_change",
    "open_attachment",
]


@dataclass(frozen=True, slots=True)
class Criteria:
    """Who may earn it, beyond completing: users of these tenants only (empty: all), with at least this mean
    score (per cent).

    Raises RegistryError `invalid_criteria` for a score outside 0 to 100 or a tenant without a name.
    """

    recipient_tenants: tuple[str, ...] = ()
    minimum_score: float | None = None

    def __post_init__(self) -> None:
        if self.minimum_score is not None and not 0 <= self.minimum_score <= 100:  # noqa: PLR2004 - per cent
            raise RegistryError(
                "invalid_criteria", f"minimum_score {self.minimum_score:g} is outside 0 to 100"
            )
        if not all(tenant.strip() for tenant in self.recipient_tenants):
            raise RegistryError("invalid_criteria", "recipient_tenants names a tenant without a name")

    def as_dict(self) -> dict[str, object]:
        """What is asked for; a criterion that is not asked for is absent."""
        values: dict[str, object] = {}
        if self.recipient_tenants:
            values["recipient_tenants"] = sorted(set(self.recipient_tenants))
        if self.minimum_score is not None:
            values["minimum_score"] = self.minimum_score
        return values

    def as_json(self) -> str:
        """The form in which an attachment keeps it."""
        return json.dumps(self.as_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asserted to a course: a version of a template, a version of an issuer, criteria, and whether
    each recipient gets a short mail on issue.
    """

    course_id: str
    tenant_id: str
    template_id: str
    template_version: str
    issuer_id: str
    issuer_version: int
    criteria: Mapping[str, object]
    notify_recipients: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Terms):
    """One version of a course's certificate; in force from `valid_from`, until `valid_to` if it has ended."""

    attachment_id: UUID
    valid_from: datetime
    valid_to: datetime | None
    asserted_by: str
    asserted_at: datetime
    reason: str | None

    @property
    def terms(self) -> Terms:
        """What is asserted, without when and by whom."""
        return Terms(**{name.name: getattr(self, name.name) for name in fields(Terms)})

    def as_dict(self) -> dict[str, object]:
        """As the API and the record of changes show it."""
        return asdict(self)


_SELECT: LiteralString = """
    select
        attachment_id, course_id, tenant_id, template_id, template_version, issuer_id, issuer_version,
        criteria, notify_recipients, valid_from, valid_to, asserted_by, asserted_at, reason
    from registry.attachments
"""


def attachment_in_force(
    connection: Connection, course_id: str, *, at: datetime | None = None
) -> Attachment | None:
    """The course's attachment that is in force now, or at the instant `at`."""
    with connection.cursor(row_factory=class_row(Attachment)) as cursor:
        return cursor.execute(
            f"{_SELECT} where course_id = %(course_id)s "
            "and valid_from <= coalesce(%(at)s, clock_timestamp()) "
            "and coalesce(valid_to > coalesce(%(at)s, clock_timestamp()), true)",
            {"course_id": course_id, "at": at},
        ).fetchone()


def get_attachment(connection: Connection, attachment_id: UUID) -> Attachment:
    """One attachment. Raises KeyError when there is none."""
    with connection.cursor(row_factory=class_row(Attachment)) as cursor:
        found = cursor.execute(f"{_SELECT} where attachment_id = %s", (attachment_id,)).fetchone()
    if found is None:
        raise KeyError(attachment_id)
    return found


def attachment_history(connection: Connection, course_id: str) -> list[Attachment]:
    """Every version that the course has had, the newest first."""
    with connection.cursor(row_factory=class_row(Attachment)) as cursor:
        return cursor.execute(
            f"{_SELECT} where course_id = %s order by valid_from desc, asserted_at desc", (course_id,)
        ).fetchall()


_INSERT: LiteralString = """
    insert into registry.attachments
        (course_id, tenant_id, template_id, template_version, issuer_id, issuer_version, criteria,
         notify_recipients, valid_from, valid_to, asserted_by, reason)
    values (
        %(course_id)s, %(tenant_id)s, %(template_id)s, %(template_version)s, %(issuer_id)s,
        %(issuer_version)s, %(criteria)s, %(notify_recipients)s, %(valid_from)s, %(valid_to)s,
        %(asserted_by)s, %(reason)s
    )
    returning attachment_id
"""


def open_attachment(
    connection: Connection,
    terms: Terms,
    *,
    valid_from: datetime,
    valid_to: datetime | None,
    by: Actor,
    reason: str | None,
) -> Attachment:
    """Add an attachment, in the caller's transaction."""
    values = asdict(terms) | {
        "criteria": Jsonb(dict(terms.criteria)),
        "valid_from": valid_from,
        "valid_to": valid_to,
        "asserted_by": by.username,
        "reason": reason,
    }
    row = connection.execute(_INSERT, values).fetchone()
    return get_attachment(connection, cast(UUID, row[0]))  # type: ignore[index]


def close_attachment(connection: Connection, attachment: Attachment, *, at: datetime) -> Attachment:
    """End an attachment, in the caller's transaction."""
    connection.execute(
        "update registry.attachments set valid_to = %s where attachment_id = %s",
        (at, attachment.attachment_id),
    )
    return get_attachment(connection, attachment.attachment_id)


def note_attachment_change(
    connection: Connection,
    action: str,
    *,
    by: Actor,
    before: Attachment | None,
    after: Attachment,
    since: datetime,
    reason: str | None = None,
) -> None:
    """Have the decisions on completions of the course from `since` on made again and add what became of its
    certificate to the record of changes, in the caller's transaction.
    """
    connection.execute(
        "insert into ops.changed_keys (kind, course_id, since) values ('attachment', %s, %s)",
        (after.course_id, since),
    )
    wake(connection)
    record_change(
        connection,
        action,
        by=by,
        kind="attachment",
        subject_id=after.course_id,
        tenant_id=after.tenant_id,
        before=before.as_dict() if before else None,
        after=after.as_dict() | ({"reason": reason} if reason else {}),
    )
