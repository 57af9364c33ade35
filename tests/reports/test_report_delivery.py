"""The mail of a report, handed to real servers of every temper: sent is what a server took over whole."""

import hashlib
import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import LiteralString, cast
from uuid import UUID

import pytest

from mail_servers import SENDER, Temper, content_of, free_port, queue, rows, running_server
from pramaan.database.connect import Connection
from pramaan.errors import MailError, StoreError
from pramaan.mail.ledger import SMALL_BYTES, ClaimedMail, queue_mail, retry_failed
from pramaan.mail.messages import Kinds
from pramaan.mail.send import Sent, send_due
from pramaan.mail.smtp_errors import MOST_ATTEMPTS, backoff, is_given_up
from pramaan.pipeline import Pipeline
from pramaan.registry.grants import Grant, add_grant, remove_grant
from pramaan.reports.delivery import ReportDelivery
from pramaan.reports.ledger import (
    Built,
    NewRequest,
    ReportRequest,
    enter,
    find_request,
    open_builder,
    record_sent,
)
from pramaan.reports.mails import REPORT_MAILS, ProgressReport, ReportLate
from pramaan.reports.rows import Totals
from pramaan.reports.sla import notify_late_reports
from pramaan.settings import Settings
from pramaan.stages.mailing import ALL_MAILS, NOTICES
from pramaan.store import Store
from worlds import TESTER, drop_rows, store_files

DUE_AGAIN = "update ops.mails set next_attempt_at = now(), lease_expires_at = null"
ZONE = "Asia/Kolkata"
MENTOR = "meera@example.org"
FILE = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(40_000))
"""1.28 MB that do not compress, as in a zip; more than 1 MB is too large for some."""

GRANT = Grant("meera", "mentor", "t")
_A_BATCH: LiteralString = """
    insert into raw.batches (
        batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id
    )
    values (%s, 'c', 't', 'B', 'open', '{}', now(), 1)
    on conflict do nothing
"""
TOTALS = Totals(enrolled=3, in_progress=1, completed=1, certificates_issued=1, downloaded=0)


@pytest.fixture
def store(settings: Settings) -> Store:
    """The empty store of the test's home."""
    return Store(settings.store_url)


@pytest.fixture
def built(connection: Connection, store: Store) -> UUID:
    """A report that is built and waits to be sent."""
    return build(connection, store)


def build(
    connection: Connection,
    store: Store,
    *,
    batch_id: str = "b",
    file_name: str = "progress-b.zip",
    file_bytes: int = len(FILE),
) -> UUID:
    """What a builder leaves behind: the stored file, and the mail about it. Its requester is granted."""
    connection.execute(_A_BATCH, (batch_id,))
    add_grant(connection, GRANT, by=TESTER)
    request = NewRequest(
        batch_id=batch_id,
        requested_by="meera",
        by_operator=False,
        email=MENTOR,
        format="csv",
        language="en",
        channel="api",
    )
    request_id = enter(connection, request)
    as_of = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    path = f"reports/{request_id}.1.{file_name.rpartition('.')[2]}"
    store.put(path, FILE)
    mail = ProgressReport(
        request_id=str(request_id),
        batch_id=batch_id,
        batch_name="Batch of June",
        course_name="Reading",
        as_of=as_of,
        timezone="Asia/Kolkata",
        **asdict(TOTALS),
        path=path,
        file_name=file_name,
        file_bytes=file_bytes,
        is_encrypted=False,
        link="http://127.0.0.1:18080/pramaan/reports/token",
        link_days=7,
        prompt_until=datetime.now(UTC) + timedelta(minutes=30),
    )
    with open_builder(connection) as builder, connection.transaction():
        claimed = builder.claim(request_id=request_id)
        assert claimed is not None
        built = Built(as_of=as_of, rows=3, bytes=len(FILE), path=path, totals=TOTALS)
        assert builder.record_built(claimed, built)
        queue_mail(connection, mail.mail(subject_key=str(request_id), recipients=[MENTOR]), sender=SENDER)
    return request_id


