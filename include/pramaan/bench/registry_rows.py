"""Rows written straight into the registry, as if years had made them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pramaan.database.connect import Connection

__all__ = ["unguarded_registry"]


@contextmanager
def unguarded_registry(connection: Connection) -> Iterator[None]:
    """For the block, a certificate may have any status from the start, and be changed at will. Only where the
    registry is a scratch one.
    """
    connection.execute("alter table registry.certificates disable trigger user")
    try:
        yield
    finally:
        connection.execute("alter table registry.certificates enable trigger user")
