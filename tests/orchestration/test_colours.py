"""What the grid shows: green where all is well, also without work; red where a step failed."""

from pathlib import Path
from typing import Any

import pytest
from airflows import Airflow

from mail_servers import Temper, free_port, queue, rows, running_server
from pramaan.database.connect import Connection, pipeline_lock, telemetry_lock
from pramaan.feeds.landing import Landing
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from pramaan.stages.loading import TELEMETRY_FEEDS
from worlds import attach_everywhere, drop_finishers, drop_rows, load_and_decide

IDLE = ("issue_certificates", "check_quality", "approve_held_issuance", "send_reports", "send_mail")


def states(run: dict[str, Any]) -> dict[str, str]:
    return {
        task["task"] if task["index"] < 0 else f"{task['task']}[{task['index']}]": task["state"]
        for task in run["tasks"]
    }


def test_a_run_without_work_is_green_all_over(airflow: Airflow, connection: Connection) -> None:
    found = airflow({"runs": [{"dag": dag, "env": {}} for dag in IDLE]})
    for dag, run in zip(IDLE, found, strict=True):
        assert run["state"] == "success", (dag, run)
        assert set(states(run).values()) == {"success"}, (dag, run)
    assert connection.execute("select count(*) from ops.outcomes").fetchone() == (0,)


def click(mid: str) -> dict[str, Any]:
    """Somebody asks the portal for a batch's report, as its telemetry tells."""
    return {
        "mid": mid,
        "eid": "INTERACT",
        "ver": "3.0",
        "ets": 1_780_000_000_000,
        "actor": {"id": "u", "type": "User"},
        "context": {"env": "reports", "cdata": [{"type": "Batch", "id": "b"}]},
        "edata": {"id": "download-summary-report"},
    }


