"""Courses and the certificates asserted to them: `/v1/courses`."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from pramaan.registry import attachment_changes
from pramaan.registry.attachments import Attachment, attachment_in_force
from pramaan.registry.courses import ListedCourse, list_courses
from pramaan.web.access import READERS, FontsDep, accessible_course, accessible_history, attachment_terms
from pramaan.web.callers import Caller, CallerDep
from pramaan.web.database import Database, DatabaseDep
from pramaan.web.problems import ProblemError, problem_responses
from pramaan.web.request_models import IdInPath, IdInQuery, NewAttachment, Text

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/courses", tags=["courses"], responses=problem_responses(401, 403, 404, 422, 503)
)


class CourseBody(BaseModel):
    """The newest version of a course, and the certificate that it offers."""

    course_id: str
    tenant_id: str
    name: str
    status: str
    published_at: datetime | None
    offers_certificate: bool
    template_id: str | None
    issuer_id: str | None
    criteria: dict[str, Any] | None
    valid_from: datetime | None


class CoursesBody(BaseModel):
    """A page of courses; `next_after` is the `after` of the next page, null on the last."""

    courses: list[CourseBody]
    next_after: str | None


class HistoryBody(BaseModel):
    """Every certificate that the course has offered, newest first."""

    course_id: str
    history: list[Attachment]


def _terms(
    database: Database, course_id: str, body: NewAttachment, *, caller: Caller, fonts: Path
) -> dict[str, Any]:
    with database.connection() as connection:
        course = accessible_course(connection, course_id, caller=caller)
    caller.require("badge_creator", tenant_id=course.tenant_id)
    return attachment_terms(database, body, caller=caller, channel="api", fonts=fonts)


@router.get("")
def courses(  # noqa: PLR0917 - the framework passes them by name
    caller: CallerDep,
    database: DatabaseDep,
    offers_certificate: bool | None = None,
    q: Annotated[Text | None, Query(description="A course's id, or a part of its name.")] = None,
    after: Annotated[IdInQuery | None, Query(description="`next_after` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> CoursesBody:
    """Courses of the caller's tenants, by id; with `offers_certificate=true`, only those that offer
    one now.
    """
    with database.connection() as connection:
        listed = list_courses(
            connection,
            tenants=caller.tenants(*READERS),
            offers_certificate=offers_certificate,
            search=q,
            after=after,
            limit=limit + 1,
        )
    page = [_course_body(one) for one in listed[:limit]]
    return CoursesBody(courses=page, next_after=page[-1].course_id if len(listed) > limit else None)


@router.get("/{course_id}/certificate")
def certificate(course_id: IdInPath, caller: CallerDep, database: DatabaseDep) -> Attachment:
    """The certificate that the course offers now."""
    with database.connection() as connection:
        accessible_course(connection, course_id, caller=caller)
        attachment = attachment_in_force(connection, course_id)
    if attachment is None:
        raise ProblemError(404, "certificate_not_attached", f"course {course_id} offers no certificate now")
    return attachment


@router.get("/{course_id}/certificate/history")
def history(course_id: IdInPath, caller: CallerDep, database: DatabaseDep) -> HistoryBody:
    """Every certificate that the course has offered, newest first."""
    with database.connection() as connection:
        accessible_course(connection, course_id, caller=caller)
        versions = accessible_history(connection, course_id, caller=caller)
    return HistoryBody(course_id=course_id, history=versions)


@router.post("/{course_id}/certificate", status_code=201, responses=problem_responses(400, 409, 413, 415))
def assert_certificate(
    course_id: IdInPath, body: NewAttachment, caller: CallerDep, database: DatabaseDep, fonts: FontsDep
) -> Attachment:
    """Assert a certificate to a course that offers none, from now on."""
    terms = _terms(database, course_id, body, caller=caller, fonts=fonts)
    with database.connection() as connection:
        return attachment_changes.attach(connection, course_id, **terms)


@router.put("/{course_id}/certificate", responses=problem_responses(400, 409, 413, 415))
def replace_certificate(
    course_id: IdInPath, body: NewAttachment, caller: CallerDep, database: DatabaseDep, fonts: FontsDep
) -> Attachment:
    """Replace the certificate of a course from now on. Certificates earned before stay as they were
    earned.
    """
    terms = _terms(database, course_id, body, caller=caller, fonts=fonts)
    with database.connection() as connection:
        return attachment_changes.replace(connection, course_id, **terms)


@router.delete("/{course_id}/certificate", status_code=204, response_class=Response)
def remove_certificate(course_id: IdInPath, caller: CallerDep, database: DatabaseDep) -> None:
    """Remove the certificate from a course from now on. Certificates earned before stay earned."""
    with database.connection() as connection:
        course = accessible_course(connection, course_id, caller=caller)
        caller.require("badge_creator", tenant_id=course.tenant_id)
        attachment_changes.detach(connection, course_id, by=caller.actor("api"))


def _course_body(listed: ListedCourse) -> CourseBody:
    return CourseBody(**asdict(listed), offers_certificate=listed.offers_certificate)
