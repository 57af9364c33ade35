"""Asserting, replacing and removing a course's certificate, each after a page that shows its effect.

Nothing is changed before its effect was shown: the form leads to a preview, and only the preview to the
change.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from pramaan.database.connect import Connection
from pramaan.errors import BusyError, DatabaseError, PramaanError, RegistryError
from pramaan.registry import attachment_changes
from pramaan.registry.attachments import Criteria, attachment_in_force
from pramaan.registry.bundled_templates import bundled_template
from pramaan.registry.courses import Course, published_course
from pramaan.web.access import accessible_course, attachment_terms, require_issuer_of
from pramaan.web.pages.context import PageContext, PageContextDep
from pramaan.web.pages.courses import course_page
from pramaan.web.pages.forms import CertificateForm, Purpose, RemovalForm
from pramaan.web.pages.page_renderer import PAGES
from pramaan.web.pages.views import CertificateView, ConfirmView, CriteriaView, GroupView, Names, RemoveView
from pramaan.web.previews import PreviewBody, preview_for
from pramaan.web.problems import ProblemError
from pramaan.web.request_models import IdInPath

if TYPE_CHECKING:
    from pramaan.web.request_models import NewAttachment

__all__ = ["router"]

router = APIRouter(prefix=f"{PAGES}/courses/{{course_id}}", include_in_schema=False)

FormDep = Annotated[CertificateForm, Depends()]
RemovalDep = Annotated[RemovalForm, Depends()]


@router.post("/edit")
def edit(context: PageContextDep, course_id: IdInPath, form: FormDep) -> Response:
    """Return from the preview to the form, with the entered values."""
    return _act(
        context, course_id, form, purpose="certificate",
        act=lambda seen: _course_page(context, seen, form=form),
    )  # fmt: skip


@router.post("/preview")
def preview(context: PageContextDep, course_id: IdInPath, form: FormDep) -> Response:
    """Show who would get the entered certificate; changes nothing."""

    def act(seen: Course) -> Response:
        assertion = form.assertion()
        with context.database.connection() as connection:
            published_course(connection, seen.course_id)
            bundled_template(assertion.template_id)
            require_issuer_of(connection, seen, assertion.issuer_id, caller=context.caller)
        return _confirm_page(context, seen, form=form, assertion=assertion)

    return _act(context, course_id, form, purpose="certificate", act=act)


@router.post("/assert")
def assert_certificate(context: PageContextDep, course_id: IdInPath, form: FormDep) -> Response:
    """Assert the certificate to a course that offers none."""

    def act(seen: Course) -> Response:
        terms = _terms(context, form.assertion())
        with context.database.connection() as connection:
            attachment_changes.attach(connection, seen.course_id, **terms)
        return context.done("asserted", "courses", seen.course_id)

    return _act(context, course_id, form, purpose="certificate", act=act)


@router.post("/update")
def update(context: PageContextDep, course_id: IdInPath, form: FormDep) -> Response:
    """Replace the certificate that the page showed."""

    def act(seen: Course) -> Response:
        terms = _terms(context, form.assertion())
        expected = _seen(form)
        with context.database.connection() as connection:
            after = attachment_changes.replace(connection, seen.course_id, **terms, expected=expected)
        is_same = after.attachment_id == expected
        return context.done("unchanged" if is_same else "updated", "courses", seen.course_id)

    return _act(context, course_id, form, purpose="certificate", act=act)


@router.get("/remove")
def confirm_removal(context: PageContextDep, course_id: IdInPath) -> HTMLResponse:
    """Show the effect of removing the certificate; changes nothing."""
    with context.database.connection() as connection:
        seen = _changeable(connection, course_id, context=context)
        in_force = attachment_in_force(connection, course_id)
        if in_force is None:
            return course_page(context, connection, seen, error=_not_attached())
        names = Names.seen_by(context.caller, connection)
    found = _preview(context, seen, CriteriaView.of(in_force.criteria))
    view = RemoveView(
        course=seen,
        in_force=CertificateView.of(in_force, names, is_in_force=True),
        losing=found.in_progress.would_get if found else None,
        in_progress=found.in_progress.total if found else None,
        seen=str(in_force.attachment_id),
        csrf_token=context.csrf_tokens.csrf_token("removal"),
    )
    return context.renderer.page("remove.html", view, here=("courses", course_id, "remove"))


@router.post("/remove")
def remove(context: PageContextDep, course_id: IdInPath, form: RemovalDep) -> Response:
    """Remove the certificate that the page showed."""

    def act(seen: Course) -> Response:
        by = context.caller.actor("page")
        with context.database.connection() as connection:
            attachment_changes.detach(connection, seen.course_id, by=by, expected=_seen(form))
        return context.done("removed", "courses", seen.course_id)

    return _act(context, course_id, form, purpose="removal", act=act)


def _act(
    context: PageContext,
    course_id: str,
    form: CertificateForm | RemovalForm,
    *,
    purpose: Purpose,
    act: Callable[[Course], Response],
) -> Response:
    """Return the response of `act`, for a caller who may change the course; when the change is refused, the
    course's page shows why and keeps the entered values. `act` opens its own connections.
    """
    with context.database.connection() as connection:
        seen = _changeable(connection, course_id, context=context)
    try:
        context.csrf_tokens.require(purpose, form.csrf_token)
        return act(seen)
    except (ProblemError, PramaanError) as error:
        filled = form if isinstance(form, CertificateForm) else None
        return _course_page(context, seen, form=filled, error=error)


def _course_page(
    context: PageContext, seen: Course, *, form: CertificateForm | None, error: Exception | None = None
) -> HTMLResponse:
    with context.database.connection() as connection:
        return course_page(context, connection, seen, form=form, error=error)


def _changeable(connection: Connection, course_id: str, *, context: PageContext) -> Course:
    """Returns the course. Raises ProblemError 404 if the caller may not see it, 403 if they may not change
    it.
    """
    seen = accessible_course(connection, course_id, caller=context.caller)
    context.caller.require("badge_creator", tenant_id=seen.tenant_id)
    return seen


def _terms(context: PageContext, assertion: "NewAttachment") -> dict[str, Any]:
    return attachment_terms(
        context.database, assertion, caller=context.caller, channel="page", fonts=context.fonts
    )


def _seen(form: CertificateForm | RemovalForm) -> UUID:
    """Returns the id of the attachment that the page showed; an id that no attachment has when it showed
    none.
    """
    try:
        return UUID(form.seen)
    except ValueError:
        return UUID(int=0)


def _not_attached() -> RegistryError:
    return RegistryError("certificate_not_attached", "the course has no certificate in force")


def _preview(context: PageContext, course: Course, asked: CriteriaView) -> PreviewBody | None:
    """Returns the preview, or None when it is not ready in time: a caller can change the certificate without
    it.
    """
    criteria = Criteria(asked.recipient_tenants, asked.minimum_score)
    try:
        return preview_for(context.database, course.course_id, criteria=criteria, caller=context.caller)
    except (DatabaseError, BusyError):
        return None


def _confirm_page(
    context: PageContext, course: Course, *, form: CertificateForm, assertion: "NewAttachment"
) -> HTMLResponse:
    criteria = assertion.criteria.criteria()
    asked = CriteriaView.of(criteria.as_dict())
    found = _preview(context, course, asked)
    with context.database.connection() as connection:
        in_force = attachment_in_force(connection, course.course_id)
        names = Names.seen_by(context.caller, connection)
    view = ConfirmView(
        course=course,
        in_force=CertificateView.of(in_force, names, is_in_force=True) if in_force else None,
        template=names.template(assertion.template_id),
        issuer=names.issuer(assertion.issuer_id),
        asked=asked,
        in_progress=GroupView.of(found.in_progress) if found else None,
        completed=GroupView.of(found.completed) if found else None,
        form=form,
        seen=str(in_force.attachment_id) if in_force else "",
        csrf_token=context.csrf_tokens.csrf_token("certificate"),
    )
    return context.renderer.page("confirm.html", view, here=("courses", course.course_id))
