"""Batches and the nightly build at the same time: neither undoes the other."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rule_tables import kept, rebuilt

from pramaan.database.connect import Connection, connect
from pramaan.settings import Settings
from pramaan.warehouse.decide import KEYED_TABLES, decide_changed_keys

LEARNERS = 2_000
NIGHT = """
import sys
from pathlib import Path
from psycopg import connect
from pramaan.warehouse.dbt import run_dbt

for _ in range(3):
    # To dbt this is another rule, so that each table is put in the place of the one in use.
    with connect(sys.argv[1]) as connection:
        connection.execute("update ops.rule_statements set statement = statement || ' '")
    run_dbt(["run"], url=sys.argv[1], target=Path(sys.argv[2]))
"""


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@pytest.fixture
def learners(connection: Connection) -> Connection:
    """Learners enrolled in a course of one content, none of which is finished."""
    connection.execute(
        "insert into raw.courses (course_id, name, tenant_id, status, leaf_count, updated_at, load_id) "
        "values ('c', 'Course', 't', 'Live', 1, '2024-01-01', 1)"
    )
    connection.execute(
        "insert into raw.batches "
        "(batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id) "
        "values ('b', 'c', 't', 'Batch', 'open', '{}', '2024-01-01', 1)"
    )
    connection.execute(
        "insert into raw.enrolments (user_id, batch_id, course_id, enrolled_at, active, updated_at, load_id) "
        "select 'u' || n, 'b', 'c', '2024-01-01', true, '2024-01-01', 1 from generate_series(1, %s) as n",
        (LEARNERS,),
    )
    connection.execute(
        "insert into ops.changed_keys (kind, user_id, batch_id) "
        "select 'enrolment', user_id, batch_id from raw.enrolments"
    )
    with connection.transaction():
        decide_changed_keys(connection)
    return connection


def finish(connection: Connection, learner: int) -> None:
    """The learner finishes the content, and the key is noted, as a load does both."""
    with connection.transaction():
        connection.execute(
            "insert into raw.progress "
            "(user_id, batch_id, content_id, course_id, status, completed_at, updated_at, load_id) "
            "values (%s, 'b', 'k', 'c', 2, '2024-02-01', '2024-02-01', 1)",
            (f"u{learner}",),
        )
        connection.execute(
            "insert into ops.changed_keys (kind, user_id, batch_id) values ('progress', %s, 'b')",
            (f"u{learner}",),
        )


def decide_once(url: str) -> int:
    with connect(url) as connection, connection.transaction():
        return decide_changed_keys(connection).keys


def test_two_batches_at_once_share_the_keys(url: str, learners: Connection) -> None:
    for learner in range(1, 201):
        finish(learners, learner)
    with ThreadPoolExecutor(4) as threads:
        keys = list(threads.map(decide_once, [url] * 8))
    assert sum(keys) == 200
    assert len(kept(learners)["fct_completions"]) == 200
    assert kept(learners) == rebuilt(learners)


@pytest.mark.slow
def test_nightly_builds_while_batches_run(url: str, learners: Connection, tmp_path: Path) -> None:
    (began,) = learners.execute("select now()").fetchone() or (None,)
    with subprocess.Popen(
        [sys.executable, "-c", NIGHT, url, str(tmp_path / "dbt")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    ) as night:
        finished = 0
        while night.poll() is None:
            finished += 1
            finish(learners, finished)
            decide_once(url)
            assert learners.execute("select count(*) from marts.fct_completions").fetchone() == (finished,)
        assert night.stderr is not None
        assert night.returncode == 0, night.stderr.read().decode()
    assert finished > 20, "the batches hardly ran beside the build"
    assert learners.execute(
        "select model, outcome, count(*) from ops.builds where started_at > %s group by model, outcome "
        "order by min(build_id)",
        (began,),
    ).fetchall() == [(model, "swapped", 3) for model in KEYED_TABLES]
    assert learners.execute("select count(*) from ops.build_keys").fetchone() == (0,)
    assert kept(learners) == rebuilt(learners)
