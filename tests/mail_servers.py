"""Real mail servers on the loopback address, of every temper, and mails to hand them."""

import asyncio
import datetime
import email
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pramaan.certificates.mails import CertificateIssued
from pramaan.database.connect import Connection
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import Mail, queue_mail

__all__ = [
    "SENDER",
    "Temper",
    "certificate_issued",
    "content_of",
    "free_port",
    "make_certificate",
    "queue",
    "rows",
    "running_server",
    "signs_in",
]

SENDER = Sender("Pramaan", "certificates@example.org")


@dataclass
class Temper:
    """How a server behaves, and what it was given: a message is taken when its envelope is here."""

    refused: dict[str, str] = field(default_factory=dict)
    sender_answer: str = "250 OK"
    size_said: int | None = None
    largest_announced: int | None = None
    data_answers: list[str] = field(default_factory=list)
    closes_after_data: int = 0
    closes_at_recipient: int = 0
    delay_seconds: float = 0.0
    recipient_delay_seconds: float = 0.0
    taken: list[Envelope] = field(default_factory=list)
    connections: int = 0
    asked: int = 0

    @property
    def messages(self) -> list[EmailMessage]:
        """What was taken, as a mail program reads it."""
        return [
            cast(EmailMessage, email.message_from_bytes(cast(bytes, one.content), policy=default))
            for one in self.taken
        ]

    async def handle_EHLO(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        del server, envelope
        session.host_name = hostname
        self.connections += 1
        if self.size_said is None:
            return responses
        return [f"250-SIZE {self.size_said}" if one.startswith("250-SIZE") else one for one in responses]

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session
        announced = next((int(one[len("SIZE=") :]) for one in options if one.startswith("SIZE=")), 0)
        if self.largest_announced is not None and announced > self.largest_announced:
            return "552 5.3.4 message size exceeds fixed limit"
        if self.sender_answer.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.sender_answer

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del session, options
        self.asked += 1
        await asyncio.sleep(self.recipient_delay_seconds)
        if self.closes_at_recipient > 0:
            self.closes_at_recipient -= 1
            cast(Any, server.transport).abort()
            return "421 gone"
        if address in self.refused:
            return self.refused[address].format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del session
        await asyncio.sleep(self.delay_seconds)
        answer = self.data_answers.pop(0) if self.data_answers else "250 taken"
        if answer.startswith("250"):
            self.taken.append(envelope)
        if self.closes_after_data > 0:
            self.closes_after_data -= 1
            cast(Any, server.transport).abort()
        return answer


@contextmanager
def running_server(
    temper: Temper, *, port: int | None = None, implicit_tls: ssl.SSLContext | None = None, **options: object
) -> Iterator[int]:
    """A server of that temper for the block; its port."""
    port = port or free_port()
    controller = Controller(
        temper, hostname="127.0.0.1", port=port, ssl_context=implicit_tls, **cast(Any, options)
    )
    controller.start()
    temper.connections = 0
    try:
        yield port
    finally:
        controller.stop()


def signs_in(user: str, password: str) -> object:
    """For `authenticator`: lets one user in."""

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        del server, session, envelope, mechanism
        ok = isinstance(data, LoginPassword) and (data.login, data.password) == (
            user.encode(),
            password.encode(),
        )
        return AuthResult(success=ok, handled=False)

    return check


def make_certificate(folder: Path, *, days_left: int = 1) -> tuple[ssl.SSLContext, Path]:
    """A self-made certificate for this machine: a server's context, and the file that a client may trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days_left))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "certificate.pem", folder / "key.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(trusted, private)
    return context, trusted


def certificate_issued(number: int = 1, **changed: str) -> CertificateIssued:
    """A teacher's certificate was issued."""
    fields = {
        "recipient_name": "Asha Rao",
        "course_name": "Reading",
        "issuer_name": "The Board",
        "issuer_email": "board@example.org",
        "certificate_id": f"c{number}",
    }
    return CertificateIssued(**(fields | changed))


def queue(
    connection: Connection,
    number: int = 1,
    *,
    to: tuple[str, ...] = (),
    language: str = "en",
    **changed: str,
) -> Mail:
    """Queue a teacher's mail."""
    mail = certificate_issued(number, **changed).mail(
        subject_key=f"c{number}", recipients=to or (f"teacher{number}@example.org",), language=language
    )
    assert queue_mail(connection, mail, sender=SENDER)
    return mail


def rows(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    """Of every mail in the ledger, in order."""
    return connection.execute(f"select {columns} from ops.mails order by mail_id").fetchall()  # type: ignore[arg-type]


def content_of(message: EmailMessage, kind: str) -> str:
    """The text (`plain`) or the HTML (`html`) of a mail."""
    body = message.get_body((kind,))  # type: ignore[arg-type]
    assert body is not None
    return str(cast(EmailMessage, body).get_content())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