def send(
    connection: Connection,
    store: Store,
    port: int,
    *,
    delivery: ReportDelivery | None = None,
    kinds: Kinds = REPORT_MAILS,
    most_bytes: int | None = None,
    **changed: object,
) -> Sent:
    """Send what is due to a server without TLS on this machine."""
    settings = Settings(mail_from="Pramaan <certificates@example.org>").model_copy(update=changed)
    return send_due(
        connection,
        settings=settings,
        server_url=f"smtp://127.0.0.1:{port}",
        kinds=kinds,
        seconds=60.0,
        deliveries={"progress_report": delivery or ReportDelivery(store, sender=SENDER, timezone=ZONE)},
        most_bytes=most_bytes,
    )


def line(connection: Connection, request_id: UUID) -> ReportRequest:
    """The request as the ledger has it."""
    request = find_request(connection, request_id)
    assert request is not None
    return request


def attached(message: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    """The files of a mail: name, type, content."""
    return [
        (part.get_filename(), part.get_content_type(), cast(bytes, part.get_content()))
        for part in message.iter_attachments()
    ]


def test_the_report_arrives_as_it_lay_in_the_store(
    connection: Connection, settings: Settings, store: Store, built: UUID
) -> None:
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1)

    (message,) = temper.messages
    assert attached(message) == [("progress-b.zip", "application/zip", FILE)]
    assert message["Message-ID"] == f"<progress_report.{built}@example.org>"
    assert message["Subject"] == "Progress report: Batch of June"
    assert "The report is attached: progress-b.zip (1.3 MB)." in content_of(message, "plain")
    assert "/pramaan/reports/" not in content_of(message, "plain") + content_of(message, "html")
    request = line(connection, built)
    assert (request.status, request.email) == ("sent", "me***@example.org")
    assert request.handed_over_at is not None
    assert request.file_removed_at is not None
    assert store_files(settings) == []
    assert rows(connection, "status, content") == [("sent", {})]


SMALL = 1_000_000


@pytest.mark.parametrize(
    ("temper", "our_limit_megabytes", "times_asked"),
    [
        (Temper(), 1, 1),
        (Temper(size_said=SMALL), 20, 1),
        (Temper(largest_announced=SMALL), 20, 1),
        (Temper(data_answers=["552 5.3.4 too large"]), 20, 2),
    ],
    ids=["setting", "SIZE", "552 to the announced size", "552 after DATA"],
)
def test_a_report_too_large_to_attach_comes_as_a_link(  # noqa: PLR0917 - what it is about
    connection: Connection,
    settings: Settings,
    store: Store,
    built: UUID,
    temper: Temper,
    our_limit_megabytes: int,
    times_asked: int,
) -> None:
    with running_server(temper) as port:
        assert send(connection, store, port, mail_limit_megabytes=our_limit_megabytes) == Sent(sent=1)

    (message,) = temper.messages
    assert attached(message) == []
    assert message["Message-ID"] == f"<progress_report.{built}@example.org>"
    for part in ("plain", "html"):
        text = content_of(message, part)
        assert "too large to attach" in text
        assert "http://127.0.0.1:18080/pramaan/reports/token" in text
        assert "for you only" in text
        assert "7 February 2026, 15:00 (Asia/Kolkata)" in text
    assert temper.asked == times_asked
    request = line(connection, built)
    assert (request.status, request.file_removed_at) == ("sent", None)
    assert [path.read_bytes() for path in store_files(settings)] == [FILE]


class NeverRead(Store):
    """A store whose objects are there and are not to be read."""

    def get(self, path: str) -> bytes:
        raise AssertionError(path)


@pytest.mark.parametrize("temper", [Temper(), Temper(size_said=SMALL)], ids=["setting", "SIZE"])
def test_a_report_too_large_to_attach_is_not_even_read(
    connection: Connection, settings: Settings, built: UUID, temper: Temper
) -> None:
    with running_server(temper) as port:
        limit = 20 if temper.size_said else 1
        ended = send(connection, NeverRead(settings.store_url), port, mail_limit_megabytes=limit)
    assert ended == Sent(sent=1)
    assert line(connection, built).status == "sent"


def test_no_link_is_sent_to_a_file_that_is_gone(connection: Connection, store: Store, built: UUID) -> None:
    store.discard(f"reports/{built}.1.zip")
    temper = Temper(size_said=SMALL)
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1, failed=1)
    assert line(connection, built).error_class == "file_gone"
    assert all("/reports/file" not in content_of(mail, "plain") for mail in temper.messages)


