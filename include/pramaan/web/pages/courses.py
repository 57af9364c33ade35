"""The pages of courses: the list, and a course with its certificate, the form for it, and its history."""

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from pramaan.errors import RegistryError
from pramaan.registry.attachments import attachment_in_force
from pramaan.registry.courses import Course, list_courses, published_course
from pramaan.web.access import READERS, accessible_course, accessible_history
from pramaan.web.pages.context import PageContext, PageContextDep
from pramaan.web.pages.error_pages import ErrorNotice
from pramaan.web.pages.forms import CertificateForm, clean
from pramaan.web.pages.page_renderer import PAGES
from pramaan.web.pages.views import CertificateView, CourseRow, CoursesView, CourseView, Names, done_text
from pramaan.web.problems import as_problem
from pramaan.web.request_models import IdInPath

if TYPE_CHECKING:
    from pramaan.database.connect import Connection

__all__ = ["course_page", "router"]

router = APIRouter(prefix=PAGES, include_in_schema=False)

_ON_A_PAGE: Final = 50
_OFFERS: Final = {"with": True, "without": False}


@router.get("")
def courses(context: PageContextDep, q: str = "", offers: str = "", after: str = "") -> HTMLResponse:
    """The courses of the reader's tenants, with their certificates."""
    search, after = clean(q), clean(after)
    with context.database.connection() as connection:
        listed = list_courses(
            connection,
            tenants=context.caller.tenants(*READERS),
            offers_certificate=_OFFERS.get(offers),
            search=search or None,
            after=after or None,
            limit=_ON_A_PAGE + 1,
        )
        names = Names.seen_by(context.caller, connection)
    view = CoursesView(
        rows=[CourseRow.of(one, names) for one in listed[:_ON_A_PAGE]],
        search=search,
        offers=offers if offers in _OFFERS else "",
        is_first=not after,
        next_after=listed[_ON_A_PAGE - 1].course_id if len(listed) > _ON_A_PAGE else None,
    )
    return context.renderer.page(
        "courses.html", view, query={"q": search, "offers": view.offers, "after": after}
    )


@router.get("/courses/{course_id}")
def course(context: PageContextDep, course_id: IdInPath, done: str = "") -> HTMLResponse:
    """A course, its certificate, the form to change it, and its history."""
    with context.database.connection() as connection:
        seen = accessible_course(connection, course_id, caller=context.caller)
        return course_page(context, connection, seen, done=done_text(done))


def course_page(
    context: PageContext,
    connection: "Connection",
    course: Course,
    *,
    form: CertificateForm | None = None,
    error: Exception | None = None,
    done: str | None = None,
) -> HTMLResponse:
    """Returns a course's page; with `error`, it shows why a change was refused, and the form as it was filled
    in.
    """
    names = Names.seen_by(context.caller, connection)
    in_force = attachment_in_force(connection, course.course_id)
    current = in_force.attachment_id if in_force else None
    history = [
        CertificateView.of(one, names, is_in_force=one.attachment_id == current)
        for one in accessible_history(connection, course.course_id, caller=context.caller)
    ]
    problem = as_problem(error) if error else None
    may_change = context.caller.may("badge_creator", tenant_id=course.tenant_id)
    view = CourseView(
        course=course,
        is_published=_is_published(connection, course.course_id),
        may_change=may_change,
        in_force=next((one for one in history if one.is_in_force), None),
        history=history,
        templates=list(names.templates.values()),
        issuers=[one for one in names.issuers.values() if one.tenant_id == course.tenant_id],
        form=form or CertificateForm.of(in_force),
        csrf_token=context.csrf_tokens.csrf_token("certificate") if may_change else "",
        error_notice=ErrorNotice.of(problem) if problem else None,
        done=done,
    )
    status = problem.status if problem else 200
    return context.renderer.page("course.html", view, here=("courses", course.course_id), status=status)


def _is_published(connection: "Connection", course_id: str) -> bool:
    try:
        published_course(connection, course_id)
    except RegistryError:
        return False
    return True
