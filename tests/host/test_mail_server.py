"""The embedded mail server: keeps what it is given, belongs to its home, ends with it."""

import mailbox
import os
import signal
import smtplib
import socket
import stat
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from homes import MakeHome, of_home
from pydantic import SecretStr

from pramaan.errors import HostError
from pramaan.host import platform
from pramaan.host.mail_server import mail_server_answers
from pramaan.settings import Settings


def hand_over(settings: Settings, text: str = "काम") -> None:
    """Hand a mail to the server, as anybody would."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@localhost", "b@example.org", "Test"
    message.set_content(text, cte="base64")
    with smtplib.SMTP("127.0.0.1", settings.mail_port, timeout=60) as server:
        server.send_message(message)


def kept(settings: Settings) -> list[mailbox.MaildirMessage]:
    """What stands in the outbox."""
    return list(mailbox.Maildir(settings.outbox, create=False))


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not true():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.05)


def test_a_mail_is_kept_with_its_envelope_for_the_owner_only(home: Settings) -> None:
    url = platform.ensure_mail_server(home)
    hand_over(home)

    (message,) = kept(home)
    assert url == f"smtp://127.0.0.1:{home.mail_port}"
    assert message["Return-Path"] == "<a@localhost>"
    assert message["Delivered-To"] == "b@example.org"
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode() == "काम\n"
    paths = [home.outbox, *home.outbox.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}


def test_it_runs_beside_postgres_and_ends_with_the_home(home: Settings) -> None:
    platform.ensure_mail_server(home)
    platform.ensure_database(home)
    platform.ensure_mail_server(home)

    assert {r.name for r in platform.running(home)} == {"mail-server", "postgres"}
    assert {r.state for r in platform.running(home)} <= {"running", "starting"}
    platform.stop(home)
    assert of_home(home) == []
    assert not mail_server_answers(home)


def test_a_killed_server_comes_back_and_has_what_it_kept(home: Settings) -> None:
    platform.ensure_mail_server(home)
    hand_over(home)
    (record,) = platform.running(home)

    os.kill(record.pid, signal.SIGKILL)

    eventually(lambda: not mail_server_answers(home) or platform.running(home)[0].pid != record.pid)
    eventually(lambda: mail_server_answers(home))
    hand_over(home)
    assert len(kept(home)) == 2


def test_one_that_lost_its_supervisor_is_ended_too(home: Settings) -> None:
    platform.ensure_mail_server(home)
    (supervisord,) = [p for p in of_home(home) if "supervisor.supervisord" in p.arguments]
    os.kill(supervisord.pid, signal.SIGKILL)

    platform.stop(home)

    assert of_home(home) == []


def test_another_program_on_the_port_is_not_taken_for_ours(home: Settings) -> None:
    with socket.create_server(("127.0.0.1", home.mail_port)) as other:
        other.settimeout(0)
        with pytest.raises(HostError, match=f"port {home.mail_port} .* set PRAMAAN_PORT_BASE"):
            platform.ensure_mail_server(home)


def test_another_home_s_server_is_not_taken_for_ours(make_home: MakeHome, open_folder: Path) -> None:
    one = make_home(open_folder / "one")
    two = make_home(open_folder / "two").model_copy(update={"port_base": one.port_base})
    platform.ensure_mail_server(one)

    with pytest.raises(HostError, match="set PRAMAAN_PORT_BASE"):
        platform.ensure_mail_server(two)


def test_a_full_disk_is_said_and_nothing_is_lost(home: Settings) -> None:
    platform.ensure_mail_server(home)
    (home.outbox / "tmp").rmdir()

    with pytest.raises(smtplib.SMTPDataError) as refused:
        hand_over(home)
    (home.outbox / "tmp").mkdir()
    hand_over(home)

    assert refused.value.smtp_code == 452
    assert len(kept(home)) == 1


def test_a_given_server_is_used_and_nothing_is_started(open_folder: Path) -> None:
    url = "smtp://user:secret@mail.example.org"
    settings = Settings(home=open_folder / "home", smtp_url=SecretStr(url))

    assert platform.ensure_mail_server(settings) == url
    assert platform.running(settings) == []
