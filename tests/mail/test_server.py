"""The line to a mail server: TLS that is checked, signing in, and what an address may say."""

import ssl
import traceback
from pathlib import Path

import pytest

from mail_servers import Temper, make_certificate, queue, rows, running_server, signs_in
from pramaan.database.connect import Connection
from pramaan.errors import MailError, SettingsError
from pramaan.mail.send import Sent, send_due
from pramaan.mail.server import MailServer
from pramaan.settings import Settings
from pramaan.stages.mailing import ALL_MAILS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A self-made certificate for this machine, which nobody trusts."""
    return make_certificate(tmp_path)


def send(connection: Connection, url: str) -> Sent:
    settings = Settings(mail_from="certificates@example.org")
    return send_due(connection, settings=settings, server_url=url, kinds=ALL_MAILS, seconds=60.0)


def with_sign_in(context: ssl.SSLContext) -> dict[str, object]:
    """A server that secures the line and then wants to know who is there."""
    return {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": signs_in("apikey", "p@ss w/rd"),
    }


def test_starttls_and_a_sign_in_with_a_plain_user_name(
    connection: Connection, certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    queue(connection)
    temper = Temper()

    with running_server(temper, **with_sign_in(context)) as port:
        assert send(connection, f"smtp://apikey:p%40ss%20w%2Frd@127.0.0.1:{port}?tls=starttls") == Sent(
            sent=1
        )

    assert len(temper.taken) == 1


def test_a_wrong_password_is_said_without_it(
    connection: Connection, certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    queue(connection)

    with (
        running_server(Temper(), **with_sign_in(context)) as port,
        pytest.raises(MailError, match="535") as refused,
    ):
        send(connection, f"smtp://apikey:guess@127.0.0.1:{port}?tls=starttls")

    assert "guess" not in str(refused.value)
    assert "SMTPAuthenticationError" not in "".join(traceback.format_exception(refused.value))
    assert rows(connection, "status, attempts") == [("queued", 0)]


def test_implicit_tls(
    connection: Connection, certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    queue(connection)

    with running_server(Temper(), implicit_tls=context) as port:
        assert send(connection, f"smtps://127.0.0.1:{port}") == Sent(sent=1)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_trusts_is_refused(
    connection: Connection, certificate: tuple[ssl.SSLContext, Path], scheme: str
) -> None:
    context, _ = certificate
    queue(connection)
    temper = Temper()
    options: dict[str, object] = {"tls_context": context} if scheme == "smtp" else {}
    implicit = context if scheme == "smtps" else None

    with (
        running_server(temper, implicit_tls=implicit, **options) as port,
        pytest.raises(MailError, match="certificate verify failed"),
    ):
        send(connection, f"{scheme}://127.0.0.1:{port}{'?tls=starttls' if scheme == 'smtp' else ''}")

    assert temper.taken == []
    assert rows(connection, "status, attempts") == [("queued", 0)]


@pytest.mark.parametrize(
    ("tls", "url"),
    [("starttls", "smtp://127.0.0.1:{port}?tls=starttls"), ("implicit", "smtps://127.0.0.1:{port}")],
)
def test_a_certificate_that_has_run_out_is_refused_unless_it_is_asked_for(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str, url: str
) -> None:
    context, trusted = make_certificate(tmp_path, days_left=-1)
    queue(connection)
    temper = Temper()
    options: dict[str, object] = {"tls_context": context} if tls == "starttls" else {}

    with running_server(temper, implicit_tls=context if tls == "implicit" else None, **options) as port:
        address = url.format(port=port)
        asked = f"{address}{'&' if '?' in address else '?'}certificate=expired"
        with pytest.raises(MailError, match="certificate verify failed"):
            send(connection, asked)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with pytest.raises(MailError, match="certificate has expired"):
            send(connection, address)
        assert temper.taken == []
        assert send(connection, asked) == Sent(sent=1)


def test_a_server_without_starttls_gets_no_mail_when_it_was_asked_for(connection: Connection) -> None:
    queue(connection)
    temper = Temper()

    with running_server(temper) as port, pytest.raises(MailError, match="STARTTLS"):
        send(connection, f"smtp://127.0.0.1:{port}?tls=starttls")

    assert temper.taken == []


def test_neither_keyring_nor_a_file_of_yagmail_is_asked(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".yagmail").write_text("thief@example.org")
    monkeypatch.setenv("HOME", str(tmp_path))
    queue(connection)
    temper = Temper()

    with running_server(temper) as port:
        assert send(connection, f"smtp://127.0.0.1:{port}") == Sent(sent=1)

    assert temper.taken[0].mail_from == "certificates@example.org"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", MailServer("mail.example.org", 587, "starttls")),
        ("smtp://mail.example.org:25?tls=none", MailServer("mail.example.org", 25, "none")),
        ("smtp://mail.example.org?tls=none", MailServer("mail.example.org", 25, "none")),
        ("smtps://mail.example.org/", MailServer("mail.example.org", 465, "implicit")),
        ("smtp://127.0.0.1:2525", MailServer("127.0.0.1", 2525, "none")),
        ("smtp://localhost?tls=starttls", MailServer("localhost", 587, "starttls")),
        ("smtp://[::1]:2525", MailServer("::1", 2525, "none")),
        (
            "smtp://a%40b.org:p%3A%2F@m.org",
            MailServer("m.org", 587, "starttls", user="a@b.org", password="p:/"),
        ),
        ("smtps://m.org?certificate=expired", MailServer("m.org", 465, "implicit", takes_expired=True)),
    ],
)
def test_an_address_says_how_to_connect(url: str, server: MailServer) -> None:
    assert MailServer.parse(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://user:secret@mail.example.org",
        "smtp://user:secret@",
        "smtp://user:secret@host:port",
        "smtp://user:secret@host:99999",
        "smtp://user:secret@host/path",
        "smtp://user:secret@host?tls=maybe",
        "smtp://user:secret@host?tls=none&tls=starttls",
        "smtp://user:secret@host?verify=no",
        "smtps://user:secret@host?tls=none",
        "smtp://user:secret@[host",
        "smtp://user:secret@host#x",
        "smtps://user:secret@host?certificate=unchecked",
        "smtp://user:secret@127.0.0.1?certificate=expired",
    ],
)
def test_an_address_that_cannot_be_used_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="PRAMAAN_SMTP_URL") as refused:
        MailServer.parse(url)
    assert "secret" not in str(refused.value)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(MailServer.parse("smtp://user:secret@host"))
