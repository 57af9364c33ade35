"""Asks the deployed rules about what is only assumed, and changes nothing.

The rules stand in `dbt/models` and nowhere else: the statements that dbt deployed run here as they stand, but
read tables of this session in the place of `intermediate.int_enrolment_progress`, `marts.fct_completions` and
`staging.stg_attachments`. No lock of the pipeline is taken: it works while a batch runs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, LiteralString

from psycopg import sql
from psycopg.errors import QueryCanceled, UndefinedColumn, UndefinedTable

from pramaan.database.connect import Connection
from pramaan.errors import DatabaseError
from pramaan.warehouse.decide import deployed_statement

__all__ = ["ATTACHMENTS", "COMPLETIONS", "PROGRESS", "assumption", "statement_over", "take_facts"]

TIMEOUT_SECONDS = 20
"""After which a statement is given up: a person waits for the answer."""

PROGRESS: Final = "int_enrolment_progress"
COMPLETIONS: Final = "fct_completions"
ATTACHMENTS: Final = "stg_attachments"

_STAND_INS: Mapping[str, tuple[LiteralString, LiteralString]] = {
    PROGRESS: ('"intermediate"."int_enrolment_progress"', "pg_temp.assumed_progress"),
    COMPLETIONS: ('"marts"."fct_completions"', "pg_temp.assumed_completions"),
    ATTACHMENTS: ('"staging"."stg_attachments"', "pg_temp.assumed_attachments"),
}

# A read-only transaction may fill temporary tables and nothing else, but not make them: hence the order.
# Neither compiled plans nor remembered look-ups pay here: each key is looked up once.
_OPEN = f"""
    create temp table keys_in_scope (user_id text, batch_id text) on commit drop;
    create temp table assumed_progress (like intermediate.int_enrolment_progress) on commit drop;
    create temp table assumed_completions (like marts.fct_completions, is_assumed boolean) on commit drop;
    create temp table assumed_attachments (like staging.stg_attachments) on commit drop;
    create unique index on pg_temp.assumed_completions (user_id, batch_id);
    set local statement_timeout = '{TIMEOUT_SECONDS}s';
    set local work_mem = '64MB';
    set local jit = off;
    set local enable_memoize = off;
    set transaction read only
"""


@contextmanager
def assumption(connection: Connection) -> Iterator[None]:
    """A read-only transaction with empty session tables to fill, for the block; rolled back at its end.

    keys_in_scope        the (user_id, batch_id) to decide; quickest when filled in their order
    assumed_progress     in place of intermediate.int_enrolment_progress, with its columns
    assumed_completions  in place of marts.fct_completions, with its columns; is_assumed: it is not real
    assumed_attachments  in place of staging.stg_attachments, with its columns

    Raises DatabaseError when a statement takes longer than TIMEOUT_SECONDS, or dbt deploys other rules
    meanwhile.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_OPEN)
            yield
    except QueryCanceled as error:
        raise DatabaseError(
            f"the rules gave no answer within {TIMEOUT_SECONDS} seconds; ask again when less is going on"
        ) from error
    except (UndefinedTable, UndefinedColumn) as error:
        raise DatabaseError(
            "what the rules read is missing, as while dbt deploys other rules; ask again"
        ) from error


def take_facts(connection: Connection) -> int:
    """Fill assumed_progress and assumed_completions with what the facts now make of the keys in scope,
    whether a batch has taken them up or not; returns the number of completions.
    """
    progress = sql.SQL(deployed_statement(connection, PROGRESS))
    fill: LiteralString = "insert into pg_temp.assumed_progress select * from ({}) as progress"
    connection.execute(sql.SQL(fill).format(progress))
    completions = sql.SQL(deployed_statement(connection, COMPLETIONS))
    fill = "insert into pg_temp.assumed_completions select *, false from ({}) as completions"
    return connection.execute(sql.SQL(fill).format(completions)).rowcount


def statement_over(connection: Connection, model: str, *assumed: str) -> sql.SQL:
    """The deployed statement of a model, over the session's tables in the place of the `assumed` relations.

    Raises DatabaseError when it does not name a relation that is to be replaced: it would go on to decide by
    the real one, and nobody would notice.
    """
    statement = deployed_statement(connection, model)
    for relation, stand_in in (_STAND_INS[name] for name in assumed):
        if relation not in statement:
            raise DatabaseError(
                f"the deployed rules of {model} do not read {relation}, in whose place something is to "
                "be assumed; bring pramaan.warehouse.what_if in line with the model"
            )
        statement = statement.replace(relation, stand_in)
    return sql.SQL(statement)
