"""Courses as those see them who assert certificates: the newest version of each, and what it offers.

The rule of when a course is published stands in dbt (`marts.dim_course`); here it is only read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry import clock

__all__ = ["Course", "ListedCourse", "find_course", "list_courses", "published_course"]


@dataclass(frozen=True, slots=True)
class Course:
    """A course by its newest version; `published_at` is the earliest that is known."""

    course_id: str
    tenant_id: str
    name: str
    status: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedCourse(Course):
    """A course and the certificate that it offers now, if any."""

    template_id: str | None
    issuer_id: str | None
    valid_from: datetime | None
    criteria: Mapping[str, object] | None

    @property
    def offers_certificate(self) -> bool:
        """Whether a certificate is in force."""
        return self.template_id is not None


def find_course(connection: Connection, course_id: str) -> Course | None:
    """The course, if any version of it was ever loaded."""
    with connection.cursor(row_factory=class_row(Course)) as cursor:
        return cursor.execute(
            "select course_id, tenant_id, name, status, published_at from marts.dim_course "
            "where course_id = %s",
            (course_id,),
        ).fetchone()


def published_course(connection: Connection, course_id: str) -> Course:
    """The course, published by now.

    Raises RegistryError `course_not_found` or `course_not_published`.
    """
    course = find_course(connection, course_id)
    if course is None:
        raise RegistryError("course_not_found", f"there is no course {course_id}; load it first")
    is_due = course.published_at is not None and course.published_at <= clock.now(connection)
    if course.status == "Draft" or not is_due:
        raise RegistryError("course_not_published", f"course {course_id} is not published")
    return course


_LIST = """
    select
        courses.course_id, courses.tenant_id, courses.name, courses.status, courses.published_at,
        attachments.template_id, attachments.issuer_id, attachments.valid_from, attachments.criteria
    from marts.dim_course as courses
    left join registry.attachments as attachments
        on courses.course_id = attachments.course_id
        and attachments.valid_from <= now()
        and coalesce(attachments.valid_to > now(), true)
    where (%(tenants)s::text[] is null or courses.tenant_id = any(%(tenants)s))
        and (%(offers)s::boolean is null or (attachments.attachment_id is not null) = %(offers)s)
        and (
            %(search)s::text is null
            or courses.course_id = %(search)s
            or strpos(lower(courses.name), lower(%(search)s)) > 0
        )
        and (%(after)s::text is null or courses.course_id > %(after)s)
    order by courses.course_id
    limit %(limit)s
"""


def list_courses(
    connection: Connection,
    *,
    tenants: Sequence[str] | None,
    offers_certificate: bool | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[ListedCourse]:
    """Courses by id, those after `after` first: of these tenants (None: of all), that offer a certificate or
    do not, whose id is `search` or whose name holds it.
    """
    values = {
        "tenants": None if tenants is None else list(tenants),
        "offers": offers_certificate,
        "search": search or None,
        "after": after,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(ListedCourse)) as cursor:
        return cursor.execute(_LIST, values).fetchall()
