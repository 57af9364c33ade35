"""Handing mail over to real servers: once, whole, and whatever the server says."""

import logging
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mail_servers import (
    SENDER,
    Temper,
    certificate_issued,
    content_of,
    free_port,
    queue,
    rows,
    running_server,
)
from pramaan.database.connect import Connection, connect
from pramaan.errors import MailError, SettingsError
from pramaan.mail.ledger import (
    LEASE,
    claim_mail,
    count_due,
    open_sender,
    postpone_due,
    queue_mail,
    queue_mails,
    record_failed,
    record_sent,
    retry_failed,
)
from pramaan.mail.send import Sent, send_due
from pramaan.reports.mails import REPORT_MAILS
from pramaan.settings import Settings
from pramaan.stages.mailing import ALL_MAILS, NOTICES
from worlds import database_url

ENOUGH_SECONDS = 60.0
DUE_AGAIN = "update ops.mails set next_attempt_at = now()"


def send(connection: Connection, port: int, *, lease: timedelta = LEASE, **changed: object) -> Sent:
    """Send what is due, of every kind, to a server without TLS on this machine."""
    settings = Settings(mail_from="Pramaan <certificates@example.org>").model_copy(update=changed)
    return send_due(
        connection,
        settings=settings,
        server_url=f"smtp://127.0.0.1:{port}",
        kinds=ALL_MAILS,
        seconds=ENOUGH_SECONDS,
        lease=lease,
    )


def test_a_mail_arrives_whole_and_leaves_nothing_personal(connection: Connection) -> None:
    queue(connection)
    temper = Temper()

    with running_server(temper) as port:
        assert send(connection, port) == Sent(sent=1)

    (envelope,), (message,) = temper.taken, temper.messages
    (message_id,) = rows(connection, "message_id")[0]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("certificates@example.org", ["teacher1@example.org"])
    assert message["From"] == "Pramaan <certificates@example.org>"
    assert message["To"] == "teacher1@example.org"
    assert message["Reply-To"] == "board@example.org"
    assert message["Subject"] == "Your certificate: Reading"
    assert message["Message-ID"] == message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert "/pramaan/verify/c1" in content_of(message, "plain")
    assert '/pramaan/verify/c1"' in content_of(message, "html")
    assert rows(connection, "status, recipients, handed_over_to, content, lease_expires_at, error") == [
        ("sent", ["te***@example.org"], ["te***@example.org"], {}, None, None)
    ]
    assert "Asha" not in str(rows(connection, "*"))


def test_one_line_carries_many_mails(connection: Connection) -> None:
    for number in range(5):
        queue(connection, number)
    temper = Temper()

    with running_server(temper) as port:
        assert send(connection, port).sent == 5

    assert temper.connections == 1
    assert [message["To"] for message in temper.messages] == [f"teacher{n}@example.org" for n in range(5)]


def test_a_refused_address_does_not_stop_the_others(connection: Connection) -> None:
    for number in range(3):
        queue(connection, number)
    temper = Temper(refused={"teacher1@example.org": "550 5.1.1 <{address}> teacher1 is unknown"})

    with running_server(temper) as port:
        assert send(connection, port) == Sent(sent=2, failed=1)

    assert rows(connection, "status, error_class, error") == [
        ("sent", None, None),
        ("failed", "recipient_refused", "550 5.1.1 <***> *** is unknown"),
        ("sent", None, None),
    ]
    assert temper.connections == 1


def test_of_several_recipients_only_the_refused_one_is_left(connection: Connection) -> None:
    queue(connection, to=("lead@example.org", "second@example.org"))
    temper = Temper(refused={"second@example.org": "450 4.2.0 greylisted"})

    with running_server(temper) as port:
        assert send(connection, port) == Sent(retried=1)
        temper.refused["second@example.org"] = "550 5.1.1 no such user"
        connection.execute(DUE_AGAIN)
        assert send(connection, port) == Sent(failed=1)
        temper.refused.clear()
        assert retry_failed(connection) == 1
        assert send(connection, port) == Sent(sent=1)

    assert [one.rcpt_tos for one in temper.taken] == [["lead@example.org"], ["second@example.org"]]
    assert rows(connection, "status, recipients") == [("sent", ["le***@example.org", "se***@example.org"])]


