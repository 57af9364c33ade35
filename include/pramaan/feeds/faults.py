"""Whose fault an error is: the file's, which costs that file or row, or ours, which costs nothing but time.

This is decided here and nowhere else. Where a file's bytes meet a library, its errors that are about those
bytes become FeedError, once, with the rule that the file broke; whoever loads quarantines a FeedError and
nothing else. Every other error is a fault of ours: the file stays where it is, and `what_to_do` says what a
person should do about it.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import psycopg
import pyarrow as pa

from pramaan.errors import FeedError
from pramaan.feeds.chunks import plain_text

__all__ = ["judging", "reading", "said_of_a_row", "storing", "what_to_do"]

_OF_BYTES = (pa.ArrowException, UnicodeError, OverflowError, EOFError, zlib.error)
_OF_VALUES = (duckdb.DataError, duckdb.InvalidInputException, duckdb.OutOfMemoryException, UnicodeError)
_OF_ROWS = ("22", "54")
"""SQLSTATE classes: data exception, program limit. A constraint of a raw table (23) is none: the rules let no
row pass that would break one, so the table is not the one that this version expects.
"""

_WHAT_TO_DO = {
    "23": "the tables are not those that this version expects: run `pramaan prepare`, and undo by hand what "
    "was changed by hand",
    "25": "the database takes no writes: let PRAMAAN_DATABASE_URL lead to the primary",
    "42": "the tables are not those that this version expects: run `pramaan prepare`, and undo by hand what "
    "was changed by hand",
    "42501": "give the role of PRAMAAN_DATABASE_URL its rights again; it must own the database",
    "53": "give the server more room",
    "57": "look at who stops the server's statements, and at its time limits",
}
"""By SQLSTATE, or its class."""


@contextmanager
def reading() -> Iterator[None]:
    """Whatever a reader says about bytes that it cannot understand becomes FeedError."""
    try:
        yield
    except MemoryError:
        raise  # pyarrow's is of both kinds
    except _OF_BYTES as error:
        raise _unreadable(error) from error
    except OSError as error:
        if error.errno is not None:  # the disk's, or a right's
            raise
        raise _unreadable(error) from error


@contextmanager
def judging() -> Iterator[None]:
    """Whatever DuckDB says about values that it cannot validate becomes FeedError."""
    try:
        yield
    except _OF_VALUES as error:
        raise FeedError(
            "unreadable_file", f"a part of the file cannot be validated: {_first_line(error)}"
        ) from error


@contextmanager
def storing() -> Iterator[None]:
    """What Postgres says about the rows of a whole load becomes FeedError."""
    try:
        yield
    except psycopg.Error as error:
        if (said := said_of_a_row(error)) is None:
            raise
        raise FeedError(
            "refused_by_postgres", f"Postgres cannot keep a row, none is loaded: {said}"
        ) from error


def said_of_a_row(error: psycopg.Error) -> str | None:
    """What Postgres says of a row that it cannot keep; None where the row is not to blame."""
    if (error.sqlstate or "")[:2] not in _OF_ROWS:
        return None
    return plain_text(error.diag.message_primary or str(error))


def what_to_do(error: Exception) -> str:
    """A fault of ours in one line: what it is, and what to do about it. Without data of the file."""
    if not isinstance(error, psycopg.Error):
        said = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
        return f"{said}, a fault of ours: the log of this time has more"
    state = error.sqlstate or ""
    # The server's detail may quote a row; its primary message names tables, columns and rights only.
    said = error.diag.message_primary or type(error).__name__
    remedy = _WHAT_TO_DO.get(state) or _WHAT_TO_DO.get(state[:2]) or "the server's log has more"
    return f"Postgres refused ({said}): {remedy}"


def _unreadable(error: Exception) -> FeedError:
    return FeedError(
        "unreadable_file",
        f"the file is damaged or cut off, none of it is loaded; send it again ({_first_line(error)})",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
