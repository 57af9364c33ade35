"""The page of progress reports: request one, follow its state, and schedule reports."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, Response

from pramaan.errors import PramaanError
from pramaan.registry.batches import Batch, find_batches
from pramaan.reports.ledger import list_requests
from pramaan.reports.requests import Requester
from pramaan.reports.schedules import list_schedules, remove_schedule
from pramaan.web.pages.context import PageContext, PageContextDep
from pramaan.web.pages.error_pages import ErrorNotice
from pramaan.web.pages.forms import ReportForm, clean
from pramaan.web.pages.page_renderer import PAGES
from pramaan.web.pages.report_views import ReportRow, ReportsView, ScheduleRow
from pramaan.web.pages.views import done_text
from pramaan.web.problems import ProblemError, as_problem
from pramaan.web.reports import ReportServiceDep

if TYPE_CHECKING:
    from pramaan.database.connect import Connection

__all__ = ["router"]

router = APIRouter(prefix=f"{PAGES}/reports", include_in_schema=False)

_ASKED: Final = "report_asked"
_BATCHES: Final = 8
_REQUESTS: Final = 25

FormDep = Annotated[ReportForm, Depends()]


@router.get("")
def reports(context: PageContextDep, q: str = "", done: str = "") -> HTMLResponse:
    """The reader's reports and schedules, and the form to request one."""
    requester = _requester_of(context)
    form = ReportForm(q=clean(q), email=requester.email or "")
    with context.database.connection() as connection:
        return _page(context, connection, requester, form, done=done)


@router.post("")
def ask(context: PageContextDep, form: FormDep, service: ReportServiceDep) -> Response:
    """Request a report, now or by a schedule."""
    requester = _requester_of(context)
    form = replace(form, q=clean(form.q))
    with context.database.connection() as connection:
        try:
            context.csrf_tokens.require("report", form.csrf_token)
            wanted, cadence = form.wanted(language=context.renderer.language), form.cadence()
            if cadence is None:
                service.ask(connection, requester, wanted, channel="page")
            else:
                service.schedule(connection, requester, wanted, cadence=cadence)
        except (ProblemError, PramaanError) as error:
            return _page(context, connection, requester, form, error=error)
    return context.done(_ASKED if cadence is None else "report_scheduled", "reports")


@router.post("/schedules/{schedule_id}/remove")
def stop(context: PageContextDep, schedule_id: UUID, csrf_token: Annotated[str, Form()] = "") -> Response:
    """Remove one of the reader's schedules."""
    requester = _requester_of(context)
    with context.database.connection() as connection:
        try:
            context.csrf_tokens.require("schedule", csrf_token)
        except ProblemError as error:
            return _page(context, connection, requester, ReportForm(email=requester.email or ""), error=error)
        remove_schedule(connection, schedule_id, scheduled_by=requester.username)
    return context.done("schedule_removed", "reports")


def _requester_of(context: PageContext) -> Requester:
    """Returns the requester. Raises ProblemError 403 `mentor_needed` for a caller who is a mentor in no
    tenant.
    """
    requester = Requester.of(context.caller.username, context.caller.grants)
    if requester.tenants == []:
        raise ProblemError(403, "mentor_needed", "reports are for mentor or admin")
    return requester


def _page(
    context: PageContext,
    connection: "Connection",
    requester: Requester,
    form: ReportForm,
    *,
    error: Exception | None = None,
    done: str = "",
) -> HTMLResponse:
    """Returns the page; with `error`, it shows why a request was refused, and the form as it was
    filled in.
    """
    problem = as_problem(error) if error else None
    requests = list_requests(connection, requested_by=requester.username, limit=_REQUESTS)
    schedules = list_schedules(connection, scheduled_by=requester.username)
    batch_ids = {one.batch_id for one in requests} | {one.batch_id for one in schedules}
    # Postgres text cannot hold this character.
    batch_ids.add(form.batch_id.replace("\x00", ""))
    seen = find_batches(connection, tenants=requester.tenants, batch_ids=sorted(batch_ids))
    known = {one.batch_id: one for one in seen}
    found = find_batches(connection, tenants=requester.tenants, text=form.q, limit=_BATCHES + 1)
    now = datetime.now(UTC)
    view = ReportsView(
        rows=[ReportRow.of(one, known.get(one.batch_id), now=now) for one in requests],
        schedules=[ScheduleRow(one, known.get(one.batch_id)) for one in schedules],
        batches=_choice(found[:_BATCHES], known.get(form.batch_id)),
        has_more_batches=len(found) > _BATCHES,
        has_own_address=requester.email is not None,
        form=form,
        following=done == _ASKED and any(one.status in {"requested", "building"} for one in requests),
        csrf_token=context.csrf_tokens.csrf_token("report"),
        removal_token=context.csrf_tokens.csrf_token("schedule"),
        error_notice=ErrorNotice.of(problem) if problem else None,
        done=done_text(done),
    )
    status = problem.status if problem else 200
    page = context.renderer.page("reports.html", view, here=("reports",), query={"q": form.q}, status=status)
    page.headers.update(problem.headers if problem else {})
    return page


def _choice(found: list[Batch], chosen: Batch | None) -> list[Batch]:
    """Returns the batches to choose from, including the one that was chosen before."""
    return found if chosen is None or chosen in found else [chosen, *found]