def test_a_greylisted_mail_is_tried_again_later_and_later(connection: Connection) -> None:
    queue(connection)
    temper = Temper(refused={"teacher1@example.org": "451 4.7.1 try again later"})
    waits = []

    with running_server(temper) as port:
        for _ in range(4):
            assert send(connection, port) == Sent(retried=1)
            assert send(connection, port) == Sent()
            waits += rows(connection, "extract(epoch from next_attempt_at - attempted_at)::int / 60")
            connection.execute(DUE_AGAIN)
        temper.refused.clear()
        assert send(connection, port) == Sent(sent=1)

    assert [wait for (wait,) in waits] == [1, 2, 4, 8]


def test_a_mail_that_is_put_off_for_five_days_fails(connection: Connection) -> None:
    queue(connection)
    connection.execute("update ops.mails set attempts = 35")

    with running_server(Temper(data_answers=["451 not now"])) as port:
        assert send(connection, port) == Sent(failed=1)

    assert rows(connection, "status, error_class, error") == [("failed", "deferred", "451 not now")]


@pytest.mark.parametrize(
    ("answer", "end", "error_class"),
    [
        ("554 5.7.1 looks like spam", "failed", "message_refused"),
        ("452 4.3.1 disk full", "queued", "deferred"),
    ],
)
def test_a_refused_message_is_told_from_one_put_off(
    connection: Connection, answer: str, end: str, error_class: str
) -> None:
    queue(connection, 1)
    queue(connection, 2)
    temper = Temper(data_answers=[answer])

    with running_server(temper) as port:
        assert send(connection, port).sent == 1

    assert rows(connection, "status, error_class") == [(end, error_class), ("sent", None)]


def test_an_answer_that_is_lost_means_again_under_the_same_message_id(connection: Connection) -> None:
    queue(connection, 1)
    queue(connection, 2)
    temper = Temper(closes_after_data=1)

    with running_server(temper) as port:
        assert send(connection, port) == Sent(sent=1, retried=1)
        assert rows(connection, "status, error_class") == [("queued", "connection_lost"), ("sent", None)]
        connection.execute(DUE_AGAIN)
        assert send(connection, port) == Sent(sent=1)

    first, _, again = temper.messages
    assert first["Message-ID"] == again["Message-ID"]
    assert temper.taken[0].content == temper.taken[2].content


def test_a_line_that_breaks_is_opened_again(connection: Connection) -> None:
    for number in range(3):
        queue(connection, number)
    temper = Temper(closes_at_recipient=1)

    with running_server(temper) as port:
        assert send(connection, port) == Sent(sent=2, retried=1)

    assert temper.connections == 2


def test_mail_waits_for_a_server_that_is_down(connection: Connection) -> None:
    queue(connection)
    port, temper = free_port(), Temper()

    for _ in range(3):
        with pytest.raises(
            MailError, match=rf"127\.0\.0\.1:{port} cannot be used.*refused.*PRAMAAN_SMTP_URL"
        ):
            send(connection, port)
    assert rows(connection, "status, attempts, error_class") == [("queued", 0, "server_unusable")]
    with running_server(temper, port=port):
        assert send(connection, port) == Sent(sent=1)

    assert len(temper.taken) == 1


@pytest.mark.parametrize("answer", ["550 5.7.1 not your domain", "530 5.7.0 sign in first"])
def test_a_server_that_does_not_want_us_leaves_every_mail_as_it_was(
    connection: Connection, answer: str
) -> None:
    queue(connection, 1)
    queue(connection, 2)

    with (
        running_server(Temper(sender_answer=answer)) as port,
        pytest.raises(MailError, match=f"{answer}.*PRAMAAN_MAIL_FROM"),
    ):
        send(connection, port)

    assert rows(connection, "status, attempts") == [("queued", 0), ("queued", 0)]


