"""The keyed tables as rows: as batches left them, and as the deployed rules make them anew over all keys."""

from datetime import datetime
from uuid import UUID

from psycopg import sql

from pramaan.database.connect import Connection
from pramaan.warehouse.decide import KEYED_TABLES
from reference import Attachment, Decision

Rows = dict[str, list[tuple[object, ...]]]

_SCOPE = "create temp table keys_in_scope on commit drop as select user_id, batch_id from raw.enrolments"


def kept(connection: Connection) -> Rows:
    """What the keyed tables hold."""
    return {model: _rows(connection, sql.Identifier(schema, model)) for model, schema in KEYED_TABLES.items()}


def rebuilt(connection: Connection) -> Rows:
    """What the deployed statements say over all keys; leaves the tables as they were."""
    rows: Rows = {}
    with connection.transaction(force_rollback=True):
        connection.execute(_SCOPE)
        for model, schema in KEYED_TABLES.items():
            (statement,) = connection.execute(
                "select statement from ops.rule_statements where model = %s", (model,)
            ).fetchone() or ("",)
            table = sql.Identifier(schema, model)
            connection.execute(sql.SQL("delete from {}").format(table))
            connection.execute(sql.SQL("insert into {} {}").format(table, sql.SQL(str(statement))))  # type: ignore[arg-type]
            rows[model] = _rows(connection, table)
    return rows


def decisions(connection: Connection) -> dict[tuple[str, str, str], Decision]:
    """The decisions in the reference's words."""
    found = connection.execute(
        "select user_id, course_id, batch_id, completed_at, decision, attachment_id::text "
        "from marts.fct_certificate_decisions"
    ).fetchall()
    return {(str(u), str(c), str(b)): Decision(at, str(decision), attachment)  # type: ignore[arg-type]
            for u, c, b, at, decision, attachment in found}  # fmt: skip


def attachments(connection: Connection) -> list[Attachment]:
    """The registry's attachments in the reference's words."""
    found = connection.execute(
        "select attachment_id, course_id, valid_from, valid_to, criteria from registry.attachments"
    ).fetchall()
    return [_attachment(*row) for row in found]  # type: ignore[arg-type]


def printable(connection: Connection) -> frozenset[int]:
    """The code points that the registry holds printable."""
    found = connection.execute("select code_point from registry.printable_code_points").fetchall()
    return frozenset(int(str(row[0])) for row in found)


def _attachment(
    attachment_id: UUID,
    course_id: str,
    valid_from: datetime,
    valid_to: datetime | None,
    criteria: dict[str, list[str] | float],
) -> Attachment:
    tenants, minimum = criteria.get("recipient_tenants"), criteria.get("minimum_score")
    return Attachment(
        str(attachment_id),
        course_id,
        valid_from,
        valid_to,
        frozenset(tenants) if isinstance(tenants, list) else None,
        minimum if isinstance(minimum, int | float) else None,
    )


def _rows(connection: Connection, table: sql.Identifier) -> list[tuple[object, ...]]:
    query = sql.SQL("select * from {} order by user_id, batch_id").format(table)
    return connection.execute(query).fetchall()
