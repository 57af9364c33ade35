"""The promise of thirty minutes: who is told when it is in danger, and when it is broken."""

from pathlib import Path

import pytest
from reported import MENTOR, ago, batch_of, line, wanted

from mail_servers import Temper, running_server
from pramaan.database.connect import Connection
from pramaan.pipeline import Pipeline
from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from worlds import database_url


@pytest.fixture
def service(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> ReportService:
    """Reports whose team has an address."""
    batch_of(settings, pipeline, connection, tmp_path, people=1)
    return ReportService(
        settings.model_copy(update={"team_email": "team@example.org"}), url=database_url(settings)
    )


def told(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select subject_key from ops.mails where kind = 'report_late' order by mail_id"
    ).fetchall()
    return [str(key).partition(" ")[2] for (key,) in rows]


def test_nobody_is_told_before_twenty_minutes(service: ReportService, connection: Connection) -> None:
    request = service.ask(connection, MENTOR, wanted(), channel="api")
    ago(connection, request, minutes=19.9)
    assert service.pending_work(connection).told == 0
    assert told(connection) == []


def test_the_team_is_told_once_at_twenty_and_once_at_thirty(
    service: ReportService, connection: Connection
) -> None:
    request = service.ask(connection, MENTOR, wanted(), channel="api")
    ago(connection, request, minutes=20.1)
    assert "late" in list(service.poll(connection))
    service.pending_work(connection)
    service.pending_work(connection)
    assert told(connection) == ["late"]
    assert "late" not in list(service.poll(connection))
    ago(connection, request, minutes=30.1)
    service.pending_work(connection)
    service.pending_work(connection)
    assert told(connection) == ["late", "breached"]


def test_whoever_was_away_for_an_hour_still_tells(service: ReportService, connection: Connection) -> None:
    ago(connection, service.ask(connection, MENTOR, wanted(), channel="api"), minutes=60)
    assert service.pending_work(connection).told == 2


def test_what_was_sent_or_failed_is_not_late(service: ReportService, connection: Connection) -> None:
    sent = service.ask(connection, MENTOR, wanted(), channel="api")
    with running_server(Temper()) as port:
        service.work(server_url=lambda: f"smtp://127.0.0.1:{port}")
    ago(connection, sent, minutes=40)
    failed = service.ask(connection, MENTOR, wanted("b2"), channel="api")
    connection.execute("delete from raw.batches where batch_id = 'b2'")
    service.work(server_url=lambda: None)
    ago(connection, failed, minutes=40)
    assert (line(connection, sent).status, line(connection, failed).status) == ("sent", "failed")
    assert service.pending_work(connection).told == 0


def test_the_notice_says_what_waits_and_names_nobody(service: ReportService, connection: Connection) -> None:
    request = service.ask(connection, MENTOR, wanted(), channel="api")
    ago(connection, request, minutes=25)
    service.pending_work(connection)
    connection.execute("update ops.report_requests set next_attempt_at = now() + interval '1 hour'")
    temper = Temper()
    with running_server(temper) as port:
        service.work(server_url=lambda: f"smtp://127.0.0.1:{port}")
    (notice,) = temper.messages
    assert notice["To"] == "team@example.org"
    text = notice.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert str(request) in text
    assert "meera" not in text
