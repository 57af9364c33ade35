"""Building and sending: what a builder takes, what it leaves, and what becomes of a builder that dies."""

import os
import shutil
import signal
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest
from reported import batch_of, line, wanted

from mail_servers import Temper, free_port, running_server
from pramaan.database.connect import Connection, connect
from pramaan.pipeline import Pipeline
from pramaan.registry.grants import Grant, remove_grant
from pramaan.reports.builders import BuilderTotals
from pramaan.reports.ledger import count_waiting, open_builder
from pramaan.reports.requests import Requester
from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from worlds import TESTER, database_url, store_files


@pytest.fixture
def service(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> ReportService:
    """Reports of a batch of three people, and of one without any."""
    batch_of(settings, pipeline, connection, tmp_path, people=3)
    return pipeline.reports


def ask(service: ReportService, connection: Connection, batch_id: str = "b", *, name: str = "meera") -> UUID:
    requester = Requester(name, ["t"], f"{name}@example.org")
    return service.ask(connection, requester, wanted(batch_id), channel="api")


def words_in(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def work(service: ReportService, *, port: int) -> BuilderTotals:
    return service.work(server_url=lambda: f"smtp://127.0.0.1:{port}")


def test_what_waits_is_built_and_sent(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    requests = [
        ask(service, connection),
        ask(service, connection, "b2"),
        ask(service, connection, name="ravi"),
    ]
    temper = Temper()
    with running_server(temper) as port:
        assert work(service, port=port) == BuilderTotals(built=3, sent=3)

    done = [line(connection, request) for request in requests]
    assert [(one.status, one.rows) for one in done] == [("sent", 3), ("sent", 0), ("sent", 3)]
    for one in done:
        assert one.requested_at <= one.building_at <= one.built_at <= one.handed_over_at  # type: ignore[operator]
        assert one.as_of is not None
        assert str(one.request_id) in "".join(str(message["Message-ID"]) for message in temper.messages)
    assert done[0].email == "me***@example.org"
    # What was attached is not kept.
    assert store_files(settings) == []


def test_without_a_server_what_is_built_waits(service: ReportService, connection: Connection) -> None:
    request = ask(service, connection)
    assert service.work(server_url=lambda: None) == BuilderTotals(built=1)
    assert work(service, port=free_port()).sent == 0
    assert (line(connection, request).status, line(connection, request).handed_over_at) == ("building", None)

    connection.execute("update ops.mails set next_attempt_at = now()")
    with running_server(Temper()) as port:
        assert work(service, port=port) == BuilderTotals(sent=1)
    assert line(connection, request).status == "sent"


def test_what_killed_builders_left_is_swept_once_it_is_old(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    scratch = settings.home / "run" / "reports"
    for name, hours in (("old", 7), ("under way", 1)):
        (scratch / name).mkdir(parents=True)
        (scratch / name / "people.arrow").write_text("Asha Rao")
        then = time.time() - hours * 3600
        os.utime(scratch / name, (then, then))
    ask(service, connection)
    assert service.work(server_url=lambda: None) == BuilderTotals(built=1)
    assert [left.name for left in scratch.iterdir()] == ["under way"]
    shutil.rmtree(scratch)


def test_a_batch_that_went_away_fails_in_words(service: ReportService, connection: Connection) -> None:
    gone, request = ask(service, connection, "b2"), ask(service, connection)
    connection.execute("delete from raw.batches where batch_id = 'b2'")
    temper = Temper()
    with running_server(temper) as port:
        assert work(service, port=port) == BuilderTotals(built=1, sent=2, failed=1)
    failed = line(connection, gone)
    assert (failed.status, failed.error_class, failed.error) == (
        "failed", "batch_not_found", "there is no batch b2",
    )  # fmt: skip
    (told,) = [mail for mail in temper.messages if "No progress report" in mail["Subject"]]
    assert told["To"] == "meera@example.org"
    assert all(words in words_in(told) for words in ("The batch is no longer there.", str(gone)))
    assert line(connection, request).status == "sent"


def test_a_store_that_is_away_is_waited_for(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    request = ask(service, connection)
    store = Path(settings.store_url.removeprefix("file://"))
    store.parent.mkdir(exist_ok=True)
    store.write_text("in the way of a folder")
    with running_server(Temper()) as port:
        assert work(service, port=port) == BuilderTotals(given_back=1)
        waits = line(connection, request)
        assert (waits.status, waits.error_class, waits.attempts) == ("requested", "unavailable", 0)
        store.unlink()
        connection.execute("update ops.report_requests set next_attempt_at = now()")
        assert work(service, port=port) == BuilderTotals(built=1, sent=1)
    assert line(connection, request).error is None


def test_a_grant_that_is_gone_by_then_gives_no_report(service: ReportService, connection: Connection) -> None:
    request = ask(service, connection)
    remove_grant(connection, Grant("meera", "mentor", "t"), by=TESTER)
    temper = Temper()
    with running_server(temper) as port:
        assert work(service, port=port) == BuilderTotals(sent=1, failed=1)
    assert line(connection, request).error_class == "batch_not_found"
    (told,) = temper.messages
    assert told["Subject"] == "No progress report: b"
    assert list(told.iter_attachments()) == []


def test_what_is_tried_for_a_day_is_given_up_and_who_asked_is_told(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    request = ask(service, connection)
    connection.execute("update ops.report_requests set requested_at = now() - interval '25 hours'")
    store = Path(settings.store_url.removeprefix("file://"))
    store.parent.mkdir(exist_ok=True)
    store.write_text("in the way of a folder")
    temper = Temper()
    with running_server(temper) as port:
        assert work(service, port=port) == BuilderTotals(sent=1, failed=1)
        assert work(service, port=port) == BuilderTotals()
    assert (line(connection, request).status, line(connection, request).error_class) == (
        "failed", "given_up",
    )  # fmt: skip
    assert [mail["Subject"] for mail in temper.messages] == ["No progress report: b"]


def test_small_reports_do_not_wait_behind_large_ones(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    large, small = ask(service, connection, name="ravi"), ask(service, connection)
    connection.execute(
        "update ops.report_requests set expected_rows = 100000, requested_at = now() - interval '1 minute' "
        "where request_id = %s",
        (large,),
    )
    with connect(database_url(settings)) as elsewhere, running_server(Temper()) as port:
        # As the builder does that is busy with another large one.
        elsewhere.execute("select pg_advisory_lock(%s)", (0x5072616D61616E05,))
        assert work(service, port=port) == BuilderTotals(built=1, sent=1)
        assert line(connection, small).status == "sent"
        assert line(connection, large).status == "requested"
        elsewhere.execute("select pg_advisory_unlock(%s)", (0x5072616D61616E05,))
        assert work(service, port=port) == BuilderTotals(built=1, sent=1)
    assert line(connection, large).status == "sent"


def test_two_builders_never_have_the_same(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    ask(service, connection)
    with connect(database_url(settings)) as one, connect(database_url(settings)) as other:
        with open_builder(one) as first, open_builder(other) as second:
            claimed = first.claim()
            assert claimed is not None
            assert second.claim() is None
            assert count_waiting(connection) == 0
        # The first one is gone: what it had is free at once.
        assert count_waiting(connection) == 1
        with open_builder(other) as second:
            assert second.claim() is not None


def test_a_report_that_kills_its_builders_fails(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    request = ask(service, connection)
    for _ in range(3):
        with connect(database_url(settings)) as own, open_builder(own) as builder:
            assert builder.claim() is not None
    assert service.work(server_url=lambda: None) == BuilderTotals(failed=1)
    assert (line(connection, request).status, line(connection, request).error_class) == (
        "failed", "builder_died",
    )  # fmt: skip


_BUILD = """
import sys
from pydantic import SecretStr
from pramaan.reports.service import ReportService
from pramaan.settings import Settings

home, url, store, server = sys.argv[1:]
settings = Settings(home=home, store=store)
print("up", flush=True)
ReportService(settings, url=url).work(server_url=lambda: server)
"""


@pytest.mark.parametrize("after_seconds", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_killed_builder_leaves_nothing_building_and_nobody_without_mail(
    service: ReportService, connection: Connection, settings: Settings, after_seconds: float
) -> None:
    requests = [ask(service, connection, name=f"mentor{n}") for n in range(12)]
    temper = Temper()
    with running_server(temper) as port:
        url = f"smtp://127.0.0.1:{port}"
        command = [sys.executable, "-c", _BUILD]
        arguments = [str(settings.home), database_url(settings), settings.store_url, url]
        with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE) as builder:
            assert builder.stdout is not None
            builder.stdout.readline()
            time.sleep(after_seconds)
            os.kill(builder.pid, signal.SIGKILL)
            builder.wait()
        # A mail that was being handed over is free once its lease ends.
        connection.execute("update ops.mails set lease_expires_at = now() where status = 'queued'")
        for _ in range(3_000):
            if all(line(connection, request).status == "sent" for request in requests):
                break
            work(service, port=port)
            time.sleep(0.1)
    assert {line(connection, request).status for request in requests} == {"sent"}
    # At most the one mail whose handing over was cut off is there twice, by the same id.
    ids = [str(message["Message-ID"]) for message in temper.messages]
    assert len(set(ids)) == 12
    assert len(ids) <= 13
