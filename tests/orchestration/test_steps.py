"""The steps that Airflow runs, called as it calls them, on a real database: what they return and leave."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflows import environment

from mail_servers import Temper, free_port, queue, rows, running_server
from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection, connect, pipeline_lock
from pramaan.errors import DatabaseError, SettingsError
from pramaan.orchestration import approval, freshness, listener, mail, quality, reports, steps, telemetry
from pramaan.orchestration.context import mail_server, task_context
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import attach_everywhere, database_url, drop_finishers, drop_rows, load_and_decide, open_hold


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """What a step asks of its own task: no more than that."""

    run_id: str = "scheduled__1"
    dag_id: str = "issue_certificates"
    states: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    nights: int = 0

    def get_task_states(self, *, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        assert (dag_id, run_ids) == (self.dag_id, [self.run_id])
        return {self.run_id: dict(self.states)}

    def xcom_pull(self, *, task_ids: str) -> Any:
        return self.told.get(task_ids)

    def get_dr_count(self, *, dag_id: str, states: list[str]) -> int:
        assert (dag_id, set(states)) == ("build_warehouse", {"queued", "running"})
        return self.nights


@pytest.fixture(autouse=True)
def _as_a_task(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(settings, tmp_path, url=database_url(settings)).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def attached(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> Settings:
    """Three people who earned a certificate that is decided with the next batch."""
    drop_finishers(settings, tmp_path, 3)
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "t")
    return settings


def counts_of_runs(connection: Connection) -> list[Any]:
    return [row[0] for row in connection.execute("select counts from ops.runs order by started_at")]


def test_a_task_works_where_its_environment_says(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert task_context().url == database_url(settings)
    assert task_context().settings.landing_url == settings.landing_url
    assert mail_server() == settings.mail_server_url
    monkeypatch.delenv("PRAMAAN_DATABASE_URL")
    with pytest.raises(SettingsError, match="PRAMAAN_DATABASE_URL is not set"):
        task_context()


def test_a_batch_is_four_steps(attached: Settings, connection: Connection, tmp_path: Path) -> None:
    drop_rows(attached, tmp_path, "users", [
        {"user_id": "v", "name": "Vera", "tenant_id": "t", "updated_at": "2026-01-01T00:00:00Z"},
    ])  # fmt: skip
    run_id = steps.load_feeds("scheduled__1")
    (chunk,) = steps.make_decisions(run_id)
    assert chunk == {"name": "1 of 1", "limit": 3}
    issued = steps.issue_chunk(run_id, limit=chunk["limit"])
    assert (issued["issued"], issued["failed"]) == (3, 0)
    counts = steps.record_run(TaskInstance())  # type: ignore[arg-type]
    assert (counts["files_loaded"], counts["keys_decided"], counts["certificates_issued"]) == (1, 3, 3)
    assert counts_of_runs(connection) == [counts]


def test_a_batch_gives_way_to_a_run_in_the_foreground(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_TIMEOUT_SECONDS", 0.0)
    with pipeline_lock(connection), pytest.raises(AirflowSkipException):
        steps.load_feeds("scheduled__1")
    assert counts_of_runs(connection) == [{"gave_way": 1}]


def test_tried_again_a_step_goes_on_with_the_same_run(connection: Connection) -> None:
    assert steps.load_feeds("scheduled__1") == steps.load_feeds("scheduled__1")
    assert len(counts_of_runs(connection)) == 1


@pytest.mark.parametrize(
    ("waiting", "cores", "limits"),
    [
        (0, 2, [0]),
        (1, 2, [1]),
        (steps.SMALLEST_CHUNK, 2, [500]),
        (steps.SMALLEST_CHUNK + 1, 2, [251, 251]),
        (3_000, 2, [1_500, 1_500]),
        (3_000, 4, [750] * 4),
        (2 * steps.LARGEST_CHUNK + 1, 2, [33_334] * 3),
        (1_000_000, 8, [steps.LARGEST_CHUNK] * 20),
    ],
)
def test_what_waits_is_shared_out(
    waiting: int, cores: int, limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    chunks = steps.plan_chunks(waiting)
    assert [chunk["limit"] for chunk in chunks] == limits
    assert sum(limits) >= waiting
    assert [chunk["name"] for chunk in chunks] == [f"{n} of {len(limits)}" for n in range(1, len(limits) + 1)]


def test_a_run_whose_step_failed_is_red_after_its_counts_are_kept(connection: Connection) -> None:
    steps.load_feeds("scheduled__1")
    red = TaskInstance(states={"load_feeds": "success", "make_decisions": "failed"})
    with pytest.raises(AirflowFailException, match="make_decisions failed: the log there says why"):
        steps.record_run(red)  # type: ignore[arg-type]
    (finished,) = connection.execute("select finished_at is not null from ops.runs").fetchall()
    assert finished == (True,)


def test_a_run_that_never_began_has_no_counts() -> None:
    assert steps.record_run(TaskInstance("another")) == {}  # type: ignore[arg-type]


def test_files_that_a_fault_of_ours_kept_from_loading_make_the_run_red(
    attached: Settings, connection: Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drop_rows(attached, tmp_path, "users", [
        {"user_id": "v", "name": "Vera", "tenant_id": "t", "updated_at": "2026-01-01T00:00:00Z"},
    ])  # fmt: skip
    connection.execute("alter table raw.users rename block to block_of_old")
    steps.load_feeds("scheduled__1")
    assert "1 file(s) could not be loaded" in caplog.text
    assert "Vera" not in caplog.text
    with pytest.raises(AirflowFailException, match=r"1 file\(s\) could not be loaded"):
        steps.record_run(TaskInstance())  # type: ignore[arg-type]


def test_who_was_forgotten_is_enqueued_by_night(
    attached: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    assert attached
    load_and_decide(pipeline, connection)
    with unguarded_registry(connection):
        connection.execute("delete from registry.certificates")
    found = steps.enqueue_missing()
    assert (found["rows_unlike"], found["certificates_enqueued"]) == (0, 3)
    assert steps.enqueue_missing()["certificates_enqueued"] == 0


def test_telemetry_is_loaded_and_what_fails_is_told(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    drop_rows(settings, tmp_path, "telemetry", [{"mid": "m", "eid": "X", "ets": 1_769_860_800_123}])
    counts = telemetry.load_telemetry()
    assert (counts["files_loaded"], counts["files_failed"]) == (1, 0)
    assert connection.execute("select count(*) from raw.telemetry").fetchone() == (1,)
    well = TaskInstance(dag_id="build_metrics", told={"load_telemetry": counts})
    telemetry.tell_outcome(well)  # type: ignore[arg-type]
    ill = TaskInstance(dag_id="build_metrics", told={"load_telemetry": {"files_failed": 2}})
    with pytest.raises(AirflowFailException, match=r"2 file\(s\)"):
        telemetry.tell_outcome(ill)  # type: ignore[arg-type]


def test_metrics_are_left_to_the_night_that_is_at_it(settings: Settings) -> None:
    left = telemetry.build_models(TaskInstance(nights=1), run_type="scheduled")  # type: ignore[arg-type]
    assert left == "left to the night"
    assert settings.home


def test_notices_go_out(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    queue(connection)
    temper = Temper()
    with running_server(temper) as port:
        monkeypatch.setenv("PRAMAAN_SMTP_URL", f"smtp://127.0.0.1:{port}")
        sent = mail.send_notices()
    assert (sent["sent"], sent["left"], len(temper.taken)) == (1, 0, 1)


def test_a_mail_server_that_is_away_is_red_after_a_quarter_of_an_hour(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(connection)
    monkeypatch.setenv("PRAMAAN_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    assert mail.send_notices() == {"sent": 0, "left": 1}
    connection.execute("update ops.mails set next_attempt_at = now(), due_at = now() - interval '16 minutes'")
    with pytest.raises(AirflowFailException, match="1 notices wait, for 16 minutes"):
        mail.send_notices()
    assert rows(connection, "status") == [("queued",)]


def test_loads_are_checked_and_what_follows_from_bad_ones_is_held(
    attached: Settings, pipeline: Pipeline, connection: Connection
) -> None:
    assert attached
    load_and_decide(pipeline, connection)
    found = quality.check_loads()
    assert (found["passed"] + found["failed"], found["failed"]) == (5, 0)
    assert quality.check_loads() == {"passed": 0, "failed": 0}
    assert quality.hold_what_follows() == {"certificates_held": 0}


def test_reports_that_wait_have_a_builder_and_one_is_there_for_none(
    attached: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attached
    nothing = {"batch": None, "email": None, "format": "csv", "language": "en"}

    def taken(**params: object) -> list[str]:
        return reports.take_requests(
            nothing | params, run_id="r", username="nobody", asked_at=datetime.now(UTC)
        )

    assert taken() == ["1 of 1"]
    with pytest.raises(AirflowFailException, match="batch_not_found"):
        taken(batch="b")
    monkeypatch.setenv("PRAMAAN_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    assert set(reports.build_and_send().values()) == {0}
    reports.notify_late_reports()


def test_feeds_that_never_came_are_not_overdue() -> None:
    assert freshness.check_freshness() == {}


def test_holds_are_asked_about_once_and_by_one_run(connection: Connection) -> None:
    hold_id = open_hold(connection, "c")
    found = approval.find_holds_to_ask("run-1")
    assert found == [{"hold_id": hold_id, "course_id": "c", "expected": 1}]
    assert approval.find_holds_to_ask("run-1") == found
    assert [one["hold_id"] for one in approval.find_holds_to_ask("run-2")] == [0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Board", "`Board`"),
        ("# **bold** [x](y)", "`# **bold** [x](y)`"),
        ("a`b", "`a'b`"),
        ("a\nb\x07", "`a b `"),
        ("x" * 100, f"`{'x' * 80}`"),
    ],
)
def test_texts_of_feeds_are_no_markdown(text: str, shown: str) -> None:
    assert approval._plain(text) == shown


@pytest.mark.parametrize(
    ("counts", "has_failed", "told"),
    [
        ({}, False, "nothing to do"),
        ({"rows_loaded": 1_200, "certificates_issued": 3}, False, "1,200 rows, 3 issued"),
        ({"certificates_issued": 3}, True, "failed, as `record_run` says; done: 3 issued"),
        ({}, True, "failed, as `record_run` says; done: nothing"),
        ({"gave_way": 1}, False, "gave way to a run in the foreground, which does it all"),
    ],
)
def test_a_run_s_note_is_a_line(counts: dict[str, int], told: str, *, has_failed: bool) -> None:
    assert listener._told(counts, has_failed=has_failed) == told


@dataclass(slots=True)
class Run:
    """Of a run, what a note is made of."""

    dag_id: str
    run_id: str = "scheduled__1"
    note: str | None = None


def test_only_runs_of_issuance_get_a_note(connection: Connection) -> None:
    run_id = steps.load_feeds("scheduled__1")
    connection.execute("update ops.runs set counts = '{\"rows_loaded\": 7}' where run_id = %s", (run_id,))
    issuance, other = Run("issue_certificates"), Run("send_mail")
    for run in (issuance, other):
        listener.on_dag_run_success(run)
    assert (issuance.note, other.note) == ("7 rows", None)


def test_without_its_database_a_run_gets_no_note_and_the_scheduler_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PRAMAAN_DATABASE_URL", f"postgresql://pramaan:s3cr3t@127.0.0.1:{free_port()}/x")
    run = Run("issue_certificates")
    with caplog.at_level(logging.WARNING):
        listener.on_dag_run_failed(run)
    assert run.note is None
    assert "gets no note" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_nothing_is_decided_without_rules(settings: Settings, connection: Connection) -> None:
    run_id = steps.load_feeds("scheduled__1")
    connection.execute("delete from ops.rule_statements")
    connection.execute("insert into ops.changed_keys (kind, user_id, batch_id) values ('progress', 'u', 'b')")
    with pytest.raises(DatabaseError, match="has not deployed"):
        steps.make_decisions(run_id)
    with connect(database_url(settings)) as other:
        assert other.execute("select count(*) from ops.changed_keys").fetchone() == (1,)