def test_two_senders_at_once_send_each_mail_once(connection: Connection, settings: Settings) -> None:
    for number in range(30):
        queue(connection, number)
    temper = Temper(delay_seconds=0.01)
    begin = threading.Barrier(3)

    def sender(port: int) -> Sent:
        with connect(database_url(settings)) as own:
            begin.wait()
            return send(own, port)

    with running_server(temper) as port, ThreadPoolExecutor(3) as pool:
        ends = [run.result() for run in [pool.submit(sender, port) for _ in range(3)]]

    assert sum(end.sent for end in ends) == 30
    assert sum(1 for end in ends if end.sent) > 1
    assert len({message["Message-ID"] for message in temper.messages}) == len(temper.taken) == 30


def test_all_senders_together_keep_the_rate(connection: Connection) -> None:
    for number in range(5):
        queue(connection, number)

    with running_server(Temper()) as port:
        assert send(connection, port, mails_per_minute=3) == Sent(sent=3, left=2)
        assert send(connection, port, mails_per_minute=3) == Sent(left=2)
        connection.execute("update ops.mails set attempted_at = attempted_at - interval '61 seconds'")
        assert send(connection, port, mails_per_minute=3) == Sent(sent=2)


def test_each_sender_sees_its_own_kinds_only(connection: Connection) -> None:
    queue(connection, 1)
    queue(connection, 2)
    connection.execute("update ops.mails set kind = 'from_a_later_version' where subject_key = 'c2'")

    assert count_due(connection, kinds=REPORT_MAILS) == 0
    postpone_due(connection, kinds=REPORT_MAILS)
    assert count_due(connection, kinds=NOTICES) == 1
    with running_server(Temper()) as port:
        assert send(connection, port) == Sent(sent=1)
    assert rows(connection, "status, attempts") == [("sent", 1), ("queued", 0)]


def test_what_a_slow_sender_holds_is_free_after_its_lease(connection: Connection) -> None:
    queue(connection)
    with running_server(Temper()) as port, open_sender(connection) as slow:
        held = claim_mail(connection, sender=slow, per_minute=10, kinds=ALL_MAILS)
        assert held is not None
        assert send(connection, port) == Sent()
        connection.execute("update ops.mails set lease_expires_at = now() - interval '1 second'")
        assert send(connection, port) == Sent(sent=1)
        handed_over = rows(connection, "handed_over_at")
        assert not record_sent(connection, held)
        assert not record_failed(connection, held, left=[], error_class="late", error="late")

    assert rows(connection, "handed_over_at") == handed_over


def test_what_a_killed_sender_held_is_free_after_its_lease(connection: Connection) -> None:
    queue(connection)
    with open_sender(connection) as killed:
        held = claim_mail(connection, sender=killed, per_minute=10, kinds=ALL_MAILS)
        assert held is not None
    with running_server(Temper()) as port:
        assert send(connection, port) == Sent(), "its message may be on the line"
        connection.execute("update ops.mails set lease_expires_at = now() - interval '1 second'")
        assert send(connection, port) == Sent(sent=1)
        assert not record_sent(connection, held)


def test_what_a_sender_of_the_version_before_holds_is_free_after_its_lease(connection: Connection) -> None:
    queue(connection)
    connection.execute("update ops.mails set attempts = 1, lease_expires_at = now() + interval '5 minutes'")
    with running_server(Temper()) as port:
        assert send(connection, port) == Sent()
        connection.execute("update ops.mails set lease_expires_at = now() - interval '1 second'")
        assert send(connection, port) == Sent(sent=1)


@pytest.mark.parametrize(
    "temper", [Temper(recipient_delay_seconds=2), Temper(delay_seconds=20)], ids=["many answers", "one"]
)
def test_a_mail_is_broken_off_before_another_may_send_it(connection: Connection, temper: Temper) -> None:
    queue(connection, to=tuple(f"teacher{number}@example.org" for number in range(10)))
    lease = timedelta(seconds=10)
    begun = time.monotonic()

    with running_server(temper) as port:
        assert send(connection, port, lease=lease) == Sent(retried=1)
        assert time.monotonic() - begun < lease.total_seconds()
        temper.recipient_delay_seconds = temper.delay_seconds = 0
        connection.execute(DUE_AGAIN)
        assert send(connection, port) == Sent(sent=1)

    assert len(temper.taken) == 1
    assert rows(connection, "attempts") == [(2,)]