def test_small_reports_are_not_kept_waiting_by_large_ones(connection: Connection, store: Store) -> None:
    for batch_id, file_bytes in {"large": SMALL_BYTES + 1, "small": 100, "larger": 9_000_000}.items():
        build(connection, store, batch_id=batch_id, file_name=f"{batch_id}.zip", file_bytes=file_bytes)
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port, most_bytes=99) == Sent(left=3)
        assert send(connection, store, port, most_bytes=SMALL_BYTES) == Sent(sent=1, left=2)
        build(connection, store, batch_id="next", file_name="next.zip")
        connection.execute(
            "update ops.mails set queued_at = now() - interval '6 minutes' "
            "where content ->> 'batch_id' = 'larger'"
        )
        assert send(connection, store, port) == Sent(sent=3)

    # Whoever gave way for some minutes goes by when it is due again: nothing waits for ever.
    names = [attached(message)[0][0] for message in temper.messages]
    assert names == ["small.zip", "larger.zip", "next.zip", "large.zip"]


def test_a_server_that_says_zero_has_no_limit(connection: Connection, store: Store, built: UUID) -> None:
    temper = Temper(size_said=0)
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1)
    assert len(attached(temper.messages[0])) == 1
    assert line(connection, built).status == "sent"


def test_even_the_link_may_be_refused(connection: Connection, store: Store, built: UUID) -> None:
    with running_server(Temper(data_answers=["552 5.2.2 mailbox full"] * 3)) as port:
        assert send(connection, store, port) == Sent(failed=2)
    request = line(connection, built)
    assert (request.status, request.error_class) == ("failed", "message_refused")
    assert request.error == "552 5.2.2 mailbox full"


def test_a_refused_address_ends_the_request_in_the_servers_words(
    connection: Connection, settings: Settings, store: Store, built: UUID
) -> None:
    with running_server(Temper(refused={MENTOR: "550 5.1.1 <{address}> meera is unknown here"})) as port:
        assert send(connection, store, port) == Sent(failed=1)

    request = line(connection, built)
    assert (request.status, request.error_class) == ("failed", "recipient_refused")
    assert request.error == "550 5.1.1 <***> *** is unknown here"
    assert request.handed_over_at is None
    assert len(store_files(settings)) == 1


def test_a_report_put_off_is_not_sent_until_it_is_taken(
    connection: Connection, store: Store, built: UUID
) -> None:
    temper = Temper(data_answers=["451 4.7.1 try again later"])
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(retried=1)
        waiting = line(connection, built)
        assert (waiting.status, waiting.error_class) == ("building", "deferred")
        assert waiting.error == "451 4.7.1 try again later"
        assert rows(connection, "extract(epoch from next_attempt_at - attempted_at)::int / 60") == [(1,)]
        connection.execute(DUE_AGAIN)
        assert send(connection, store, port) == Sent(sent=1)
    sent = line(connection, built)
    assert (sent.status, sent.error_class, sent.error) == ("sent", None, None)
    assert len(temper.taken) == 1


def test_an_answer_that_is_lost_brings_the_same_mail_again(
    connection: Connection, store: Store, built: UUID
) -> None:
    temper = Temper(closes_after_data=1)
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(retried=1)
        assert line(connection, built).status == "building"
        connection.execute(DUE_AGAIN)
        assert send(connection, store, port) == Sent(sent=1)
    first, again = temper.taken
    assert first.content == again.content
    assert line(connection, built).status == "sent"


class Dying(ReportDelivery):
    """Dies between the server's yes and the ledger's."""

    def sent(self, connection: Connection, claimed: ClaimedMail) -> None:
        super().sent(connection, claimed)
        raise SystemExit


def test_a_sender_that_dies_before_it_writes_sent_has_the_mail_go_again(
    connection: Connection, store: Store, built: UUID
) -> None:
    temper = Temper()
    with running_server(temper) as port:
        with pytest.raises(SystemExit):
            send(connection, store, port, delivery=Dying(store, sender=SENDER, timezone=ZONE))
        assert line(connection, built).status == "building"
        assert send(connection, store, port) == Sent()
        connection.execute("update ops.mails set lease_expires_at = now() - interval '1 second'")
        assert send(connection, store, port) == Sent(sent=1)
    first, again = temper.taken
    assert first.content == again.content
    assert line(connection, built).status == "sent"


