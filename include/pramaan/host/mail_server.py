"""The embedded mail server (`pramaan.host.mailbox`) as the platform sees it: how it is started, whether it
answers.
"""

import socket
import sys
import time
from typing import TYPE_CHECKING, Final

from pramaan.errors import HostError
from pramaan.host.home import home_id
from pramaan.host.postgres import refuse_taken_port
from pramaan.host.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = [
    "MAIL_SERVER",
    "mail_program",
    "mail_server_answers",
    "refuse_taken_mail_port",
    "wait_for_mail_server",
]

MAIL_SERVER: Final = "mail-server"
"""What the supervisor calls it, and its working folder in `run`."""

_START_SECONDS: Final = 300.0
_ANSWER_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02


def mail_program(settings: "Settings") -> Program:
    """The server for the supervisor; its working folder is made when missing.

    Raises HostError when the home cannot be prepared.
    """
    folder = settings.home / "run" / MAIL_SERVER
    folder.mkdir(mode=0o700, exist_ok=True)
    command = (
        *(sys.executable, "-P", "-m", "pramaan.host.mailbox"),
        *(str(settings.outbox), str(settings.mail_port), _name(settings)),
    )
    return Program(MAIL_SERVER, "", command, folder, (("startsecs", "1"), ("startretries", "10")))


def mail_server_answers(settings: "Settings") -> bool:
    """Whether this home's own mail server answers at its port."""
    try:
        with socket.create_connection(("127.0.0.1", settings.mail_port), timeout=_ANSWER_SECONDS) as line:
            greeting = line.recv(512)
            line.sendall(b"QUIT\r\n")
    except OSError:
        return False
    return greeting.startswith(f"220 {_name(settings)} ".encode())


def refuse_taken_mail_port(settings: "Settings", supervisor: Supervisor) -> None:
    """Return when the port is free, or our own server has it or is about to have it.

    Raises HostError naming the port and what to set.
    """
    if _state(supervisor) not in {"running", "starting", "backoff"}:
        refuse_taken_port(settings.mail_port, purpose="the embedded mail server")


def wait_for_mail_server(settings: "Settings", supervisor: Supervisor) -> None:
    """Return once the server answers. Raises HostError naming its log when it does not start."""
    deadline = time.monotonic() + _START_SECONDS
    while not mail_server_answers(settings):
        if _state(supervisor) == "fatal" or time.monotonic() > deadline:
            log = settings.home / "logs" / f"{MAIL_SERVER}.log"
            raise HostError(f"the embedded mail server does not start: see {log}")
        time.sleep(_POLL_SECONDS)


def _state(supervisor: Supervisor) -> str | None:
    records = supervisor.records() if supervisor.answers() else []
    return next((record.state for record in records if record.name == MAIL_SERVER), None)


def _name(settings: "Settings") -> str:
    return f"pramaan-{home_id(settings)}"
