"""The embedded mail server: takes every mail on the loopback address and keeps it in a Maildir.

    python -m pramaan.host.mailbox OUTBOX PORT NAME

It is the default where no mail server is given, so that mail can be read and nothing leaves this machine. A
mail is answered for once it is on the disk. The envelope stands in front of it, as `Return-Path` and
`Delivered-To`. It asks nobody to sign in: whoever has an account on this machine can write to the outbox, and
only the home's owner can read it.
"""

import asyncio
import mailbox
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["Keeper", "main", "serve"]


class Keeper:
    """What aiosmtpd asks about every mail."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = mailbox.Maildir(outbox, create=True)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: "SMTP", session: "Session", envelope: "Envelope"
    ) -> str:
        """Keep a mail for good, then say so; say so, too, when it cannot be kept for now."""
        del server, session
        head = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {to}" for to in envelope.rcpt_tos)]
        content = envelope.original_content or b""
        try:
            self._outbox.add("".join(f"{line}\r\n" for line in head).encode() + content)
        except OSError as error:
            return f"452 4.3.1 the outbox cannot be written: {error.strerror}"
        return "250 2.0.0 kept"


async def serve(outbox: Path, port: int, name: str) -> None:
    """Serve until a signal asks to end."""
    from aiosmtpd.smtp import SMTP

    keeper = Keeper(outbox)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def session() -> SMTP:
        return SMTP(keeper, hostname=name, ident="Pramaan outbox")

    async with await loop.create_server(session, "127.0.0.1", port):
        await ended.wait()


def main(arguments: list[str]) -> None:
    """Serve with what the supervisor gave us."""
    outbox, port, name = arguments
    os.umask(0o077)
    asyncio.run(serve(Path(outbox), int(port), name))


if __name__ == "__main__":
    main(sys.argv[1:])