@pytest.fixture
def finishers(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> Settings:
    """Three people who earned a certificate that is decided with the next batch; each is told by mail."""
    drop_finishers(settings, tmp_path, 3)
    load_and_decide(pipeline, connection)
    attach_everywhere(connection, "t")
    connection.execute("update registry.attachments set notify_recipients = true")
    connection.execute("update raw.users set email = user_id || '@example.org'")
    return settings


@pytest.mark.usefixtures("finishers")
def test_a_slow_mail_server_holds_up_no_certificate(airflow: Airflow, connection: Connection) -> None:
    temper = Temper()
    with running_server(temper) as port:
        env = {"PRAMAAN_SMTP_URL": f"smtp://127.0.0.1:{port}"}
        (issued,) = airflow({"runs": [{"dag": "issue_certificates", "env": env}]})
        assert (issued["state"], temper.connections) == ("success", 0)
        assert rows(connection, "status") == [("queued",)] * 3
        assert connection.execute(
            "select status, count(*) from registry.certificates group by 1"
        ).fetchall() == [("issued", 3)]
        (mailed,) = airflow({"runs": [{"dag": "send_mail", "env": env}]})
    assert (mailed["state"], len(temper.taken)) == ("success", 3)


def test_a_step_that_fails_is_red_and_the_run_s_counts_are_kept(
    airflow: Airflow, finishers: Settings, connection: Connection
) -> None:
    """First the landing folder's driver is missing, then the store is away; then all is well again."""
    good = {"PRAMAAN_LANDING": finishers.landing_url, "PRAMAAN_STORE": finishers.store_url}
    unlisted, unstored = airflow(
        {
            "runs": [
                {"dag": "issue_certificates", "env": {"PRAMAAN_LANDING": "nowhere://landing"}},
                {"dag": "issue_certificates", "env": good | {"PRAMAAN_STORE": "file:///dev/null/store"}},
            ]
        }
    )
    assert (unlisted["state"], unstored["state"]) == ("failed", "failed"), (unlisted, unstored)
    assert states(unlisted) == {
        "load_feeds": "failed",
        "make_decisions": "upstream_failed",
        "issue_chunk": "upstream_failed",
        "record_run": "failed",
    }
    assert states(unstored) == {
        "load_feeds": "success",
        "make_decisions": "success",
        "issue_chunk[0]": "failed",
        "record_run": "failed",
    }
    connection.execute("update registry.certificates set next_attempt_at = now()")
    (done,) = airflow({"runs": [{"dag": "issue_certificates", "env": good}]})
    assert (done["state"], set(states(done).values())) == ("success", {"success"})
    kept = connection.execute(
        "select scheduler_run_id, counts ->> 'keys_decided', counts ->> 'certificates_issued' from ops.runs "
        "where finished_at is not null order by started_at"
    ).fetchall()
    assert kept == [
        (unlisted["run_id"], None, "0"),
        (unstored["run_id"], "3", "0"),
        (done["run_id"], "0", "3"),
    ]


def test_a_file_that_a_fault_of_ours_keeps_from_loading_makes_the_run_red_after_the_rest_is_issued(
    airflow: Airflow, finishers: Settings, connection: Connection, tmp_path: Path
) -> None:
    drop_rows(finishers, tmp_path, "users", [
        {"user_id": "v", "name": "Vera", "tenant_id": "t", "updated_at": "2026-01-01T00:00:00Z"},
    ])  # fmt: skip
    drop_rows(finishers, tmp_path, "batches", [
        {"batch_id": "b2", "course_id": "c", "tenant_id": "t", "name": "B2", "enrolment_type": "open",
         "updated_at": "2026-01-01T00:00:00Z"},
    ])  # fmt: skip
    connection.execute("alter table raw.users rename block to block_of_old")
    (run,) = airflow({"runs": [{"dag": "issue_certificates", "env": {}}]})
    assert run["state"] == "failed"
    assert states(run) == {
        "load_feeds": "success",
        "make_decisions": "success",
        "issue_chunk[0]": "success",
        "record_run": "failed",
    }
    assert connection.execute(
        "select counts ->> 'files_failed', counts ->> 'files_loaded', counts ->> 'certificates_issued' "
        "from ops.runs where finished_at is not null"
    ).fetchall() == [("1", "1", "3")]

    connection.execute("alter table raw.users rename block_of_old to block")
    (mended,) = airflow({"runs": [{"dag": "issue_certificates", "env": {}}]})
    assert (mended["state"], set(states(mended).values())) == ("success", {"success"})
    assert connection.execute("select count(*) from raw.users where user_id = 'v'").fetchone() == (1,)


def test_telemetry_that_fails_makes_its_run_red(
    airflow: Airflow, settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    """First a file by a fault of ours, then the landing folder as a whole."""
    drop_rows(settings, tmp_path, "telemetry", [click("m1")])
    connection.execute(
        "create function no_rows() returns trigger language plpgsql as "
        "$$ begin raise exception 'no rows for a while'; end $$"
    )
    connection.execute(
        "create trigger no_rows before insert on raw.telemetry for each row execute function no_rows()"
    )
    runs = [
        {"dag": "build_metrics", "env": {}},
        {"dag": "build_metrics", "env": {"PRAMAAN_LANDING": "nowhere://landing"}},
    ]
    unloaded, unlisted = airflow({"runs": runs})
    assert (unloaded["state"], states(unloaded)) == (
        "failed",
        {"load_telemetry": "success", "build_models": "success", "tell_outcome": "failed"},
    )
    assert (unlisted["state"], states(unlisted)) == (
        "failed",
        {"load_telemetry": "failed", "build_models": "upstream_failed", "tell_outcome": "failed"},
    )
    connection.execute("drop trigger no_rows on raw.telemetry")
    (mended,) = airflow({"runs": [{"dag": "build_metrics", "env": {}}]})
    assert (mended["state"], set(states(mended).values())) == ("success", {"success"})


def test_mail_that_cannot_go_out_is_red_once_it_is_more_than_a_blip(
    airflow: Airflow, connection: Connection
) -> None:
    queue(connection)
    run = {"dag": "send_mail", "env": {"PRAMAAN_SMTP_URL": f"smtp://127.0.0.1:{free_port()}"}}
    (blip,) = airflow({"runs": [run]})
    assert (blip["state"], states(blip)) == ("success", {"send_notices": "success"})
    connection.execute("update ops.mails set next_attempt_at = now(), due_at = now() - interval '16 minutes'")
    (away,) = airflow({"runs": [run]})
    assert (away["state"], states(away)) == ("failed", {"send_notices": "failed"})
    assert rows(connection, "status, attempts") == [("queued", 0)]


def test_telemetry_is_loaded_while_a_batch_holds_the_pipeline_s_lock(
    airflow: Airflow, settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    drop_rows(settings, tmp_path, "telemetry", [click("m1"), click("m2")])
    with pipeline_lock(connection):
        found = airflow({"runs": [{"dag": "build_metrics", "env": {}}]})
    assert [(run["state"], set(states(run).values())) for run in found] == [("success", {"success"})]
    assert connection.execute("select count(*) from raw.telemetry").fetchone() == (2,)
    # Beside what the night's DAG is read from.
    assert (settings.home / "run" / "metrics" / "target" / "manifest.json").exists()
    assert connection.execute(
        "select count(*) from marts.fct_report_events where kind = 'clicked'"
    ).fetchone() == (2,)
    assert connection.execute("select count(*) from ops.changed_keys").fetchone() == (0,)


def test_metrics_are_left_to_a_night_that_waits_to_begin(
    airflow: Airflow, settings: Settings, connection: Connection
) -> None:
    built = settings.home / "run" / "metrics" / "built"
    built.unlink(missing_ok=True)  # of another test in this home
    (run,) = airflow({"runs": [{"dag": "build_metrics", "env": {}, "queued": "build_warehouse"}]})
    assert (run["state"], set(states(run).values())) == ("success", {"success"})
    assert not built.exists()
    assert connection.execute("select count(*) from raw.telemetry").fetchone() == (0,)


def test_a_batch_loads_no_telemetry(
    airflow: Airflow, settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    drop_rows(settings, tmp_path, "telemetry", [click("m1")])
    with telemetry_lock(connection):
        found = airflow({"runs": [{"dag": "issue_certificates", "env": {}}]})
    assert [set(states(run).values()) for run in found] == [{"success"}]
    assert connection.execute("select count(*) from raw.telemetry").fetchone() == (0,)
    assert len(Landing(settings.landing_url).waiting(feeds=TELEMETRY_FEEDS)) == 1
