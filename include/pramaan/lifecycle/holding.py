"""What the gate holds, and what it or a person lets go."""

from typing import LiteralString
from uuid import UUID

from pramaan.database.connect import Connection
from pramaan.lifecycle.transitions import HOLD, RELEASE, move

__all__ = ["hold", "release", "release_hold"]

_OF_HOLD: LiteralString = """
    select certificate_id from registry.certificates
    where status = 'held' and hold_id = %(hold_id)s and course_id = %(course_id)s
"""


def hold(connection: Connection, proposals: LiteralString, *, run_id: UUID | None = None) -> int:
    """Hold pending certificates (`proposals`: certificate_id, hold_id), in the caller's transaction; returns
    how many. One that a worker renders just now is taken from it.
    """
    return len(move(connection, HOLD, proposals, changes=", hold_id = proposed.hold_id", run_id=run_id))


def release(connection: Connection, proposals: LiteralString) -> int:
    """Let held certificates go (`proposals`: certificate_id), in the caller's transaction; returns how many.
    They are due at once.
    """
    return len(move(connection, RELEASE, proposals, changes=", next_attempt_at = now()"))


def release_hold(connection: Connection, hold_id: int, course_id: str) -> int:
    """Let go everything that a hold holds, as `release` does."""
    values = {"hold_id": hold_id, "course_id": course_id}
    return len(move(connection, RELEASE, _OF_HOLD, changes=", next_attempt_at = now()", values=values))
