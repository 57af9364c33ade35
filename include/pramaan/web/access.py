"""What a caller may see. What they may not is answered like what does not exist."""

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
"""Everybody with a role in a tenant sees its courses and what they offer; there is nothing personal in it."""


def accessible_course(connection: Connection, course_id: str, *, caller: Caller) -> Course:
    """The course. Raises ProblemError 404 `course_not_found` for one that the caller may not see, too."""
    course = find_course(connection, course_id)
    if course is None or not caller.may(*READERS, tenant_id=course.tenant_id):
        raise not_found("course", course_id)
    return course


def accessible_history(connection: Connection, course_id: str, *, caller: Caller) -> list[Attachment]:
    """The course's attachments, the newest first; not those of a tenant that it belonged to before and that
    the caller may not see.
    """
    versions = attachment_history(connection, course_id)
    return [one for one in versions if caller.may(*READERS, tenant_id=one.tenant_id)]


def accessible_issuer(connection: Connection, issuer_id: str, *, caller: Caller) -> IssuerVersion:
    """The issuer. Raises ProblemError 404 `issuer_not_found` for one that the caller may not see, too."""
    issuer = find_issuer(connection, issuer_id)
    if issuer is None or not caller.may(*READERS, tenant_id=issuer.tenant_id):
        raise not_found("issuer", issuer_id)
    return issuer


def accessible_certificate(connection: Connection, certificate_id: str, *, caller: Caller) -> Certificate:
    """The certificate. Raises ProblemError 404 `certificate_not_found` for one that the caller may not see,
    too.
    """
    found = find_certificate(connection, certificate_id)
    if found is None or not caller.may(*READERS, tenant_id=found.tenant_id):
        raise not_found("certificate", certificate_id)
    return found


def accessible_report(connection: Connection, request_id: UUID, *, caller: Caller) -> ReportRequest:
    """The request, to whoever made it and to admins of the batch's tenant. Raises ProblemError 404
    `report_not_found` for one that the caller may not see, too.
    """
    found = find_request(connection, request_id)
    if found is None or not (
        found.requested_by == caller.username
        or caller.may(tenant_id=tenant_of_batch(connection, found.batch_id) or "")
    ):
        raise not_found("report", str(request_id))
    return found


def require_issuer_of(connection: Connection, course: Course, issuer_id: str, *, caller: Caller) -> None:
    """Raises ProblemError 404 `issuer_not_found`, RegistryError `issuer_of_other_tenant`."""
    if accessible_issuer(connection, issuer_id, caller=caller).tenant_id != course.tenant_id:
        raise RegistryError(
            "issuer_of_other_tenant", f"issuer {issuer_id} is not of the course's tenant {course.tenant_id}"
        )


def _fonts_folder(request: Request) -> Path:
    return cast(Path, request.app.state.settings.home / "fonts")


FontsDep = Annotated[Path, Depends(_fonts_folder)]
"""Where the fonts of this home are configured."""


def attachment_terms(
    database: Database, assertion: NewAttachment, *, caller: Caller, channel: Channel, fonts: Path
) -> dict[str, Any]:
    """What the registry's `attach` and `replace` take, once the caller may see all that it names.

    A template that the registry does not know yet is laid out first, which takes some seconds; no connection
    is held meanwhile, and the caller must hold none.

    Raises ProblemError 404 `issuer_not_found`, RegistryError `template_not_found`, TemplateError when the
    template is not fit to be used.
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
