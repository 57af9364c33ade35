"""Which characters can be printed (table `registry.printable_code_points`), as the decisions about names
see them.
"""

from collections.abc import Callable, Iterable

from pramaan.database.connect import Connection

__all__ = ["record_printable_code_points"]


def record_printable_code_points(
    connection: Connection, code_points: Callable[[], Iterable[int]], *, fingerprint: str
) -> bool:
    """Replace the table when the fonts changed, and have every name checked again; True when it did.

    `code_points` is asked only then: it takes a second to read them from the fonts.
    """
    if _recorded_fingerprint(connection) == fingerprint:
        return False
    with connection.transaction():
        connection.execute("lock table registry.printable_code_points in share row exclusive mode")
        connection.execute("delete from registry.printable_code_points")
        with (
            connection.cursor() as cursor,
            cursor.copy("copy registry.printable_code_points from stdin") as copy,
        ):
            for code_point in sorted(code_points()):
                copy.write_row((code_point,))
        connection.execute(
            "insert into ops.changed_keys (kind, user_id) select 'user', user_id from raw.users"
        )
        connection.execute(
            "insert into ops.deployments (name, fingerprint) values ('fonts', %s) "
            "on conflict (name) do update set fingerprint = excluded.fingerprint, deployed_at = now()",
            (fingerprint,),
        )
        return True


def _recorded_fingerprint(connection: Connection) -> str | None:
    row = connection.execute("select fingerprint from ops.deployments where name = 'fonts'").fetchone()
    return str(row[0]) if row else None
