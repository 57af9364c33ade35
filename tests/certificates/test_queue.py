"""The queue: enqueue once, lease to one, follow the facts until issued and never after."""

import time
from pathlib import Path

import pytest

from pramaan.certificates.queue import open_worker
from pramaan.database.connect import Connection, connect
from pramaan.lifecycle.issuing import Failure, Issued, make_due
from pramaan.pipeline import Pipeline
from pramaan.registry.attachment_changes import detach
from pramaan.settings import Settings
from worlds import TESTER, database_url, drop_rows, finishers_waiting, load_and_decide

PDF = {"pdf_path": "certificates/00/x.pdf", "pdf_sha256": "0" * 64, "pdf_bytes": 1, "engine_version": "test"}

LEFT_BEFORE_FINISHING = {
    "user_id": "u00001",
    "course_id": "c",
    "batch_id": "b",
    "enrolled_at": "2026-01-01T00:00:00Z",
    "active": False,
    "updated_at": "2026-01-02T00:00:00Z",
}


@pytest.fixture
def three_waiting(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=3)


@pytest.fixture
def other(settings: Settings) -> Connection:
    with connect(database_url(settings)) as opened:
        yield opened


def statuses(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("select user_id, status from registry.certificates").fetchall())


@pytest.mark.usefixtures("three_waiting")
def test_what_is_printed_is_kept_with_the_certificate(connection: Connection) -> None:
    row = connection.execute(
        "select certificate_id, recipient_name, render_input from registry.certificates "
        "where user_id = 'u00001'"
    ).fetchone()
    assert row is not None
    assert row[1] == "सुनीता शर्मा"
    assert row[2] == {
        "certificate_id": row[0],
        "recipient_name": "सुनीता शर्मा",
        "course_name": "Reading",
        "completed_at": "2026-02-01T00:00:00Z",
        "issuer_name": "The Board",
        "issuer_url": None,
        "signatory_name": "Dr Rao",
        "signatory_designation": "Registrar",
        "verify_url": f"{row[2]['verify_url'].rpartition('/')[0]}/{row[0]}",
        "language": "en",
    }


@pytest.mark.usefixtures("three_waiting")
def test_deciding_all_again_enqueues_nothing(pipeline: Pipeline, connection: Connection) -> None:
    connection.execute("insert into ops.changed_keys (kind, course_id) values ('course', 'c')")
    decided = load_and_decide(pipeline, connection)
    assert (decided.scope.keys, decided.enqueued.pending, decided.enqueued.withdrawn) == (3, 0, 0)
    missing = pipeline.enqueue_missing(connection)
    assert (missing.pending, missing.withdrawn) == (0, 0)


@pytest.mark.usefixtures("three_waiting")
def test_the_night_enqueues_whoever_a_batch_forgot(pipeline: Pipeline, connection: Connection) -> None:
    connection.execute("delete from registry.certificates where user_id = 'u00002'")
    assert pipeline.enqueue_missing(connection).pending == 1
    assert len(statuses(connection)) == 3


@pytest.mark.usefixtures("three_waiting")
def test_two_workers_never_hold_the_same_certificate(connection: Connection, other: Connection) -> None:
    due_by = make_due(connection)
    with open_worker(connection, run_id=None) as first, open_worker(other, run_id=None) as second:
        mine = {c.certificate_id for c in first.claim(2, due_by=due_by)}
        yours = {c.certificate_id for c in second.claim(2, due_by=due_by)}
    assert (len(mine), len(yours), len(mine & yours)) == (2, 1, 0)


def wait_until_ended(connection: Connection, session: int) -> None:
    """The server learns of a closed connection a moment later than whoever closes it."""
    for _ in range(30_000):
        row = connection.execute("select from pg_stat_activity where pid = %s", (session,)).fetchone()
        if row is None:
            return
        time.sleep(0.01)
    raise AssertionError("the session does not end")


@pytest.mark.usefixtures("three_waiting")
def test_what_a_dead_worker_held_is_free_at_once(settings: Settings, connection: Connection) -> None:
    due_by = make_due(connection)
    assert settings.database_url
    with (
        connect(settings.database_url.get_secret_value()) as doomed,
        open_worker(doomed, run_id=None) as worker,
    ):
        assert len(worker.claim(3, due_by=due_by)) == 3
        session = doomed.info.backend_pid
        doomed.close()
    wait_until_ended(connection, session)
    with open_worker(connection, run_id=None) as worker:
        claims = worker.claim(3, due_by=due_by)
    assert [c.attempt for c in claims] == [2, 2, 2]


@pytest.mark.usefixtures("three_waiting")
def test_only_the_holder_of_a_lease_records(connection: Connection, other: Connection) -> None:
    due_by = make_due(connection)
    with open_worker(connection, run_id=None) as late, open_worker(other, run_id=None) as holder:
        claim = late.claim(1, due_by=due_by)[0]
        connection.execute("update registry.certificates set lease_expires_at = now() - interval '1 second'")
        assert claim.certificate_id in {c.certificate_id for c in holder.claim(3, due_by=due_by)}
        assert late.record([Issued(claim.certificate_id, **PDF)], []) == set()
        assert holder.record([Issued(claim.certificate_id, **PDF)], []) == {claim.certificate_id}
    outcomes = connection.execute(
        "select status, attempt from ops.outcomes where status <> 'created'"
    ).fetchall()
    assert outcomes == [("issued", 2)]