def test_a_mail_that_took_too_long_says_so(connection: Connection) -> None:
    queue(connection)

    with running_server(Temper(delay_seconds=2)) as port:
        assert send(connection, port, lease=timedelta(seconds=1)) == Sent(retried=1)

    assert rows(connection, "error_class, error") == [
        ("connection_lost", "it takes too long to hand the mail over")
    ]


def test_a_mail_that_cannot_be_made_fails_and_stops_no_other(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {
        1: "content = content - 'course_name'",
        2: 'content = content || \'{"recipient_name": ""}\'',
        3: "recipients = '{\"a@b\\r\\nRCPT TO:<x@y.org>\"}'",
    }
    for number, change in broken.items():
        queue(connection, number)
        connection.execute(f"update ops.mails set {change} where subject_key = 'c{number}'")  # type: ignore[arg-type]
    queue(connection, 4)
    temper = Temper()

    with running_server(temper) as port, caplog.at_level(logging.DEBUG, logger="pramaan"):
        assert send(connection, port) == Sent(sent=1, failed=3)

    assert len(temper.taken) == 1
    assert rows(connection, "error_class")[:3] == [("unsendable",)] * 3
    ours = [
        record.getMessage() for record in caplog.records if record.name.startswith(("pramaan", "yagmail"))
    ]
    said = f"{rows(connection, 'error')} {ours}"
    assert len(ours) == 3
    assert "Asha" not in said
    assert "example.org" not in said


def test_a_recipient_for_whom_the_server_wants_a_sign_in_stops_no_other_mail(connection: Connection) -> None:
    for n in (1, 2, 3):
        queue(connection, n)
    temper = Temper(refused={"teacher1@example.org": "530 5.7.0 sign in first"})

    with running_server(temper) as port:
        assert send(connection, port) == Sent(sent=2, retried=1)
    assert rows(connection, "error_class")[0] == ("sign_in_refused",)


def test_no_address_is_logged_with_a_server_that_does_not_want_us(connection: Connection) -> None:
    queue(connection)
    temper = Temper(sender_answer="550 5.7.1 <certificates@example.org> is not yours")

    with running_server(temper) as port, pytest.raises(MailError) as refused:
        send(connection, port)

    said = "".join(traceback.format_exception(refused.value))
    assert "teacher1" not in said
    assert "example.org" not in said


def test_no_address_is_logged_with_a_mail_that_the_ledger_refuses(connection: Connection) -> None:
    with pytest.raises(ValueError, match="recipients") as refused:
        queue_mails(
            connection,
            "select 'hold_notice', '7', null::text[], 'en', '{\"to\": \"teacher1@example.org\"}'::jsonb",
            {},
            sender=SENDER,
        )

    assert "teacher1" not in "".join(traceback.format_exception(refused.value))


def test_nothing_is_sent_inside_a_transaction(connection: Connection) -> None:
    with connection.transaction(), pytest.raises(ValueError, match="outside transactions"):
        send(connection, 1)


def test_nothing_due_means_no_connection(connection: Connection) -> None:
    assert send(connection, free_port()) == Sent()


@pytest.mark.parametrize(
    "mail_from", ["", "nobody", "a@b.org, c@d.org", "x\r\nBcc: y@z.org <a@b.org>", "é@b.org"]
)
def test_a_sender_that_is_none_is_named(connection: Connection, mail_from: str) -> None:
    with pytest.raises(SettingsError, match="PRAMAAN_MAIL_FROM"):
        send(connection, free_port(), mail_from=mail_from)


def test_a_mail_is_queued_once(connection: Connection) -> None:
    queue(connection)
    again = certificate_issued().mail(subject_key="c1", recipients=("other@example.org",))

    assert not queue_mail(connection, again, sender=SENDER)
    assert rows(connection, "recipients") == [(["teacher1@example.org"],)]


def test_a_mail_is_queued_with_its_cause_or_not_at_all(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        queue(connection)

    assert rows(connection, "1") == []
