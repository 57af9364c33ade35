"""What a batch costs depends on the keys it touches, never on how much history there is."""

import pytest

from pramaan.database.connect import Connection
from pramaan.warehouse.decide import Scope, decide_changed_keys

LEARNERS, CONTENTS, TOUCHED = 20_000, 10, 100
HISTORY = (
    "raw.progress",
    "raw.enrolments",
    "raw.users",
    "intermediate.int_enrolment_progress",
    "marts.fct_completions",
    "marts.fct_certificate_decisions",
)
ROWS_A_KEY = 200
"""Far above the dozens that are looked up by indexes, far below a plan that loops over a table for each."""

FILL = f"""
    insert into raw.users (user_id, name, tenant_id, updated_at, load_id)
    select 'u' || learner, 'Asha', 't', '2024-01-01', 1 from generate_series(1, {LEARNERS}) as learner;
    insert into raw.courses
        (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id)
    select 'c' || course, 'Course', 't', 'Live', {CONTENTS}, '2024-01-01', '2024-01-01', 1
    from generate_series(0, 19) as course;
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id)
    select 'b' || batch, 'c' || batch % 20, 't', 'Batch', 'open', '{{}}', '2024-01-01', 1
    from generate_series(0, 199) as batch;
    insert into raw.enrolments (user_id, batch_id, course_id, enrolled_at, active, updated_at, load_id)
    select 'u' || learner, 'b' || learner % 200, 'c' || learner % 20, '2024-01-01', true, '2024-01-01', 1
    from generate_series(1, {LEARNERS}) as learner;
    insert into raw.progress
        (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
    select 'u' || learner, 'b' || learner % 200, 'k' || content, 'c' || learner % 20, 2, 50,
        timestamptz '2024-02-01' + make_interval(days => content), '2024-03-01', 1
    from generate_series(1, {LEARNERS}) as learner, generate_series(1, {CONTENTS}) as content
"""

TOUCH = {
    "progress": "select 'progress', 'u' || n, 'b' || n %% 200, null from generate_series(1, %s) as n",
    "enrolment": "select 'enrolment', 'u' || n, 'b' || n %% 200, null from generate_series(1, %s) as n",
    "user": "select 'user', 'u' || n, null, null from generate_series(1, %s) as n",
    "batch": "select 'batch', null, 'b7', null where %s > 0",
}


@pytest.fixture
def long_history(connection: Connection) -> Connection:
    """20,000 learners with 200,000 progress rows, all decided; the planner has no statistics of them yet."""
    connection.execute(FILL)
    connection.execute("insert into ops.changed_keys (kind, user_id) select 'user', user_id from raw.users")
    with connection.transaction():
        assert decide_changed_keys(connection) == Scope(LEARNERS, LEARNERS, LEARNERS)
    return connection


@pytest.mark.parametrize("statistics", ["no_statistics", "statistics"])
def test_a_batch_reads_no_history_through(long_history: Connection, statistics: str) -> None:
    if statistics == "statistics":
        long_history.execute("analyze")
    for kind, touch in TOUCH.items():
        with long_history.transaction():
            before = rows_read(long_history, "seq_tup_read")
            long_history.execute(
                f"insert into ops.changed_keys (kind, user_id, batch_id, course_id) {touch}",
                (TOUCHED,),  # type: ignore[arg-type]
            )
            looked_up = rows_read(long_history, "idx_tup_fetch")
            scope = decide_changed_keys(long_history)
            assert scope == Scope(TOUCHED, TOUCHED, TOUCHED), kind
            assert rows_read(long_history, "seq_tup_read") == before, kind
            for table, rows in rows_read(long_history, "idx_tup_fetch").items():
                assert 0 <= rows - looked_up[table] < ROWS_A_KEY * TOUCHED, (kind, table)


def rows_read(connection: Connection, how: str) -> dict[str, int]:
    """Rows that this transaction read of each history table, by scans of the whole or by indexes."""
    found = connection.execute(
        f"select schemaname || '.' || relname, {how} from pg_stat_xact_user_tables "
        "where schemaname || '.' || relname = any(%s)",
        (list(HISTORY),),  # type: ignore[arg-type]
    ).fetchall()
    assert len(found) == len(HISTORY)
    return {str(table): int(str(rows)) for table, rows in found}
