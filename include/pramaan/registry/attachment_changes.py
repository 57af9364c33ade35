"""Asserting certificates to courses: attach, replace, detach (table `registry.attachments`).

At most one is in force for a course at any instant: a constraint of the database says so, not only this
code. Every change notes the course in `ops.changed_keys`, so that the decisions it touches are made again,
and is recorded in `registry.changes`.

Locks are taken in one order, so that no two changes wait for each other: course, issuer, attachments. A
certificate is only inserted where none is open, since an insert waits for whatever it might conflict with.
"""

import dataclasses
from datetime import datetime
from typing import cast
from uuid import UUID

from psycopg.errors import ExclusionViolation

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry import clock
from pramaan.registry.attachments import (
    Attachment,
    Criteria,
    Terms,
    attachment_in_force,
    close_attachment,
    note_attachment_change,
    open_attachment,
)
from pramaan.registry.changes import Actor
from pramaan.registry.courses import published_course
from pramaan.registry.templates import KeptTemplate, keep_template, require_usable

__all__ = ["attach", "detach", "replace"]


def attach(
    connection: Connection,
    course_id: str,
    *,
    template: KeptTemplate,
    issuer_id: str,
    criteria: Criteria,
    by: Actor,
    notify_recipients: bool = False,
    valid_from: datetime | None = None,
    reason: str | None = None,
) -> Attachment:
    """Assert a certificate to a course from now, or `valid_from`, on, or until the next one that is known
    begins. With `notify_recipients` each recipient gets a short mail on issue.

    Raises RegistryError: `course_not_found`, `course_not_published`, `issuer_not_found`,
    `issuer_of_other_tenant`, `certificate_already_attached`, `template_not_usable`.
    """
    taken = RegistryError(
        "certificate_already_attached",
        f"course {course_id} already has a certificate in force"
        f"{f' at {valid_from.isoformat()}' if valid_from else ''}; update it, or remove it first",
    )
    try:
        with connection.transaction():
            terms = _terms(connection, course_id, template=template, issuer_id=issuer_id, criteria=criteria)
            terms = dataclasses.replace(terms, notify_recipients=notify_recipients)
            if _lock_in_force(connection, course_id, at=valid_from):
                raise taken
            since = valid_from or clock.now(connection)
            until = _next_beginning(connection, course_id, after=since)
            attachment = open_attachment(
                connection, terms, valid_from=since, valid_to=until, by=by, reason=reason
            )
            note_attachment_change(connection, "asserted", by=by, before=None, after=attachment, since=since)
    except ExclusionViolation as error:
        raise taken from error
    return attachment


def replace(
    connection: Connection,
    course_id: str,
    *,
    template: KeptTemplate,
    issuer_id: str,
    criteria: Criteria,
    by: Actor,
    notify_recipients: bool | None = None,
    expected: UUID | None = None,
) -> Attachment:
    """Replace the course's certificate from now on; what was earned before stays as it was earned. An end
    that is set already stays, too, and so does whether recipients get a mail, unless that is given.

    The same certificate again changes nothing. Raises RegistryError `certificate_not_attached` when none is
    in force, `changed_meanwhile` when it is not the `expected` one, and what `attach` raises.
    """
    with connection.transaction():
        terms = _terms(connection, course_id, template=template, issuer_id=issuer_id, criteria=criteria)
        before = _require(_lock_in_force(connection, course_id), course_id, expected=expected)
        notify = before.notify_recipients if notify_recipients is None else notify_recipients
        terms = dataclasses.replace(terms, notify_recipients=notify)
        if terms == before.terms:
            return before
        at = clock.now(connection)
        close_attachment(connection, before, at=at)
        after = open_attachment(
            connection, terms, valid_from=at, valid_to=before.valid_to, by=by, reason=None
        )
        note_attachment_change(connection, "replaced", by=by, before=before, after=after, since=at)
    return after


