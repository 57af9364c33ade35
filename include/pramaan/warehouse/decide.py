"""Works out a batch's progress, completions and decisions again, for the keys that facts touched, by the
statements that dbt deployed.

The rules themselves stand in `dbt/models` and nowhere else. Here is only their scope: which (user, batch) a
changed fact touches. See `dbt/macros/keyed_table.sql` for the other half of the bargain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, LiteralString, cast

from psycopg import sql
from psycopg.errors import UndefinedColumn, UndefinedTable

from pramaan.database.connect import RULES_LOCK, Connection
from pramaan.errors import DatabaseError

__all__ = ["KEYED_TABLES", "Scope", "decide_changed_keys", "deployed_statement"]

KEYED_TABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "int_enrolment_progress": "intermediate",
        "fct_completions": "marts",
        "fct_certificate_decisions": "marts",
    }
)
"""The tables that hold what follows from facts, and their schemas, in the order in which they depend on each
other.
"""

# Enrolments are looked up key by key, as in the rules (macros/planned_alone.sql): a batch never reads all.
_OPEN_SCOPE: LiteralString = """
    create temp table keys_in_scope on commit drop as
    with changed as (
        delete from ops.changed_keys returning kind, user_id, batch_id, course_id, since
    ),

    touched_users as (
        select distinct user_id from changed where kind = 'user'
    ),

    touched_batches as (
        select batch_id from changed where kind = 'batch'
        union
        select batches.batch_id
        from changed
        inner join raw.batches on changed.course_id = batches.course_id
        where changed.kind = 'course'
    )

    select user_id, batch_id from changed where kind in ('progress', 'enrolment')
    union
    select touched_users.user_id, enrolment.batch_id
    from touched_users
    cross join lateral (
        select enrolments.batch_id
        from raw.enrolments
        where enrolments.user_id = touched_users.user_id
        offset 0
    ) as enrolment
    union
    select enrolment.user_id, touched_batches.batch_id
    from touched_batches
    cross join lateral (
        select enrolments.user_id
        from raw.enrolments
        where enrolments.batch_id = touched_batches.batch_id
        offset 0
    ) as enrolment
    union
    -- What nobody has completed yet is decided when they do.
    select completion.user_id, completion.batch_id
    from changed
    cross join lateral (
        select completions.user_id, completions.batch_id
        from marts.fct_completions as completions
        where completions.course_id = changed.course_id
            and completions.completed_at >= coalesce(changed.since, '-infinity')
        offset 0
    ) as completion
    where changed.kind = 'attachment'
"""

# A build of a keyed table works out once more what batches do while it is under way.
_NOTE_FOR_BUILDS: LiteralString = """
    insert into ops.build_keys (build_id, user_id, batch_id)
    select builds.build_id, scope.user_id, scope.batch_id
    from ops.builds
    cross join pg_temp.keys_in_scope as scope
    where builds.finished_at is null and builds.started_at > now() - interval '6 hours'
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a batch decided: how many keys were in scope, how many completions and decisions they now have."""

    keys: int
    completions: int
    decisions: int


def decide_changed_keys(connection: Connection) -> Scope:
    """Take the changed keys and make their decisions again, in the caller's transaction.

    Leaves the session table `keys_in_scope` (user_id, batch_id) for what follows in the same transaction.
    Committed together with the taking of the keys: a failure leaves both as they were. Raises DatabaseError
    before dbt has deployed, and while it replaces what it deployed.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (RULES_LOCK,))
    keys = connection.execute(_OPEN_SCOPE).rowcount
    connection.execute("analyze pg_temp.keys_in_scope")
    if not keys:
        return Scope(0, 0, 0)
    connection.execute(_NOTE_FOR_BUILDS)
    _, completions, decisions = (_refresh(connection, model) for model in KEYED_TABLES)
    return Scope(keys, completions, decisions)


def _refresh(connection: Connection, model: str) -> int:
    """Replace the rows of the keys in scope by what the deployed statement says of them."""
    statement = deployed_statement(connection, model)
    table = sql.Identifier(KEYED_TABLES[model], model)
    try:
        connection.execute(
            sql.SQL(
                "delete from {} as decided using pg_temp.keys_in_scope as scope "
                "where decided.user_id = scope.user_id and decided.batch_id = scope.batch_id"
            ).format(table)
        )
        return connection.execute(sql.SQL("insert into {} {}").format(table, sql.SQL(statement))).rowcount
    except (UndefinedTable, UndefinedColumn) as error:
        raise DatabaseError(
            f"what the rules of {model} read is missing, as while dbt deploys other rules; run it again"
        ) from error


def deployed_statement(connection: Connection, model: str) -> LiteralString:
    """The select that dbt deployed for a model. Raises DatabaseError when it has deployed none."""
    query = "select statement from ops.rule_statements where model = %s"
    row = connection.execute(query, (model,)).fetchone()
    if row is None:
        raise DatabaseError(
            f"dbt has not deployed {model} to this database yet; run `pramaan up` or `pramaan load`"
        )
    return cast("LiteralString", row[0])
