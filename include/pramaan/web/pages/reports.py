"""The page of progress reports: asking for one, seeing what becomes of it, and having one sent by itself."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, Response

from pramaan.errors import PramaanError
from pramaan.registry.batches import Batch, find_batches
from pramaan.reports.asking import Asker
from pramaan.reports.ledger import list_requests
from pramaan.reports.schedules import list_schedules, remove_schedule
from pramaan.web.pages.desk import Desk, DeskDep
from pramaan.web.pages.forms import ReportForm, clean
from pramaan.web.pages.refusals import Refusal
from pramaan.web.pages.render import PAGES
from pramaan.web.pages.report_views import ReportRow, ReportsView, ScheduleRow
from pramaan.web.pages.views import done_text
from pramaan.web.problems import ProblemError, as_problem
from pramaan.web.reports import OfficeDep

if TYPE_CHECKING:
    from pramaan.database.connect import Connection

__all__ = ["router"]

router = APIRouter(prefix=f"{PAGES}/reports", include_in_schema=False)

_ASKED: Final = "report_asked"
_BATCHES: Final = 8
_REQUESTS: Final = 25

FormDep = Annotated[ReportForm, Depends()]


@router.get("")
def reports(desk: DeskDep, q: str = "", done: str = "") -> HTMLResponse:
    """The reader's reports and schedules, and the form to ask for one."""
    asker = _asker(desk)
    form = ReportForm(q=clean(q), email=asker.email or "")
    with desk.database.connection() as connection:
        return _page(desk, connection, asker, form, done=done)


@router.post("")
def ask(desk: DeskDep, form: FormDep, office: OfficeDep) -> Response:
    """Ask for a report, now or by a schedule."""
    asker = _asker(desk)
    form = replace(form, q=clean(form.q))
    with desk.database.connection() as connection:
        try:
            desk.seals.require("report", form.seal)
            wanted, cadence = form.wanted(language=desk.frame.language), form.cadence()
            if cadence is None:
                office.ask(connection, asker, wanted, channel="page")
            else:
                office.schedule(connection, asker, wanted, cadence=cadence)
        except (ProblemError, PramaanError) as error:
            return _page(desk, connection, asker, form, error=error)
    return desk.done(_ASKED if cadence is None else "report_scheduled", "reports")


@router.post("/schedules/{schedule_id}/remove")
def stop(desk: DeskDep, schedule_id: UUID, seal: Annotated[str, Form()] = "") -> Response:
    """Remove a schedule of the reader's."""
    asker = _asker(desk)
    with desk.database.connection() as connection:
        try:
            desk.seals.require("schedule", seal)
        except ProblemError as error:
            return _page(desk, connection, asker, ReportForm(email=asker.email or ""), error=error)
        remove_schedule(connection, schedule_id, scheduled_by=asker.username)
    return desk.done("schedule_removed", "reports")


def _asker(desk: Desk) -> Asker:
    """Raises ProblemError 403 `mentor_needed` for somebody who is a mentor nowhere."""
    asker = Asker.of(desk.caller.username, desk.caller.grants)
    if asker.tenants == []:
        raise ProblemError(403, "mentor_needed", "reports are for mentor or admin")
    return asker


def _page(
    desk: Desk,
    connection: "Connection",
    asker: Asker,
    form: ReportForm,
    *,
    error: Exception | None = None,
    done: str = "",
) -> HTMLResponse:
    """The page; with `error`, why something was refused, beside the form as it was filled in."""
    problem = as_problem(error) if error else None
    requests = list_requests(connection, requested_by=asker.username, limit=_REQUESTS)
    schedules = list_schedules(connection, scheduled_by=asker.username)
    batch_ids = {one.batch_id for one in requests} | {one.batch_id for one in schedules}
    # Postgres has no text with this character.
    batch_ids.add(form.batch_id.replace("\x00", ""))
    seen = find_batches(connection, tenants=asker.tenants, batch_ids=sorted(batch_ids))
    known = {one.batch_id: one for one in seen}
    found = find_batches(connection, tenants=asker.tenants, text=form.q, limit=_BATCHES + 1)
    now = datetime.now(UTC)
    view = ReportsView(
        rows=[ReportRow.of(one, known.get(one.batch_id), now=now) for one in requests],
        schedules=[ScheduleRow(one, known.get(one.batch_id)) for one in schedules],
        batches=_choice(found[:_BATCHES], known.get(form.batch_id)),
        has_more_batches=len(found) > _BATCHES,
        has_own_address=asker.email is not None,
        form=form,
        following=done == _ASKED and any(one.status in {"requested", "building"} for one in requests),
        seal=desk.seals.seal("report"),
        removal_seal=desk.seals.seal("schedule"),
        refusal=Refusal.of(problem) if problem else None,
        done=done_text(done),
    )
    status = problem.status if problem else 200
    page = desk.frame.page("reports.html", view, here=("reports",), query={"q": form.q}, status=status)
    page.headers.update(problem.headers if problem else {})
    return page


def _choice(found: list[Batch], chosen: Batch | None) -> list[Batch]:
    """The batches to choose from, with the one that was chosen before."""
    return found if chosen is None or chosen in found else [chosen, *found]