def detach(
    connection: Connection,
    course_id: str,
    *,
    by: Actor,
    valid_to: datetime | None = None,
    reason: str | None = None,
    expected: UUID | None = None,
) -> Attachment:
    """End the course's attachment now, or at `valid_to`; what was earned before stays earned.

    An end that is still to come can be brought forward; what has ended is never changed.

    Raises RegistryError `certificate_not_attached` when none was in force then, `changed_meanwhile` when it
    is not the `expected` one.
    """
    with connection.transaction():
        _lock_course(connection, course_id)
        before = _require(_lock_in_force(connection, course_id, at=valid_to), course_id, expected=expected)
        now = clock.now(connection)
        at = valid_to or now
        if before.valid_to is not None and before.valid_to <= max(now, at):
            raise _not_attached(course_id)
        after = close_attachment(connection, before, at=at)
        note_attachment_change(
            connection, "removed", by=by, before=before, after=after, since=at, reason=reason
        )
    return after


def _terms(
    connection: Connection, course_id: str, *, template: KeptTemplate, issuer_id: str, criteria: Criteria
) -> Terms:
    """Lock course and issuer, check what is asserted, keep the template."""
    _lock_course(connection, course_id)
    course = published_course(connection, course_id)
    issuer_version = _issuer_version(connection, issuer_id, tenant_id=course.tenant_id)
    keep_template(connection, template)
    require_usable(
        connection,
        template.template_id,
        template.version,
        issuer_id=issuer_id,
        issuer_version=issuer_version,
    )
    return Terms(
        course_id=course_id,
        tenant_id=course.tenant_id,
        template_id=template.template_id,
        template_version=template.version,
        issuer_id=issuer_id,
        issuer_version=issuer_version,
        criteria=criteria.as_dict(),
    )


def _lock_course(connection: Connection, course_id: str) -> None:
    """One change of a course's certificate at a time: two that conflict would else wait for each other."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (course_id,))


def _lock_in_force(
    connection: Connection, course_id: str, *, at: datetime | None = None
) -> Attachment | None:
    """The attachment in force now or at `at`, locked unless it has ended for good.

    Again while what the lock waited for, say a new issuer version, has opened a successor.
    """
    while True:
        locked = connection.execute(
            "select attachment_id from registry.attachments "
            "where course_id = %s and (valid_to is null or valid_to > now()) for update",
            (course_id,),
        ).fetchall()
        found = attachment_in_force(connection, course_id, at=at)
        if found is None or (found.attachment_id,) in locked:
            return found
        if found.valid_to is not None and found.valid_to <= clock.now(connection):
            return found


def _require(found: Attachment | None, course_id: str, *, expected: UUID | None) -> Attachment:
    if found is None:
        raise _not_attached(course_id)
    if expected is not None and found.attachment_id != expected:
        raise RegistryError(
            "changed_meanwhile", f"course {course_id} has another certificate in force than was expected"
        )
    return found


def _not_attached(course_id: str) -> RegistryError:
    return RegistryError(
        "certificate_not_attached", f"course {course_id} has no certificate in force; assert one first"
    )


def _next_beginning(connection: Connection, course_id: str, *, after: datetime) -> datetime | None:
    """When the next certificate that is known begins; one closed at its own beginning never does."""
    row = connection.execute(
        "select min(valid_from) from registry.attachments "
        "where course_id = %s and valid_from > %s and valid_to is distinct from valid_from",
        (course_id, after),
    ).fetchone()
    return cast(datetime | None, row[0]) if row else None


def _issuer_version(connection: Connection, issuer_id: str, *, tenant_id: str) -> int:
    # The lock first, in a statement of its own: one that waits while a new version is recorded would go on
    # with what it saw before, and attach the version that has just been succeeded.
    row = connection.execute(
        "select tenant_id from registry.issuers where issuer_id = %s for share", (issuer_id,)
    ).fetchone()
    if row is None:
        raise RegistryError("issuer_not_found", f"there is no issuer {issuer_id}; add it first")
    if row[0] != tenant_id:
        raise RegistryError(
            "issuer_of_other_tenant", f"issuer {issuer_id} is not of the course's tenant {tenant_id}"
        )
    newest = connection.execute(
        "select max(version) from registry.issuer_versions where issuer_id = %s", (issuer_id,)
    ).fetchone()
    return cast(int, newest[0])  # type: ignore[index]
