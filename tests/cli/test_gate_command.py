"""`pramaan gate`, and an import of history: a person on the command line decides what is held."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from people import call, call_process

from pramaan.certificates.queue import open_worker
from pramaan.database.connect import Connection
from pramaan.lifecycle.issuing import Failure
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import attach_everywhere, drop_finishers, finishers_waiting, load_and_decide, open_hold


@pytest.fixture
def usual_days(connection: Connection) -> None:
    """The course is used to ten certificates a day."""
    today = datetime.now(UTC).date()
    for days in range(1, 20):
        connection.execute(
            "insert into ops.candidate_days values ('c', %s, 10, 10)", (today - timedelta(days=days),)
        )


@pytest.fixture
def held(
    usual_days: None,  # noqa: ARG001
    settings: Settings,
    pipeline: Pipeline,
    connection: Connection,
    tmp_path: Path,
) -> int:
    """Three completions of long ago are held; their hold."""
    drop_finishers(settings, tmp_path, 3)
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "t")
    assert load_and_decide(pipeline, connection).enqueued.held == 3
    row = connection.execute("select hold_id from ops.gate_holds").fetchone()
    assert row is not None
    return int(str(row[0]))


def statuses(connection: Connection) -> dict[str, int]:
    rows = connection.execute("select status, count(*) from registry.certificates group by 1").fetchall()
    return {str(status): int(str(count)) for status, count in rows}


def test_what_is_held_is_listed_with_its_reason(environment: dict[str, str], held: int) -> None:
    shown = call(environment, "gate", "list")
    assert shown.returncode == 0, shown.stderr
    assert f"Hold {held}, course c" in shown.stdout
    assert "age: completed up to" in shown.stdout
    (hold,) = json.loads(call(environment, "gate", "list", "--state", "waiting", "--json").stdout)
    assert (hold["hold_id"], hold["candidates"], hold["tenant_id"]) == (held, 3, "t")
    assert json.loads(call(environment, "gate", "list", "--state", "approved", "--json").stdout) == []


def test_an_approval_issues_with_the_next_batch(
    environment: dict[str, str], held: int, connection: Connection
) -> None:
    done = call_process(environment, "gate", "approve", held, "--remark", "checked with the state")
    assert done.returncode == 0, done.stderr
    assert "approved by operator:" in done.stdout
    assert call_process(environment, "issue").returncode == 0
    assert statuses(connection) == {"issued": 3}
    again = call_process(environment, "gate", "reject", held)
    assert again.returncode == 1
    assert "was approved by operator:" in again.stderr


def test_what_failed_is_tried_again_once_somebody_says_so(
    environment: dict[str, str],
    settings: Settings,
    pipeline: Pipeline,
    connection: Connection,
    tmp_path: Path,
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=2)
    with open_worker(connection, run_id=None) as worker:
        failures = [Failure(one.certificate_id, "template_error", "x", None) for one in worker.claim(2)]
        worker.record([], failures)
    assert call(environment, "issue").returncode == 0
    assert statuses(connection) == {"failed": 2}
    assert call(environment, "issue", "--retry-failed").returncode == 0
    assert statuses(connection) == {"issued": 2}
    changes = connection.execute("select username from registry.changes where action = 'retried'").fetchall()
    assert [str(name).startswith("operator:") for (name,) in changes] == [True, True]


def test_what_is_rejected_is_not_issued(
    environment: dict[str, str], held: int, connection: Connection
) -> None:
    assert call(environment, "gate", "reject", held, "--course", "c").returncode == 0
    assert call(environment, "issue").returncode == 0
    assert statuses(connection) == {"held": 3}


@pytest.mark.usefixtures("held")
def test_an_import_of_history_lets_go_what_was_held(
    environment: dict[str, str], connection: Connection
) -> None:
    said = call(environment, "issue")
    assert statuses(connection) == {"held": 3}
    assert said.returncode == 0
    assert call(environment, "issue", "--history").returncode == 0
    assert statuses(connection) == {"issued": 3}
    row = connection.execute("select remark, decided_by from ops.gate_holds").fetchone()
    assert row is not None
    assert row[0] == "an import of history"
    runs = connection.execute("select history from ops.runs order by started_at").fetchall()
    assert runs == [(False,), (True,)]


def test_a_hold_that_is_not_there_is_said_so(environment: dict[str, str], connection: Connection) -> None:
    hold_id = open_hold(connection, "c")
    for arguments in ((hold_id + 1,), (hold_id, "--course", "d")):
        refused = call(environment, "gate", "approve", *arguments)
        assert refused.returncode == 1
        assert "see `pramaan gate list`" in refused.stderr


def test_the_status_tells_what_is_held_and_how_long_things_wait(
    environment: dict[str, str], held: int, connection: Connection
) -> None:
    connection.execute(
        "update ops.changed_keys set changed_at = now() - interval '1 hour'; "
        "insert into ops.changed_keys (kind, course_id, changed_at) "
        "values ('course', 'c', now() - interval '1 hour')"
    )
    seen = json.loads(call(environment, "status", "--json").stdout)
    assert held
    assert seen["waiting"]["certificates_held"] == 3
    assert seen["waiting"]["holds_waiting"] == 1
    assert 3600 <= seen["waiting"]["oldest_waiting_seconds"] < 3700


@pytest.mark.slow
def test_an_answer_about_what_has_healed_meanwhile_ends_calmly(
    environment: dict[str, str], connection: Connection, tmp_path: Path
) -> None:
    hold_id = open_hold(connection, "c")
    connection.execute(
        "update ops.gate_holds set state = 'healed', decided_by = 'quality check', decided_at = now()"
    )
    code = (
        "from pramaan.orchestration.approval import APPROVE, _record\n"
        "answer = {'chosen_options': [APPROVE], 'responded_by_user': {'name': 'asha'}}\n"
        f"print('state:', _record({hold_id}, 'c', 1, answer))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "AIRFLOW_HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "state: healed" in said.stdout
