"""Reports that are asked for again by themselves: weekly, or once at the end of a batch."""

from dataclasses import replace
from pathlib import Path

import pytest
from reported import MENTOR, OPERATOR, batch_of, wanted

from pramaan.database.connect import Connection
from pramaan.errors import ReportError
from pramaan.pipeline import Pipeline
from pramaan.registry.grants import Grant, remove_grant
from pramaan.reports.ledger import list_requests
from pramaan.reports.schedules import list_schedules, remove_schedule
from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from worlds import TESTER

GRANT = Grant("meera", "mentor", "t", "meera@example.org")


@pytest.fixture
def service(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> ReportService:
    """Reports of a batch whose mentor is granted."""
    batch_of(settings, pipeline, connection, tmp_path, people=2)
    return pipeline.reports


def a_week_passes(connection: Connection) -> None:
    connection.execute("update ops.report_schedules set next_due_at = next_due_at - interval '7 days'")


def test_a_weekly_one_is_asked_for_each_week(service: ReportService, connection: Connection) -> None:
    service.schedule(connection, MENTOR, wanted(), cadence="weekly")
    assert service.pending_work(connection).asked == 0
    a_week_passes(connection)
    assert list(service.poll(connection)) == ["schedule"]
    assert service.pending_work(connection).asked == 1
    assert service.pending_work(connection).asked == 0
    (request,) = list_requests(connection)
    assert (request.requested_by, request.channel, request.email) == (
        "meera",
        "schedule",
        "meera@example.org",
    )


def test_weeks_that_nobody_looked_are_not_made_up_for(service: ReportService, connection: Connection) -> None:
    service.schedule(connection, MENTOR, wanted(), cadence="weekly")
    for _ in range(5):
        a_week_passes(connection)
    assert service.pending_work(connection).asked == 1
    assert service.pending_work(connection).asked == 0
    assert connection.execute(
        "select next_due_at between now() and now() + interval '7 days' from ops.report_schedules"
    ).fetchone() == (True,)


@pytest.mark.parametrize(
    ("end_date", "asked"), [("current_date - 2", 1), ("current_date + 2", 0), ("null", 0)]
)
def test_one_at_the_end_is_asked_for_once_the_batch_has_ended(
    service: ReportService, connection: Connection, end_date: str, asked: int
) -> None:
    connection.execute(f"update raw.batches set end_date = {end_date} where batch_id = 'b'")  # type: ignore[arg-type]
    service.schedule(connection, MENTOR, wanted(), cadence="at_end")
    assert service.pending_work(connection).asked == asked
    assert service.pending_work(connection).asked == 0


def test_a_grant_that_is_gone_ends_what_it_allowed(service: ReportService, connection: Connection) -> None:
    service.schedule(connection, MENTOR, wanted(), cadence="weekly")
    service.schedule(connection, OPERATOR, wanted(email="team@example.org"), cadence="weekly")
    remove_grant(connection, GRANT, by=TESTER)
    a_week_passes(connection)
    assert service.pending_work(connection).asked == 1
    assert [one.email for one in list_requests(connection)] == ["team@example.org"]
    errors = {one.scheduled_by: one.error for one in list_schedules(connection)}
    assert errors == {"meera": "there is no batch b", "operator:root": None}


def test_another_for_the_same_replaces_it(service: ReportService, connection: Connection) -> None:
    service.schedule(connection, MENTOR, wanted(), cadence="weekly")
    service.schedule(connection, MENTOR, replace(wanted(), format="xlsx"), cadence="weekly")
    (kept,) = list_schedules(connection, scheduled_by="meera")
    assert kept.format == "xlsx"
    assert not remove_schedule(connection, kept.schedule_id, scheduled_by="somebody else")
    assert remove_schedule(connection, kept.schedule_id, scheduled_by="meera")
    assert list_schedules(connection) == []


def test_weekly_and_at_the_end_stand_side_by_side(service: ReportService, connection: Connection) -> None:
    service.schedule(connection, MENTOR, wanted(), cadence="weekly")
    service.schedule(connection, MENTOR, wanted(), cadence="at_end")
    assert [one.cadence for one in list_schedules(connection)] == ["weekly", "at_end"]


def test_a_refusal_that_passes_does_not_lose_the_report(
    service: ReportService, connection: Connection
) -> None:
    connection.execute("update raw.batches set end_date = current_date - 2 where batch_id = 'b'")
    service.ask(connection, MENTOR, wanted(), channel="api")
    service.schedule(connection, MENTOR, wanted(), cadence="at_end")
    assert service.pending_work(connection).asked == 0
    (waits,) = list_schedules(connection)
    assert not waits.is_done
    assert "is under way" in str(waits.error)
    connection.execute("update ops.report_requests set status = 'sent', handed_over_at = now()")
    connection.execute("update ops.report_schedules set next_due_at = now()")
    assert service.pending_work(connection).asked == 1


def test_nobody_has_schedules_without_end(service: ReportService, connection: Connection) -> None:
    connection.execute(
        "insert into ops.report_schedules "
        "(batch_id, cadence, scheduled_by, by_operator, email, format, language, next_due_at) "
        "select n::text, 'weekly', 'meera', false, 'meera@example.org', 'csv', 'en', now() + '1 day' "
        "from generate_series(1, 200) as n"
    )
    with pytest.raises(ReportError) as refused:
        service.schedule(connection, MENTOR, wanted(), cadence="weekly")
    assert refused.value.code == "too_many_schedules"


def test_a_language_there_is_not_is_refused_at_once(service: ReportService, connection: Connection) -> None:
    with pytest.raises(ReportError) as refused:
        service.schedule(connection, MENTOR, replace(wanted(), language="fr"), cadence="weekly")
    assert refused.value.code == "unknown_language"


def test_no_password_is_kept_for_reports_to_come(service: ReportService, connection: Connection) -> None:
    with pytest.raises(ReportError) as refused:
        service.schedule(connection, MENTOR, wanted(password="correct horse"), cadence="weekly")
    assert refused.value.code == "password_not_kept"
