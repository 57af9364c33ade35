"""Access checks: what a caller may see. What a caller may not see is answered as if it did not exist."""

from pathlib import Path
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import Depends, Request

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry.attachments import Attachment, attachment_history
from pramaan.registry.bundled_templates import vetted_template
from pramaan.registry.certificates import Certificate, find_certificate, tenant_of_batch
from pramaan.registry.changes import Channel
from pramaan.registry.courses import Course, find_course
from pramaan.registry.issuers import IssuerVersion, find_issuer
from pramaan.registry.roles import Role
from pramaan.reports.ledger import ReportRequest, find_request
from pramaan.web.callers import Caller
from pramaan.web.database import Database
from pramaan.web.problems import not_found
from pramaan.web.request_models import NewAttachment

__all__ = [
    "READERS",
    "FontsDep",
    "accessible_certificate",
    "accessible_course",
    "accessible_history",
    "accessible_issuer",
    "accessible_report",
    "attachment_terms",
    "require_issuer_of",
]

READERS: Final[tuple[Role, ...]] = ("viewer", "mentor", "badge_creator", "portal")
"""Every role in a tenant may see its courses and their certificates; these hold no personal data."""


def accessible_course(connection: Connection, course_id: str, *, caller: Caller) -> Course:
    """Returns the course. Raises ProblemError 404 `course_not_found`, also for a course that the caller may
    not see.
    """
    course = find_course(connection, course_id)
    if course is None or not caller.may(*READERS, tenant_id=course.tenant_id):
        raise not_found("course", course_id)
    return course


def accessible_history(connection: Connection, course_id: str, *, caller: Caller) -> list[Attachment]:
    """Returns the course's attachments, newest first, without those of a former tenant of the course that the
    caller may not see.
    """
    versions = attachment_history(connection, course_id)
    return [one for one in versions if caller.may(*READERS, tenant_id=one.tenant_id)]


def accessible_issuer(connection: Connection, issuer_id: str, *, caller: Caller) -> IssuerVersion:
    """Returns the issuer. Raises ProblemError 404 `issuer_not_found`, also for an issuer that the caller may
    not see.
    """
    issuer = find_issuer(connection, issuer_id)
    if issuer is None or not caller.may(*READERS, tenant_id=issuer.tenant_id):
        raise not_found("issuer", issuer_id)
    return issuer


def accessible_certificate(connection: Connection, certificate_id: str, *, caller: Caller) -> Certificate:
    """Returns the certificate. Raises ProblemError 404 `certificate_not_found`, also for one that the caller
    may not see.
    """
    found = find_certificate(connection, certificate_id)
    if found is None or not caller.may(*READERS, tenant_id=found.tenant_id):
        raise not_found("certificate", certificate_id)
    return found


def accessible_report(connection: Connection, request_id: UUID, *, caller: Caller) -> ReportRequest:
    """Returns the request to its requester and to admins of the batch's tenant. Raises ProblemError 404
    `report_not_found`, also for a request that the caller may not see.
    """
    found = find_request(connection, request_id)
    if found is None or not (
        found.requested_by == caller.username
        or caller.may(tenant_id=tenant_of_batch(connection, found.batch_id) or "")
    ):
        raise not_found("report", str(request_id))
    return found


def require_issuer_of(connection: Connection, course: Course, issuer_id: str, *, caller: Caller) -> None:
    """Require an issuer of the course's tenant. Raises ProblemError 404 `issuer_not_found`, RegistryError
    `issuer_of_other_tenant`.
    """
    if accessible_issuer(connection, issuer_id, caller=caller).tenant_id != course.tenant_id:
        raise RegistryError(
            "issuer_of_other_tenant", f"issuer {issuer_id} is not of the course's tenant {course.tenant_id}"
        )


def _fonts_folder(request: Request) -> Path:
    return cast(Path, request.app.state.settings.home / "fonts")


FontsDep = Annotated[Path, Depends(_fonts_folder)]
"""The folder of this home's font configuration."""


def attachment_terms(
    database: Database, assertion: NewAttachment, *, caller: Caller, channel: Channel, fonts: Path
) -> dict[str, Any]:
    """Returns the arguments of the registry's `attach` and `replace`, after checking that the caller may see
    them.

    A template that the registry does not know yet is vetted first, which takes some seconds; no connection is
    held meanwhile, and the caller must hold none.

    Raises ProblemError 404 `issuer_not_found`, RegistryError `template_not_found`, TemplateError when the
    template cannot be used.
    """
    with database.connection() as connection:
        accessible_issuer(connection, assertion.issuer_id, caller=caller)
    terms = {
        "template": vetted_template(database.connection, assertion.template_id, fonts=fonts),
        "issuer_id": assertion.issuer_id,
        "criteria": assertion.criteria.criteria(),
        "by": caller.actor(channel),
    }
    notify = assertion.notify_recipients
    return terms if notify is None else terms | {"notify_recipients": notify}
