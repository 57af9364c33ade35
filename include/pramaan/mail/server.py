"""A mail server: its address in `PRAMAAN_SMTP_URL`, and the SMTP connection to it.

    smtp://user:password@host:587     STARTTLS, without which nothing is sent
    smtps://user:password@host:465    TLS from the first byte
    smtp://127.0.0.1:2525             this machine itself: no TLS, unless `?tls=starttls` asks for it
    smtp://host:25?tls=none           no TLS because it is asked for: only inside a network you trust
    ...?certificate=expired           accepts an expired certificate, until there is a new one

User and password may be left out, and are percent-encoded. Certificates are checked against those that this
machine trusts; `SSL_CERT_FILE` names a file with others, such as an organisation's own.
"""

import contextlib
import ipaddress
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pramaan.errors import MailError, SettingsError
from pramaan.mail.smtp_errors import text_of

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["MailServer", "SmtpConnection"]

_TIMEOUT_SECONDS: Final = 20.0
_SLOWEST_BYTES_PER_SECOND: Final = 100_000
"""A large mail takes a while on a slow line, and while the server scans it for viruses."""

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name."""

_PORTS: Final = {"none": 25, "starttls": 587, "implicit": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """The address of a mail server, its TLS mode, and the user to sign in as."""

    host: str
    port: int
    tls: Literal["none", "starttls", "implicit"]
    takes_expired: bool = False
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse the URL. Raises SettingsError saying what is wrong, without repeating the URL, which has a
        password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            options = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise _unusable("is no address such as smtp://user:password@host:587") from error
        if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"} or parts.fragment:
            raise _unusable("is no address such as smtp://user:password@host:587 or smtps://...")
        if options.keys() - {"tls", "certificate"}:
            raise _unusable("takes no options but tls and certificate")
        tls = _tls(parts, host, options.get("tls"))
        if options.get("certificate", ["expired"]) != ["expired"] or (
            "certificate" in options and tls == "none"
        ):
            raise _unusable("certificate is expired, and for lines with TLS")
        return cls(
            host,
            port or _PORTS[tls],
            tls,
            takes_expired="certificate" in options,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


class SmtpConnection:
    """An SMTP connection, opened when it is first needed and again after it broke; one for many mails.

    yagmail connects, secures and signs in. The mails are sent unchanged over its connection: yagmail's own
    sending treats a text that names a file as an attachment, and repeats messages that may already have been
    accepted.
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._client: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        self._close()

    def open(self) -> None:
        """Connect and sign in, unless connected. Raises MailError when the server cannot be reached or
        refuses us.
        """
        if self._client is not None and self._client.smtp.sock is not None:
            return
        self._close()
        self._client = _client(self._server)
        try:
            self._client.login()
            self._client.smtp.ehlo_or_helo_if_needed()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self._close()
            server = self._server
            # Without the original error, whose message may have addresses and would be logged with ours.
            raise MailError(
                f"the mail server {server.host}:{server.port} cannot be used: {text_of(error)}. Mails wait; "
                "see PRAMAAN_SMTP_URL"
            ) from None

    @property
    def largest_bytes(self) -> int | None:
        """The largest message that the server says it accepts (SIZE, RFC 1870), if it says so."""
        size = str(self._client.smtp.esmtp_features.get("size", ""))
        return (int(size) or None) if re.fullmatch(r"[0-9]{1,15}", size) else None

    def send(
        self, message: bytes, *, sender: str, recipients: list[str], until: float
    ) -> dict[str, tuple[int, bytes]]:
        """Hand a message over; returns the recipients that the server refused while it accepted the message
        for others, each with its code and text.

        The connection is closed at `until` (of `time.monotonic`), whatever the server does: then other
        senders may send the mail. Raises TimeoutError then, the exceptions of smtplib, and OSError.
        """
        smtp = self._client.smtp
        smtp.sock.settimeout(_TIMEOUT_SECONDS + len(message) / _SLOWEST_BYTES_PER_SECOND)
        too_late = TimeoutError("it takes too long to hand the mail over")
        if time.monotonic() >= until:
            raise too_late
        try:
            with _abort_at(until, smtp.sock):
                refused = smtp.sendmail(sender, recipients, message)
        except OSError as error:
            if time.monotonic() < until:
                raise
            raise too_late from error
        return cast(dict[str, tuple[int, bytes]], refused)

    def _close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._client.close()
            self._client = None


@contextlib.contextmanager
def _abort_at(until: float, connection: socket.socket) -> Iterator[None]:
    """Shut the connection down at `until`, so that whatever the block waits for ends with an OSError: socket
    timeouts start anew with each operation.
    """

    def break_connection() -> None:
        with contextlib.suppress(OSError):
            # The plain socket's shutdown: that of TLS first sends its own closing message, and is not
            # thread-safe.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(until - time.monotonic(), break_connection)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _client(server: MailServer) -> Any:
    # It takes a while to import, and parsing DAGs imports this module.
    import yagmail

    secure = None if server.tls == "none" else _tls_context(server)
    client = yagmail.SMTP(
        # As a mapping: yagmail adds @gmail.com to a plain name. Without a password it would prompt for one.
        user={server.user: server.user},
        password=server.password,
        host=server.host,
        port=server.port,
        smtp_ssl=server.tls == "implicit",
        smtp_starttls={"context": secure} if server.tls == "starttls" else False,
        smtp_skip_login=not server.user,
        soft_email_validation=False,
        timeout=_TIMEOUT_SECONDS,
        **({"context": secure} if server.tls == "implicit" else {}),
    )
    client.set_logging(None)
    return client


def _tls_context(server: MailServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.takes_expired:
        context.verify_flags |= _NO_CHECK_TIME
    return context


def _tls(parts: SplitResult, host: str, wanted: list[str] | None) -> Literal["none", "starttls", "implicit"]:
    if parts.scheme == "smtps":
        if wanted is not None:
            raise _unusable("smtps takes no option tls")
        return "implicit"
    match wanted:
        case None:
            return "none" if _is_loopback(host) else "starttls"
        case ["none"]:
            return "none"
        case ["starttls"]:
            return "starttls"
        case _:
            raise _unusable("tls is starttls or none")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unusable(why: str) -> SettingsError:
    return SettingsError(f"PRAMAAN_SMTP_URL: {why}")