@pytest.mark.usefixtures("three_waiting")
def test_a_name_corrected_before_issue_is_the_one_that_will_be_printed(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    renamed = {
        "user_id": "u00000",
        "name": "Asha R. Rao",
        "tenant_id": "t",
        "updated_at": "2026-03-01T00:00:00Z",
    }
    drop_rows(settings, tmp_path, "users", [renamed])
    decided = load_and_decide(pipeline, connection)
    assert (decided.enqueued.withdrawn, decided.enqueued.pending) == (1, 1)
    row = connection.execute(
        "select recipient_name from registry.certificates where user_id = 'u00000'"
    ).fetchone()
    assert row == ("Asha R. Rao",)


@pytest.mark.usefixtures("three_waiting")
def test_an_issued_certificate_never_changes(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    with open_worker(connection, run_id=None) as worker:
        claims = worker.claim(3, due_by=make_due(connection))
        worker.record([Issued(c.certificate_id, **PDF) for c in claims], [])
    before = connection.execute("select * from registry.certificates order by 1").fetchall()
    renamed = {
        "user_id": "u00000",
        "name": "Someone Else",
        "tenant_id": "t",
        "updated_at": "2026-03-01T00:00:00Z",
    }
    drop_rows(settings, tmp_path, "users", [renamed])
    drop_rows(settings, tmp_path, "enrolments", [LEFT_BEFORE_FINISHING])
    load_and_decide(pipeline, connection)
    pipeline.enqueue_missing(connection)
    assert connection.execute("select * from registry.certificates order by 1").fetchall() == before


@pytest.mark.usefixtures("three_waiting")
def test_what_no_longer_stands_is_withdrawn_before_issue(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    drop_rows(settings, tmp_path, "enrolments", [LEFT_BEFORE_FINISHING])
    load_and_decide(pipeline, connection)
    assert sorted(statuses(connection)) == ["u00000", "u00002"]


@pytest.mark.usefixtures("three_waiting")
def test_a_certificate_removed_after_completion_is_still_issued_from_the_old_attachment(
    pipeline: Pipeline, connection: Connection
) -> None:
    row = connection.execute("select now()").fetchone()
    assert row
    detach(connection, "c", valid_to=row[0], by=TESTER)
    load_and_decide(pipeline, connection)
    assert statuses(connection) == dict.fromkeys(("u00000", "u00001", "u00002"), "pending")


@pytest.mark.usefixtures("three_waiting")
def test_a_failure_is_a_row_and_new_facts_try_again(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    with open_worker(connection, run_id=None) as worker:
        first, *rest = worker.claim(3, due_by=make_due(connection))
        worker.record([], [Failure(first.certificate_id, "name_does_not_fit", "too long", None)])
        worker.release(rest)
    row = connection.execute(
        "select user_id, status, error_class, error, attempts from registry.certificates "
        "where status = 'failed'"
    ).fetchone()
    assert row is not None
    assert row[1:] == ("failed", "name_does_not_fit", "too long", 1)
    shorter = {"user_id": row[0], "name": "A. Rao", "tenant_id": "t", "updated_at": "2026-03-01T00:00:00Z"}
    drop_rows(settings, tmp_path, "users", [shorter])
    load_and_decide(pipeline, connection)
    assert statuses(connection)[str(row[0])] == "pending"


def test_a_second_certificate_to_come_is_refused_by_the_database(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
    columns = (
        "user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status, render_input, "
        "badge_recipient"
    )
    again = connection.execute(
        f"insert into registry.certificates (certificate_id, sequence, {columns}) "
        f"select 'other', 2, {columns} from registry.certificates on conflict do nothing"
    )
    assert again.rowcount == 0


def test_completed_before_the_certificate_was_attached_earns_nothing(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
    connection.execute("update registry.attachments set valid_from = '2026-02-01T00:00:01Z'")
    connection.execute("insert into ops.changed_keys (kind, course_id) values ('attachment', 'c')")
    load_and_decide(pipeline, connection)
    assert statuses(connection) == {}


@pytest.mark.usefixtures("three_waiting")
def test_what_a_dead_worker_held_follows_the_facts_again(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    with connect(database_url(settings)) as doomed, open_worker(doomed, run_id=None) as worker:
        assert len(worker.claim(3, due_by=make_due(connection))) == 3
        doomed.close()
    drop_rows(settings, tmp_path, "enrolments", [LEFT_BEFORE_FINISHING])
    load_and_decide(pipeline, connection)
    assert sorted(statuses(connection)) == ["u00000", "u00002"]


@pytest.mark.usefixtures("three_waiting")
def test_facts_that_change_while_a_worker_renders_are_not_lost(
    settings: Settings, pipeline: Pipeline, connection: Connection, other: Connection, tmp_path: Path
) -> None:
    with open_worker(other, run_id=None) as worker:
        claims = worker.claim(3, due_by=make_due(connection))
        drop_rows(settings, tmp_path, "enrolments", [LEFT_BEFORE_FINISHING])
        assert load_and_decide(pipeline, connection).enqueued.withdrawn == 1
        recorded = worker.record([Issued(c.certificate_id, **PDF) for c in claims], [])
    assert len(recorded) == 2
    assert statuses(connection) == {"u00000": "issued", "u00002": "issued"}


@pytest.mark.usefixtures("three_waiting")
def test_the_night_prints_no_fact_that_nobody_decided(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    nameless = {
        "user_id": "u00000",
        "name": "undefined",
        "tenant_id": "t",
        "updated_at": "2026-03-01T00:00:00Z",
    }
    drop_rows(settings, tmp_path, "users", [nameless])
    pipeline.load(connection)
    pipeline.enqueue_missing(connection)
    assert sorted(statuses(connection)) == ["u00001", "u00002"]
