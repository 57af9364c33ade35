"""Attachments: certificates asserted to courses, each version in force for an interval (tables
`registry.attachments`, `template_versions`).

At most one is in force for a course at any instant: a constraint of the database says so, not only this
code. Every change notes the course in `ops.changed_keys`, so that the decisions it touches are made again.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from psycopg.errors import ExclusionViolation

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError

__all__ = [
    "PRINTED_FIELDS",
    "Criteria",
    "KeptTemplate",
    "attach",
    "detach",
    "succeed_for_issuer",
    "template_archive",
]


PRINTED_FIELDS = frozenset({
    "certificate_id", "recipient_name", "course_name", "completed_at", "issuer_name", "issuer_url",
    "signatory_name", "signatory_designation", "verify_url", "language",
})  # fmt: skip
"""Every field that a certificate can print; some are empty when the issuer leaves them out."""

_SUCCESSOR = """
    insert into registry.attachments
        (course_id, tenant_id, template_id, template_version, issuer_id, issuer_version, criteria, valid_from,
         valid_to, asserted_by, reason)
    select course_id, tenant_id, template_id, template_version, issuer_id, %s, criteria, %s, %s, %s, %s
    from registry.attachments where attachment_id = %s
"""


@dataclass(frozen=True, slots=True)
class Criteria:
    """Who may earn it, beyond completing: users of these tenants only (empty: all), with at least this mean
    score.
    """

    recipient_tenants: tuple[str, ...] = ()
    minimum_score: float | None = None

    def as_json(self) -> str:
        """The form in which an attachment keeps it; a criterion that is not asked for is absent."""
        values: dict[str, object] = {}
        if self.recipient_tenants:
            values["recipient_tenants"] = sorted(set(self.recipient_tenants))
        if self.minimum_score is not None:
            values["minimum_score"] = self.minimum_score
        return json.dumps(values)


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """A template folder as the registry keeps it: its id, content hash and archive."""

    template_id: str
    version: str
    archive: bytes = field(repr=False)
    required_fields: frozenset[str] = frozenset()


def attach(
    connection: Connection,
    course_id: str,
    *,
    template: KeptTemplate,
    issuer_id: str,
    criteria: Criteria,
    valid_from: datetime,
    asserted_by: str,
    reason: str | None = None,
) -> UUID:
    """Assert a certificate to a course from `valid_from` on, or until the next one that is known begins;
    returns the attachment's id.

    Raises RegistryError: `course_not_found`, `course_not_published`, `issuer_not_found`,
    `issuer_of_other_tenant`, `certificate_already_attached`, `invalid_criteria`, `template_not_usable`.
    """
    if criteria.minimum_score is not None and not 0 <= criteria.minimum_score <= 100:  # noqa: PLR2004 - per cent
        raise RegistryError(
            "invalid_criteria", f"minimum_score {criteria.minimum_score:g} is outside 0 to 100"
        )
    try:
        with connection.transaction():
            tenant_id = _published_course_tenant(connection, course_id)
            issuer_version = _issuer_version(connection, issuer_id, tenant_id=tenant_id)
            _require_printable(connection, template, issuer_id=issuer_id, issuer_version=issuer_version)
            _keep_template(connection, template)
            row = connection.execute(
                "insert into registry.attachments "
                "(course_id, tenant_id, template_id, template_version, issuer_id, issuer_version, criteria, "
                "valid_from, valid_to, asserted_by, reason) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s, "
                "(select min(later.valid_from) from registry.attachments as later "
                " where later.course_id = %s and later.valid_from > %s "
                " and later.valid_to is distinct from later.valid_from), %s, %s) returning attachment_id",
                (course_id, tenant_id, template.template_id, template.version, issuer_id, issuer_version,
                 criteria.as_json(), valid_from, course_id, valid_from, asserted_by, reason),
            ).fetchone()  # fmt: skip
            _note_change(connection, course_id)
    except ExclusionViolation as error:
        raise RegistryError(
            "certificate_already_attached",
            f"course {course_id} already has a certificate in force at {valid_from.isoformat()}; "
            "choose an instant at which none was, or first end it by then: `detach --from`",
        ) from error
    return cast(UUID, row[0])  # type: ignore[index]


def detach(connection: Connection, course_id: str, *, valid_to: datetime) -> UUID:
    """End the course's attachment at `valid_to`; what was earned before stays earned. Returns the
    attachment's id.

    An end that is still to come can be brought forward; what has ended is never changed.

    Raises RegistryError `certificate_not_attached` when none was in force then.
    """
    with connection.transaction():
        # Waits for a new issuer version under way, so that the update sees the successors that it opens.
        connection.execute(
            "select from registry.attachments "
            "where course_id = %s and (valid_to is null or valid_to > now()) for update",
            (course_id,),
        )
        row = connection.execute(
            "update registry.attachments set valid_to = %(at)s where course_id = %(course_id)s "
            "and valid_from <= %(at)s and (valid_to is null or valid_to > greatest(now(), %(at)s)) "
            "returning attachment_id",
            {"at": valid_to, "course_id": course_id},
        ).fetchone()
        if row is None:
            raise RegistryError(
                "certificate_not_attached",
                f"course {course_id} has no open certificate that was in force at {valid_to.isoformat()}",
            )
        _note_change(connection, course_id)
    return cast(UUID, row[0])


def succeed_for_issuer(connection: Connection, issuer_id: str, version: int, *, asserted_by: str) -> None:
    """Close the issuer's open attachments now and open their successors with its new version, in the
    caller's transaction.

    One that is to begin later is closed at its beginning: it was never in force, and is not rewritten either.
    """
    still_open = connection.execute(
        "select attachment_id, course_id, valid_to, greatest(now(), valid_from) from registry.attachments "
        "where issuer_id = %s and (valid_to is null or valid_to > greatest(now(), valid_from)) for update",
        (issuer_id,),
    ).fetchall()
    for attachment_id, course_id, valid_to, since in still_open:
        connection.execute(
            "update registry.attachments set valid_to = %s where attachment_id = %s", (since, attachment_id)
        )
        reason = f"issuer version {version}"
        connection.execute(_SUCCESSOR, (version, since, valid_to, asserted_by, reason, attachment_id))
        _note_change(connection, cast(str, course_id))


def template_archive(connection: Connection, template_id: str, version: str) -> bytes:
    """The archive of a kept template version. Raises KeyError when there is none."""
    row = connection.execute(
        "select archive from registry.template_versions where template_id = %s and version = %s",
        (template_id, version),
    ).fetchone()
    if row is None:
        raise KeyError((template_id, version))
    return cast(bytes, row[0])


def _published_course_tenant(connection: Connection, course_id: str) -> str:
    row = connection.execute(
        "select tenant_id, status, min(published_at) over () from raw.courses where course_id = %s "
        "order by updated_at desc limit 1",
        (course_id,),
    ).fetchone()
    if row is None:
        raise RegistryError("course_not_found", f"there is no course {course_id}; load it first")
    if row[1] == "Draft" or row[2] is None:
        raise RegistryError("course_not_published", f"course {course_id} is not published")
    return cast(str, row[0])


def _issuer_version(connection: Connection, issuer_id: str, *, tenant_id: str) -> int:
    # The lock first, in a statement of its own: one that waits while a new version is recorded would go on
    # with what it saw before, and attach the version that has just been succeeded.
    row = connection.execute(
        "select tenant_id from registry.issuers where issuer_id = %s for share", (issuer_id,)
    ).fetchone()
    if row is None:
        raise RegistryError(
            "issuer_not_found", f"there is no issuer {issuer_id}; add it with `pramaan issuer add`"
        )
    if row[0] != tenant_id:
        raise RegistryError(
            "issuer_of_other_tenant", f"issuer {issuer_id} is not of the course's tenant {tenant_id}"
        )
    newest = connection.execute(
        "select max(version) from registry.issuer_versions where issuer_id = %s", (issuer_id,)
    ).fetchone()
    return cast(int, newest[0])  # type: ignore[index]


def _require_printable(
    connection: Connection, template: KeptTemplate, *, issuer_id: str, issuer_version: int
) -> None:
    """Refuse a template that asks for what will not be there, before everybody's certificate fails."""
    row = connection.execute(
        "select url, signatory_name, signatory_designation from registry.issuer_versions "
        "where issuer_id = %s and version = %s",
        (issuer_id, issuer_version),
    ).fetchone()
    optional = dict(zip(("issuer_url", "signatory_name", "signatory_designation"), row or (), strict=False))
    there = PRINTED_FIELDS - {name for name, value in optional.items() if value is None}
    lacking = sorted(template.required_fields - there)
    if lacking:
        raise RegistryError(
            "template_not_usable",
            f"template {template.template_id} requires {', '.join(lacking)}, which issuer {issuer_id} or the "
            "platform does not give; mark it optional, or complete the issuer",
        )


def _keep_template(connection: Connection, template: KeptTemplate) -> None:
    connection.execute(
        "insert into registry.template_versions (template_id, version, archive) values (%s, %s, %s) "
        "on conflict do nothing",
        (template.template_id, template.version, template.archive),
    )


def _note_change(connection: Connection, course_id: str) -> None:
    connection.execute(
        "insert into ops.changed_keys (kind, course_id) values ('attachment', %s)", (course_id,)
    )