def test_a_server_that_is_down_gets_the_mail_when_it_is_back(
    connection: Connection, store: Store, built: UUID
) -> None:
    port, temper = free_port(), Temper()
    for _ in range(3):
        with pytest.raises(MailError, match="PRAMAAN_SMTP_URL"):
            send(connection, store, port)
    assert rows(connection, "status, attempts") == [("queued", 0)]
    assert line(connection, built).status == "building"
    with running_server(temper, port=port):
        assert send(connection, store, port) == Sent(sent=1)
    assert line(connection, built).status == "sent"


def test_a_slow_server_is_waited_for(connection: Connection, store: Store, built: UUID) -> None:
    with running_server(Temper(delay_seconds=6)) as port:
        assert send(connection, store, port) == Sent(sent=1)
    request = line(connection, built)
    assert request.handed_over_at is not None
    assert request.built_at is not None
    assert (request.handed_over_at - request.built_at).total_seconds() > 6


def test_a_store_that_is_away_means_later(
    connection: Connection, settings: Settings, store: Store, built: UUID
) -> None:
    folder = Path(settings.store_url.removeprefix("file://"))
    aside = folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(retried=1)
        assert rows(connection, "error_class") == [("store_unavailable",)]
        assert line(connection, built).status == "building"
        folder.unlink()
        aside.rename(folder)
        connection.execute(DUE_AGAIN)
        assert send(connection, store, port) == Sent(sent=1)
    assert len(attached(temper.messages[0])) == 1


def test_a_report_whose_file_is_gone_fails_and_says_so(
    connection: Connection, store: Store, built: UUID
) -> None:
    store.discard(f"reports/{built}.1.zip")
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1, failed=1)
    request = line(connection, built)
    assert (request.status, request.error_class) == ("failed", "file_gone")
    assert "ask for the report again" in str(request.error)
    assert [mail["Subject"] for mail in temper.messages] == ["No progress report: b"]
    assert "Ask for the report again" in content_of(temper.messages[0], "plain")


def test_a_grant_that_is_gone_when_the_mail_leaves_gives_no_report(
    connection: Connection, store: Store, built: UUID
) -> None:
    remove_grant(connection, GRANT, by=TESTER)
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1, failed=1)
    assert line(connection, built).error_class == "batch_not_found"
    assert [list(mail.iter_attachments()) for mail in temper.messages] == [[]]


def test_a_mail_that_no_version_can_read_fails_and_stops_no_other(
    connection: Connection, store: Store, built: UUID
) -> None:
    connection.execute("update ops.mails set content = content - 'file_name'")
    other = build(connection, store, batch_id="b2")
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=2, failed=1)
    assert (line(connection, built).error_class, line(connection, other).status) == ("unsendable", "sent")
    assert "No progress report: b" in {str(mail["Subject"]) for mail in temper.messages}


def test_a_mail_that_failed_is_tried_again_and_the_request_is_sent(
    connection: Connection, store: Store, built: UUID
) -> None:
    temper = Temper(data_answers=["554 5.7.1 no zip from here"])
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1, failed=1)
        assert temper.messages[-1]["Subject"] == "No progress report: b"
        assert line(connection, built).status == "failed"
        retry_failed(connection)
        temper.data_answers.append("450 4.7.1 later")
        assert send(connection, store, port) == Sent(retried=1)
        assert line(connection, built).error_class == "deferred"
        connection.execute(DUE_AGAIN)
        assert send(connection, store, port) == Sent(sent=1)
    request = line(connection, built)
    assert (request.status, request.error, request.file_removed_at is not None) == ("sent", None, True)


class KeepsEverything(Store):
    """A store that lets nothing be removed."""

    def discard(self, path: str) -> None:
        raise StoreError(f"the store cannot remove {path}: Access Denied")


def test_a_file_that_cannot_be_removed_undoes_no_sending(
    connection: Connection, settings: Settings, built: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    store = KeepsEverything(settings.store_url)
    with running_server(Temper()) as port, caplog.at_level(logging.DEBUG, logger="pramaan"):
        assert send(connection, store, port) == Sent(sent=1)
    request = line(connection, built)
    assert (request.status, request.file_removed_at) == ("sent", None)
    # Of our own loggers: the server of the test may log, too, if another test let it.
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("pramaan"))
    assert "Access Denied" in ours
    assert "example.org" not in ours


def test_a_report_that_a_server_took_over_is_never_called_failed(
    connection: Connection, store: Store, built: UUID
) -> None:
    record_sent(connection, built, recipients=[MENTOR])
    with running_server(Temper(data_answers=["554 5.7.1 no"])) as port:
        assert send(connection, store, port) == Sent(failed=1)
    assert line(connection, built).status == "sent"


