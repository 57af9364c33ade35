"""A round of notices: as many a minute as may be, whatever else the server does; calm while it is away."""

import asyncio
import threading
from datetime import timedelta

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from mail_servers import Temper, free_port, queue, rows, running_server
from pramaan.database.connect import Connection, connect
from pramaan.errors import MailError
from pramaan.mail.dispatch import CONNECTIONS, Clock, send_round, unanswered_for
from pramaan.mail.ledger import claim_mail, open_sender, retry_failed
from pramaan.mail.send import Sent
from pramaan.settings import Settings
from pramaan.stages.mailing import DUE_NOTICES, NOTICES, send_notices
from worlds import database_url

PER_MINUTE = 600


class MinuteByMinute:
    """A clock that stands still while mails are sent; a minute passes where the round waits for one."""

    def __init__(self, url: str, temper: Temper) -> None:
        self._url = url
        self._temper = temper
        self.taken_by_minute: list[int] = []

    def clock(self) -> Clock:
        return Clock(now=lambda: 60.0 * len(self.taken_by_minute), sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        del seconds
        self.taken_by_minute.append(len(self._temper.taken))
        with connect(self._url) as connection:
            connection.execute("update ops.mails set attempted_at = attempted_at - interval '1 minute'")


class Together(Temper):
    """Answers nobody until so many wait for an answer at once."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._barrier = asyncio.Barrier(lines)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._barrier.wait()
        return await super().handle_DATA(server, session, envelope)


class Held(Temper):
    """Keeps whoever hands something over waiting until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.has_one = threading.Event()
        self.may_go = threading.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.has_one.set()
        await asyncio.to_thread(self.may_go.wait, 60)
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def mailing(settings: Settings) -> Settings:
    return settings.model_copy(update={"mails_per_minute": PER_MINUTE})


def test_six_hundred_go_out_within_a_minute_and_the_rest_in_the_next(
    mailing: Settings, connection: Connection
) -> None:
    for number in range(PER_MINUTE + 20):
        queue(connection, number)
    url, temper = database_url(mailing), Temper()
    minutes = MinuteByMinute(url, temper)

    with running_server(temper) as port:
        sent = send_round(
            url,
            settings=mailing,
            server_url=f"smtp://127.0.0.1:{port}",
            kinds=NOTICES,
            seconds=240.0,
            # The server is a thread of this process: it is not to be starved by its clients.
            connections=1,
            clock=minutes.clock(),
        )

    assert sent == Sent(sent=PER_MINUTE + 20)
    assert minutes.taken_by_minute == [PER_MINUTE]


def test_a_slow_server_is_given_several_at_once(mailing: Settings, connection: Connection) -> None:
    """One line alone would never have an answer."""
    for number in range(3 * CONNECTIONS):
        queue(connection, number)
    temper = Together(CONNECTIONS)

    with running_server(temper) as port:
        sent = send_round(
            database_url(mailing),
            settings=mailing,
            server_url=f"smtp://127.0.0.1:{port}",
            kinds=NOTICES,
            seconds=600.0,
        )

    assert sent == Sent(sent=3 * CONNECTIONS)
    assert len(temper.taken) == 3 * CONNECTIONS


def test_nobody_is_woken_while_somebody_sends(mailing: Settings, connection: Connection) -> None:
    queue(connection)
    assert list(DUE_NOTICES.pending(connection)) == ["mail 1"]
    temper = Held()

    with running_server(temper) as port:
        round_ = threading.Thread(
            target=send_round,
            args=(database_url(mailing),),
            kwargs={
                "settings": mailing,
                "server_url": f"smtp://127.0.0.1:{port}",
                "kinds": NOTICES,
                "seconds": 600.0,
            },
        )
        round_.start()
        assert temper.has_one.wait(1200)
        queue(connection, 2)
        assert list(DUE_NOTICES.pending(connection)) == []
        temper.may_go.set()
        round_.join()

    assert len(temper.taken) == 2
    assert list(DUE_NOTICES.pending(connection)) == []


def test_a_server_that_is_away_costs_no_attempt_and_is_left_alone_for_a_while(
    mailing: Settings, connection: Connection
) -> None:
    queue(connection)
    away, url = f"smtp://127.0.0.1:{free_port()}", database_url(mailing)

    with pytest.raises(MailError, match="Mails wait"):
        send_notices(mailing, url=url, server_url=lambda: away, seconds=1.0)

    ((attempts, wait),) = rows(connection, "attempts, next_attempt_at - now()")
    assert attempts == 0
    assert timedelta(seconds=30) < wait <= timedelta(minutes=1)
    assert list(DUE_NOTICES.pending(connection)) == []
    assert unanswered_for(connection, kinds=NOTICES) < timedelta(minutes=20)

    connection.execute("update ops.mails set due_at = now() - interval '2 hours', next_attempt_at = now()")
    with pytest.raises(MailError):
        send_notices(mailing, url=url, server_url=lambda: away, seconds=1.0)
    ((attempts, wait),) = rows(connection, "attempts, next_attempt_at - now()")
    assert attempts == 0
    assert timedelta(minutes=4) < wait <= timedelta(minutes=5)
    assert unanswered_for(connection, kinds=NOTICES) >= timedelta(hours=2)


def test_a_server_that_answered_lately_is_not_silent(mailing: Settings, connection: Connection) -> None:
    queue(connection)
    connection.execute("update ops.mails set queued_at = now() - interval '2 hours'")
    temper = Temper(data_answers=["451 later"])
    with running_server(temper) as port:
        server_url = f"smtp://127.0.0.1:{port}"
        sent = send_notices(mailing, url=database_url(mailing), server_url=lambda: server_url, seconds=60.0)
    assert sent == Sent(retried=1)
    assert unanswered_for(connection, kinds=NOTICES) < timedelta(minutes=20)


def test_a_blip_after_a_mail_was_put_off_for_hours_is_a_blip(
    mailing: Settings, connection: Connection
) -> None:
    """The server said `later` three hours ago, has had nothing to do since, and restarts when it is asked."""
    queue(connection)
    url = database_url(mailing)
    with running_server(Temper(data_answers=["451 later"])) as port:
        server_url = f"smtp://127.0.0.1:{port}"
        assert send_notices(mailing, url=url, server_url=lambda: server_url, seconds=60.0) == Sent(retried=1)
    connection.execute(
        "update ops.mails set queued_at = queued_at - interval '3 hours', "
        "attempted_at = attempted_at - interval '3 hours', due_at = now() - interval '1 second', "
        "next_attempt_at = now() - interval '1 second'"
    )
    away = f"smtp://127.0.0.1:{free_port()}"
    with pytest.raises(MailError):
        send_notices(mailing, url=url, server_url=lambda: away, seconds=1.0)
    assert unanswered_for(connection, kinds=NOTICES) < timedelta(minutes=20)

    # Nor does a mail that failed long ago, and that a person tries again, tell of three hours.
    connection.execute("update ops.mails set status = 'failed', error_class = 'x', due_at = queued_at")
    assert retry_failed(connection) == 1
    with pytest.raises(MailError):
        send_notices(mailing, url=url, server_url=lambda: away, seconds=1.0)
    assert unanswered_for(connection, kinds=NOTICES) < timedelta(minutes=20)


def test_a_claim_reads_few_rows_however_many_wait_and_the_team_goes_first(connection: Connection) -> None:
    connection.execute(
        "insert into ops.mails (kind, subject_key, recipients, language, content, message_id, is_urgent) "
        "select case n when 20000 then 'hold_notice' else 'certificate_issued' end, n::text, "
        "array['a@example.org'], 'en', '{}', '<' || n || '@example.org>', n = 20000 "
        "from generate_series(1, 20000) n"
    )
    connection.execute("analyze ops.mails")
    with open_sender(connection) as sender, connection.transaction():
        found = [
            claim_mail(connection, sender=sender, per_minute=PER_MINUTE, kinds=NOTICES) for _ in range(3)
        ]
        read = connection.execute(
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables "
            "where relid = 'ops.mails'::regclass"
        ).fetchone()
    assert [one and one.subject_key for one in found] == ["20000", "1", "2"]
    assert read
    assert isinstance(read[0], int)
    assert read[0] < 1000


def test_while_the_minute_is_full_no_line_is_opened(mailing: Settings, connection: Connection) -> None:
    """A line would say that the server's address is none."""
    queue(connection, 1)
    queue(connection, 2)
    connection.execute(
        "update ops.mails set status = 'sent', handed_over_at = now(), attempted_at = now() where mail_id = 1"
    )
    passed: list[float] = []
    sent = send_round(
        database_url(mailing),
        settings=mailing.model_copy(update={"mails_per_minute": 1}),
        server_url="none",
        kinds=NOTICES,
        seconds=3.0,
        clock=Clock(now=lambda: sum(passed), sleep=passed.append),
    )
    assert (sent, passed) == (Sent(left=1), [1.0, 1.0, 1.0])


def test_without_a_server_mail_waits_and_wakes_nobody(mailing: Settings, connection: Connection) -> None:
    queue(connection)
    sent = send_notices(mailing, url=database_url(mailing), server_url=lambda: None, seconds=1.0)
    assert sent == Sent(left=1)
    assert list(DUE_NOTICES.pending(connection)) == []
    assert rows(connection, "status, attempts") == [("queued", 0)]
