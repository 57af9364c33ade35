"""What interrupts a statement, such as a task's time-out, ends it in the server, too."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from pramaan.database.connect import Connection, connect, pipeline_lock
from pramaan.feeds.attempts import attempt
from pramaan.feeds.landing import Landing
from pramaan.settings import Settings
from worlds import database_url, drop_finishers


class OutOfTime(BaseException):
    """As Airflow's time-out of a task: no Exception."""


@contextmanager
def running_out_of_time() -> Iterator[None]:
    def raise_it(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, raise_it)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def wait_for_good(connection: Connection) -> None:
    connection.execute("select pg_sleep(600)")


def copy_for_good(connection: Connection) -> None:
    """The server waits for a lock while it is sent more than fits on the line."""
    with connection.cursor() as cursor, cursor.copy("copy raw.users (user_id) from stdin") as copy:
        while True:
            copy.write(b"somebody\n" * 10_000)


@pytest.mark.parametrize("statement", [wait_for_good, copy_for_good])
def test_an_interruption_comes_out_as_itself_and_its_locks_are_free(
    settings: Settings, connection: Connection, statement: Callable[[Connection], None], tmp_path: Path
) -> None:
    url = database_url(settings)
    drop_finishers(settings, tmp_path, 1)
    file = Landing(settings.landing_url).waiting()[0]
    connection.execute(
        "create function public.wait() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(600); return new; end $$"
    )
    connection.execute("create trigger waits before insert on raw.users for each row execute function wait()")

    with (
        pytest.raises(OutOfTime),
        running_out_of_time(),
        connect(url) as other,
        pipeline_lock(other),
        attempt(other, file, sha256="0" * 64),
        other.transaction(),
    ):
        statement(other)

    # Waits for what is free already, but for the blink in which the session ends.
    with pipeline_lock(connection, wait_seconds=600):
        pass


def test_a_server_looks_whether_its_client_lives(connection: Connection) -> None:
    assert connection.execute("show client_connection_check_interval").fetchone() == ("10s",)