def test_a_flood_of_certificates_holds_up_no_report(connection: Connection, store: Store) -> None:
    for number in range(5):
        queue(connection, number)
    report = build(connection, store)
    temper = Temper()
    with running_server(temper) as port:
        full = Sent(sent=3, left=2)
        assert send(connection, store, port, kinds=NOTICES, mails_per_minute=3) == full
        assert line(connection, report).status == "building"
        assert send(connection, store, port, mails_per_minute=3) == Sent(sent=1)
    assert line(connection, report).status == "sent"


def test_of_a_late_report_the_admins_of_its_tenant_learn_where_no_team_is_known(
    settings: Settings, pipeline: Pipeline, connection: Connection, built: UUID, tmp_path: Path
) -> None:
    batch = {"batch_id": "b", "course_id": "c", "tenant_id": "t", "name": "B", "enrolment_type": "open"}
    drop_rows(settings, tmp_path, "batches", [{**batch, "updated_at": "2026-01-01T00:00:00Z"}])
    pipeline.load(connection)
    for name, tenant_id in {"here": "t", "elsewhere": "u", "anywhere": None}.items():
        add_grant(connection, Grant(name, "admin", tenant_id, f"{name}@example.org"), by=TESTER)
    connection.execute("update ops.report_requests set requested_at = now() - interval '21 minutes'")

    assert notify_late_reports(connection, team=(), sender=SENDER) == 1
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, Store(settings.store_url), port, kinds={ReportLate.kind: ReportLate}) == Sent(
            sent=1
        )
    (message,) = temper.messages
    assert message["To"] == "anywhere@example.org, here@example.org"
    assert "meera" not in str(message)
    assert message["Message-ID"] != f"<report_late.{built}@example.org>"


def test_whoever_issues_certificates_leaves_reports_alone(
    connection: Connection, store: Store, built: UUID
) -> None:
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port, kinds=NOTICES) == Sent()
    assert line(connection, built).status == "building"
    assert NOTICES.keys() | REPORT_MAILS.keys() == ALL_MAILS.keys()


@pytest.mark.parametrize(
    ("minutes_left", "attempts_before", "minutes"), [(29, 25, 1), (0, 30, 1), (-7, 33, 7), (-7, 0, 1)]
)
def test_a_report_is_tried_every_minute_while_it_can_be_in_time(  # noqa: PLR0917 - what it is about
    connection: Connection,
    store: Store,
    built: UUID,
    minutes_left: int,
    attempts_before: int,
    minutes: int,
) -> None:
    prompt_until = (datetime.now(UTC) + timedelta(minutes=minutes_left)).isoformat()
    connection.execute(
        "update ops.mails set attempts = %s, "
        "content = content || jsonb_build_object('prompt_until', %s::text)",
        (attempts_before, prompt_until),
    )
    with running_server(Temper(refused={MENTOR: "450 4.2.0 greylisted"})) as port:
        assert send(connection, store, port) == Sent(retried=1)
    ((waited,),) = rows(connection, "round(extract(epoch from next_attempt_at - attempted_at) / 60)::int")
    assert waited == minutes
    assert line(connection, built).status == "building"


def test_a_report_is_tried_for_five_days() -> None:
    """Whole minutes after it was asked for, when every attempt is put off at once."""
    attempt, tried_at = 1, [timedelta(0)]
    while not is_given_up(attempt, overdue=(overdue := tried_at[-1] - timedelta(minutes=30))):
        tried_at.append(tried_at[-1] + backoff(attempt, overdue=overdue))
        attempt += 1
    minutes = [one.total_seconds() / 60 for one in tried_at]
    assert minutes[:36] == [*range(32), 32, 34, 38, 46]
    assert timedelta(days=5) <= tried_at[-1] <= timedelta(days=5, hours=5)
    assert attempt > MOST_ATTEMPTS


def test_a_workbook_says_what_it_is(connection: Connection, store: Store) -> None:
    build(connection, store, file_name="progress-b.xlsx")
    temper = Temper()
    with running_server(temper) as port:
        assert send(connection, store, port) == Sent(sent=1)
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert attached(temper.messages[0]) == [("progress-b.xlsx", media_type, FILE)]
