"""What a whole batch costs depends on what arrived, never on how much history there is."""

import time
from pathlib import Path

import pytest

from pramaan.bench.issuance.growth import BATCH, drop_batch, run_batch
from pramaan.bench.issuance.history import LEAVES, History, fill_history
from pramaan.database.connect import Connection
from pramaan.feeds.landing import Landing
from pramaan.pipeline import Pipeline
from pramaan.runs import measure
from pramaan.settings import Settings
from pramaan.work import work_sources
from worlds import database_url

pytestmark = pytest.mark.slow

PROGRESS_ROWS = 1_000_000
LOOKED_UP = {
    "raw.progress": 5 * LEAVES,
    "raw.enrolments": 6,
    "raw.users": 6,
    "marts.fct_completions": 3,
    "marts.fct_certificate_decisions": 3,
    "registry.certificates": 20,
    "ops.outcomes": 3,
    "ops.candidate_days": 1,
}
"""By table of history: for one completion at most so many entries of indexes are read, however many there
are. About twice what it takes.
"""

READ = """
    select
        tables.schemaname || '.' || tables.relname,
        tables.seq_tup_read,
        greatest(tables.idx_tup_fetch, (
            select sum(indexes.idx_tup_read) from pg_stat_user_indexes as indexes
            where indexes.relid = tables.relid
        ))::bigint
    from pg_stat_user_tables as tables
    where tables.schemaname || '.' || tables.relname = any(%s)
"""


@pytest.fixture
def years(connection: Connection) -> History:
    """A million progress rows of 100,000 enrolments, decided and issued, but those who lack one content."""
    history = History(enrolments=PROGRESS_ROWS // LEAVES, unfinished=2 * BATCH)
    fill_history(connection, history)
    return history


def test_a_whole_batch_reads_no_history_through(
    years: History, settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    for number in range(2):
        drop_batch(Landing(settings.landing_url), tmp_path / "made", years, number=number)
        before = rows_read(connection)
        assert all_work(settings, connection)
        run_batch(pipeline, connection)
        assert measure(connection).changed_keys == 0
        after = rows_read(connection)
        for table, at_most in LOOKED_UP.items():
            scanned, looked_up = (then - now for then, now in zip(after[table], before[table], strict=True))
            assert scanned == 0, f"batch {number} read {scanned} rows of {table} through"
            assert looked_up <= at_most * BATCH, f"batch {number} looked up {looked_up} of {table}"


def all_work(settings: Settings, connection: Connection) -> list[str]:
    """What every watcher finds when it asks everything."""
    sources = work_sources(settings, url=database_url(settings)).values()
    return [name for group in sources for source in group for name in source.pending(connection)]


def rows_read(connection: Connection) -> dict[str, tuple[int, int]]:
    """By table: rows read by scans of the whole table, and entries read of its indexes, by all sessions."""
    wait_for_other_sessions(connection)
    connection.execute("select pg_stat_force_next_flush()")
    found = connection.execute(READ, (list(LOOKED_UP),)).fetchall()
    assert len(found) == len(LOOKED_UP)
    return {str(table): (int(scanned), int(looked_up)) for table, scanned, looked_up in found}  # type: ignore[call-overload]


def wait_for_other_sessions(connection: Connection) -> None:
    """A session tells what it read at its end."""
    others = """
        select from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    """
    deadline = time.monotonic() + 600
    while connection.execute(others).rowcount:
        assert time.monotonic() < deadline
        time.sleep(0.05)
