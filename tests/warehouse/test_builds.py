"""A keyed table is built beside the one in use: what differs is told, what changed takes its place, and
nobody waits meanwhile.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rule_tables import kept, rebuilt
from test_decide_at_once import decide_once, finish, learners

from pramaan.database.connect import Connection, connect
from pramaan.settings import Settings
from pramaan.warehouse.builds import rows_unlike
from pramaan.warehouse.dbt import run_dbt
from pramaan.warehouse.decide import KEYED_TABLES
from worlds import database_url

__all__ = ["learners"]

pytestmark = pytest.mark.slow

BUILD = """
import sys
from pathlib import Path
from pramaan.warehouse.dbt import run_dbt

run_dbt(["run", "--select", sys.argv[3]], url=sys.argv[1], target=Path(sys.argv[2]))
"""
PATIENCE_SECONDS = 900


@pytest.fixture
def url(settings: Settings) -> str:
    return database_url(settings)


@pytest.fixture
def build(url: str, tmp_path: Path) -> Callable[[], None]:
    """Builds the keyed tables, as by night."""
    return lambda: run_dbt(["run", "--select", *KEYED_TABLES], url=url, target=tmp_path / "dbt")


def finish_and_decide(connection: Connection, *numbers: int) -> None:
    for number in numbers:
        finish(connection, number)
    decide_once(connection.info.dsn + f" password={connection.info.password}")


def last_builds(connection: Connection, what: str) -> dict[str, object]:
    """A column of the last build of each keyed table."""
    query = f"select distinct on (model) model, {what} from ops.builds order by model, build_id desc"
    return {str(model): value for model, value in connection.execute(query).fetchall()}  # type: ignore[arg-type]


def places(connection: Connection) -> dict[str, object]:
    """Which table is in use: another one has another number."""
    tables = [f"{schema}.{model}" for model, schema in KEYED_TABLES.items()]
    found = connection.execute("select name, name::regclass::oid from unnest(%s::text[]) as name", (tables,))
    return {str(name): number for name, number in found.fetchall()}


def leftovers(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("select relname from pg_class where relname ~ '__[0-9]+$'").fetchall()


@contextmanager
def being_read(url: str, table: str) -> Iterator[None]:
    """Somebody reads the table for the whole block, as a large report does."""
    with connect(url) as reader, reader.transaction():
        reader.execute(f"select count(*) from {table}")  # type: ignore[arg-type]
        yield


@contextmanager
def build_under_way(url: str, folder: Path, model: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, url, str(folder), model],
        env=environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_until(connection: Connection, query: str) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while connection.execute(query).fetchone() in (None, (False,)):  # type: ignore[arg-type]
        assert time.monotonic() < ends_at, query
        time.sleep(0.05)


def test_where_nothing_differs_nothing_is_touched(learners: Connection, build: Callable[[], None]) -> None:
    finish_and_decide(learners, 1, 2)
    before = places(learners)
    build()
    assert places(learners) == before
    assert set(last_builds(learners, "outcome").values()) == {"unchanged"}
    assert last_builds(learners, "(rows, rows_unlike)::text") == {
        "int_enrolment_progress": "(2000,0)",
        "fct_completions": "(2,0)",
        "fct_certificate_decisions": "(2,0)",
    }
    assert leftovers(learners) == []


def test_what_batches_got_wrong_is_put_right_and_told(
    learners: Connection, build: Callable[[], None]
) -> None:
    finish_and_decide(learners, 1, 2, 3)
    learners.execute("update intermediate.int_enrolment_progress set mean_score = 3 where user_id = 'u7'")
    learners.execute("delete from marts.fct_completions where user_id in ('u1', 'u2')")
    before = places(learners)
    build()
    assert kept(learners) == rebuilt(learners)
    assert last_builds(learners, "rows_unlike") == {
        "int_enrolment_progress": 1,
        "fct_completions": 2,
        "fct_certificate_decisions": 0,
    }
    assert rows_unlike(learners) == 3
    moved = [name for name, number in places(learners).items() if number != before[name]]
    assert moved == ["intermediate.int_enrolment_progress", "marts.fct_completions"]
    # What stands on the tables reads the new ones.
    assert learners.execute(
        "select count(completed_at), count(mean_score) from marts.fct_enrolment_progress"
    ).fetchone() == (3, 0)
    assert leftovers(learners) == []


def test_what_a_batch_is_still_to_work_out_is_no_fault(
    learners: Connection, build: Callable[[], None]
) -> None:
    finish(learners, 1)
    learners.execute(
        "insert into raw.batches "
        "(batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id) "
        "values ('b2', 'c', 't', 'Batch', 'open', '{}', '2024-01-01', 1)"
    )
    learners.execute("insert into raw.enrolments values ('u1', 'b2', 'c', now(), true, now(), 1)")
    learners.execute("insert into ops.changed_keys (kind, batch_id) values ('batch', 'b2')")
    build()
    assert set(last_builds(learners, "rows_unlike").values()) == {0}
    assert set(last_builds(learners, "outcome").values()) == {"unchanged"}
    assert learners.execute("select count(*) from marts.fct_completions").fetchone() == (0,)


def test_other_rules_come_with_their_table(learners: Connection, build: Callable[[], None]) -> None:
    finish_and_decide(learners, 1)
    statements = "select model, statement from ops.rule_statements order by model"
    before = learners.execute(statements).fetchall()
    learners.execute(
        "update ops.rule_statements set statement = replace(statement, 'entitled', 'given') "
        "where model = 'fct_certificate_decisions'"
    )
    build()
    assert learners.execute(statements).fetchall() == before
    assert last_builds(learners, "outcome")["fct_certificate_decisions"] == "swapped"
    assert last_builds(learners, "is_same_rule")["fct_certificate_decisions"] is False
    assert rows_unlike(learners) == 0


def test_a_table_of_another_shape_is_replaced(learners: Connection, build: Callable[[], None]) -> None:
    finish_and_decide(learners, 1)
    learners.execute("alter table marts.fct_completions add column gone integer")
    build()
    assert kept(learners) == rebuilt(learners)
    assert last_builds(learners, "rows_unlike")["fct_completions"] is None


def test_what_somebody_put_upon_a_table_stops_no_build(
    learners: Connection, build: Callable[[], None]
) -> None:
    finish_and_decide(learners, 1)
    learners.execute("create materialized view ops.theirs as select user_id from marts.fct_completions")
    learners.execute("alter table marts.fct_completions add column gone integer")
    build()
    assert kept(learners) == rebuilt(learners)
    assert learners.execute("select to_regclass('ops.theirs')").fetchone() == (None,)


def test_a_long_reader_stops_neither_batches_nor_readers(
    url: str, learners: Connection, tmp_path: Path
) -> None:
    finish_and_decide(learners, 1)
    learners.execute("delete from marts.fct_completions")
    model = "fct_completions"
    with build_under_way(url, tmp_path / "dbt", model) as build:
        with being_read(url, f"marts.{model}"):
            wait_until(learners, f"select attempts > 2 from ops.builds where model = '{model}' "
                                 "and finished_at is null")  # fmt: skip
            for number in range(2, 6):
                finish_and_decide(learners, number)
                learners.execute("set lock_timeout = '100s'")
                assert learners.execute(f"select count(*) from marts.{model}").fetchone() == (number - 1,)
        assert build.wait(PATIENCE_SECONDS) == 0
    assert learners.execute(f"select count(*) from marts.{model}").fetchone() == (5,)
    assert kept(learners)[model] == rebuilt(learners)[model]


def test_a_build_that_is_killed_leaves_all_as_it_was(
    url: str, learners: Connection, tmp_path: Path, build: Callable[[], None]
) -> None:
    finish_and_decide(learners, 1)
    learners.execute("delete from marts.fct_completions")
    model = "fct_completions"
    before = places(learners)
    with being_read(url, f"marts.{model}"), build_under_way(url, tmp_path / "dbt", model) as process:
        wait_until(learners, f"select attempts > 1 from ops.builds where model = '{model}' "
                             "and finished_at is null")  # fmt: skip
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    wait_until(learners, "select not exists (select from pg_stat_activity where query ~ 'catch_up|swap' "
                         "and datname = current_database() and pid <> pg_backend_pid() "
                         "and state <> 'idle')")  # fmt: skip
    assert places(learners) == before
    assert leftovers(learners)
    finish_and_decide(learners, 2, 3)
    assert learners.execute(f"select count(*) from marts.{model}").fetchone() == (2,)
    build()
    assert kept(learners) == rebuilt(learners)
    assert leftovers(learners) == []
    assert learners.execute("select count(*) from ops.build_keys").fetchone() == (0,)
    assert learners.execute(
        "select outcome from ops.builds where model = %s order by build_id desc limit 2", (model,)
    ).fetchall() == [("swapped",), ("died",)]


def test_batches_note_nothing_for_a_build_long_dead(learners: Connection) -> None:
    learners.execute(
        "insert into ops.builds (model, started_at) values ('fct_completions', now() - interval '7 hours')"
    )
    finish_and_decide(learners, 1)
    assert learners.execute("select count(*) from ops.build_keys").fetchone() == (0,)
    learners.execute("insert into ops.builds (model) values ('fct_completions')")
    finish_and_decide(learners, 2)
    assert learners.execute("select user_id, batch_id from ops.build_keys").fetchall() == [("u2", "b")]
