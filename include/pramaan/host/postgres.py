"""The embedded Postgres as its clients see it: its addresses, whether it answers, what its lock file says."""

import enum
import socket
from typing import TYPE_CHECKING

import psycopg

from pramaan.errors import HostError
from pramaan.host.home import read_secret

if TYPE_CHECKING:
    from pathlib import Path

    from pramaan.settings import Settings

__all__ = [
    "Answer",
    "airflow_database_url",
    "ask",
    "embedded_database_url",
    "postmaster",
    "refuse_taken_port",
    "superuser_database_url",
]


class Answer(enum.Enum):
    """What stands at an address."""

    UP = "up"
    STARTING = "starting"
    NOT_OURS = "not ours"
    DOWN = "down"


def embedded_database_url(settings: "Settings") -> str:
    """The address of the embedded database `pramaan` for its owner; needs no running server.

    Raises HostError when the home cannot be prepared.
    """
    return _url(settings, "pramaan", read_secret(settings, "database_owner_password"), "pramaan")


def airflow_database_url(settings: "Settings") -> str:
    """The address of Airflow's database for Airflow's role; needs no running server.

    Raises HostError when the home cannot be prepared.
    """
    return _url(settings, "airflow", read_secret(settings, "airflow_database_password"), "airflow")


def superuser_database_url(settings: "Settings", *, database: str = "postgres") -> str:
    """An address for `postgres`, the superuser: for tests and for a person who repairs things.

    Raises HostError when the home cannot be prepared.
    """
    return _url(settings, "postgres", read_secret(settings, "database_superuser_password"), database)


def ask(url: str) -> Answer:
    """Sign in at `url` once and leave; only the server of the home that the url is from lets us in."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        words = str(error)
        if "starting up" in words or "not yet accepting" in words or "shutting down" in words:
            return Answer.STARTING
        if "refused" in words or "closed the connection" in words or "reset by peer" in words:
            return Answer.DOWN
        return Answer.NOT_OURS
    return Answer.UP


def refuse_taken_port(port: int, *, purpose: str) -> None:
    """Return when `port` of this machine's loopback address is free.

    Raises HostError naming the port and what to set.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise HostError(
                f"port {port} of 127.0.0.1, for {purpose}, is in use by another program: "
                f"set PRAMAAN_PORT_BASE to a base whose next ports are free, or stop that program"
            ) from error


def postmaster(data: "Path") -> tuple[int, int] | None:
    """Process id and port that the data folder's lock file names, or None without one.

    The file outlives a crash, and its process id may since have gone to any other program.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), int(lines[3])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _url(settings: "Settings", role: str, password: str, database: str) -> str:
    # SCRAM proves the server to us as well: whoever else listens on the port is told no password.
    return (
        f"postgresql://{role}:{password}@127.0.0.1:{settings.postgres_port}/{database}"
        "?require_auth=scram-sha-256"
    )
