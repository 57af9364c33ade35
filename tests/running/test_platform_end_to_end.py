"""The platform as `make run` starts it: real Airflow issues the sample by itself."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from platforms import Platform, wait_until
from playwright.sync_api import sync_playwright

from pramaan.database.connect import Connection, connect
from pramaan.feeds.landing import Landing
from pramaan.host.postgres import embedded_database_url
from pramaan.reports.ledger import ReportRequest, list_requests
from pramaan.sample import write_sample
from pramaan.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

DAGS = {path.stem for path in (PROJECT_ROOT / "dags").glob("*.py")}


def test_the_dag_issues_the_whole_sample_by_itself(platform: Platform, tmp_path: Path) -> None:
    expected = write_sample(tmp_path)
    with connect(embedded_database_url(platform.settings)) as connection:
        decisions = dict(
            connection.execute(
                "select decision, count(*) from marts.fct_certificate_decisions group by 1"
            ).fetchall()
        )
        assert decisions == {name: count for name, count in expected.decisions.items() if count}
        # The last run's line is written by a task of its own, after its certificates.
        wait_until(lambda: issued_by_runs(connection) >= expected.decisions["entitled"])
        assert issued_by_runs(connection) == expected.decisions["entitled"]


def issued_by_runs(connection: Connection) -> int:
    """How many certificates the finished runs say that they issued."""
    runs = connection.execute("select counts from ops.runs where finished_at is not null").fetchall()
    return sum(counts["certificates_issued"] for (counts,) in runs)  # type: ignore[call-overload,misc]


def test_the_end_shows_counts_three_pdfs_and_the_way_into_airflow(platform: Platform) -> None:
    pdfs = re.findall(r"/\S+\.pdf", platform.printed)
    assert len(pdfs) == 3
    assert all(Path(pdf).read_bytes().startswith(b"%PDF") for pdf in pdfs)
    assert f"http://127.0.0.1:{platform.settings.airflow_port}" in platform.printed
    assert re.search(r"issued +450", platform.printed)


def test_a_second_start_changes_nothing(platform: Platform) -> None:
    before = status(platform)
    assert re.search(r"issued +450", platform.pramaan("up", "--sample"))
    assert status(platform) == before


def status(platform: Platform) -> dict[str, Any]:
    seen = json.loads(platform.pramaan("status", "--json"))
    return {name: seen[name] for name in ("waiting", "failed", "database_url", "processes")}


def test_every_dag_is_documented_owned_tagged_and_retried(platform: Platform) -> None:
    assert platform.api("importErrors")["import_errors"] == []
    assert {dag["dag_id"] for dag in platform.api("dags")["dags"]} == DAGS
    for dag_id in DAGS:
        details = platform.api(f"dags/{dag_id}/details")
        assert "Triage" in details["doc_md"]
        assert details["owners"] == ["data-engineering"]
        assert details["tags"]
        assert details["description"]
        # Several questions may wait for answers at once, and a report be asked for while others are built;
        # nothing else runs beside itself.
        together = {"approve_held_issuance": 64, "send_reports": 16}
        assert details["max_active_runs"] == together.get(dag_id, 1)
        for task in platform.api(f"dags/{dag_id}/tasks")["tasks"]:
            assert task["retries"] or "watcher" in task["task_id"], task["task_id"]


def test_a_run_s_note_tells_what_it_did(platform: Platform) -> None:
    runs = platform.api("dags/issue_certificates/dagRuns?limit=50")["dag_runs"]
    notes = [run["note"] or "" for run in runs]
    # A run may begin while the sample is still being dropped; the next one does the rest.
    assert sum(int(count) for count in re.findall(r"(\d+) issued", " ".join(notes))) == 450, notes


def test_a_run_without_work_is_green_and_says_so(platform: Platform) -> None:
    run = platform.api("dags/issue_certificates/dagRuns", {"logical_date": None})["dag_run_id"]
    path = f"dags/issue_certificates/dagRuns/{run}"
    wait_until(lambda: platform.api(path)["state"], until=("success", "failed"))
    tasks = {t["task_id"]: t["state"] for t in platform.api(f"{path}/taskInstances")["task_instances"]}
    assert tasks == dict.fromkeys(("load_feeds", "make_decisions", "issue_chunk", "record_run"), "success")
    wait_until(lambda: platform.api(path)["note"] == "nothing to do")


def test_the_assets_lead_from_feeds_to_certificates(platform: Platform) -> None:
    by_task = {
        (task["task_id"], kind): {asset["name"] for asset in task[kind]}
        for task in platform.api("dags/issue_certificates/tasks")["tasks"]
        for kind in ("inlets", "outlets")
        if task.get(kind)
    }
    chain = ("facts", "raw", "decisions", "certificates")
    for step, made, taken in zip(
        ("load_feeds", "make_decisions", "issue_chunk"), chain[1:], chain[:-1], strict=True
    ):
        assert by_task.get((step, "outlets"), {made}) == {made}
        assert by_task.get((step, "inlets"), {taken}) == {taken}
    assert set(chain) <= {asset["name"] for asset in platform.api("assets?limit=50")["assets"]}


@dataclass(frozen=True, slots=True)
class Burst:
    """A course that is used to some certificates a day, and today far more people complete it."""

    course_id: str
    people: int

    def drop(self, platform: Platform, folder: Path) -> None:
        with connect(embedded_database_url(platform.settings)) as connection:
            batch_id, content_ids = self._batch(connection)
            today = datetime.now(UTC).date()
            for days in range(1, 15):
                connection.execute(
                    "insert into ops.candidate_days values (%s, %s, 3, 3)",
                    (self.course_id, today - timedelta(days=days)),
                )
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        ids = [f"burst-{number}" for number in range(self.people)]
        key = {"course_id": self.course_id, "batch_id": batch_id, "updated_at": now}
        rows: dict[str, list[dict[str, Any]]] = {
            "users": [
                {"user_id": i, "name": "Asha Rao", "email": f"{i}@example.org", "tenant_id": "sahyadri",
                 "updated_at": now} for i in ids
            ],
            "enrolments": [
                {"user_id": i, **key, "enrolled_at": "2026-01-10T00:00:00Z", "active": True} for i in ids
            ],
            "progress": [
                {"user_id": i, **key, "content_id": content_id, "status": 2, "completed_at": now}
                for i in ids for content_id in content_ids
            ],
        }  # fmt: skip
        landing = Landing(platform.settings.landing_url)
        for feed, its_rows in rows.items():
            path = folder / f"{feed}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in its_rows))
            landing.add(feed, path)

    def _batch(self, connection: Connection) -> tuple[str, list[str]]:
        row = connection.execute(
            "select batch_id, leaf_count from raw.batches "
            "inner join raw.courses using (course_id, tenant_id) where course_id = %s "
            "order by courses.updated_at desc, batch_id limit 1",
            (self.course_id,),
        ).fetchone()
        assert row is not None
        return str(row[0]), [f"content-{number}" for number in range(int(str(row[1])))]


def test_what_the_gate_holds_is_issued_when_a_person_approves_it(platform: Platform, tmp_path: Path) -> None:
    course_id = platform.pramaan(
        "psql", "-Atc", "select course_id from raw.courses where name like 'Digital Classrooms%' limit 1"
    ).strip()
    platform.pramaan("detach", course_id)
    platform.pramaan("attach", course_id, "--template", "modern", "--issuer", issuer_of(platform), "--notify")
    Burst(course_id, 120).drop(platform, tmp_path)

    def question() -> dict[str, Any] | None:
        asked = platform.api("dags/approve_held_issuance/dagRuns/~/hitlDetails?response_received=false")
        return next(iter(asked["hitl_details"]), None)

    asked = wait_until(question)
    assert "120 certificates are held" in asked["subject"]

    def answer() -> None:
        instance = asked["task_instance"]
        path = (
            f"dags/approve_held_issuance/dagRuns/{instance['dag_run_id']}/taskInstances/{instance['task_id']}"
            f"/{instance['map_index']}"
        )
        if platform.api(path)["state"] == "awaiting_input":
            decision = {"chosen_options": ["Approve: issue them"], "params_input": {}}
            platform.api(f"{path}/hitlDetails", decision, method="PATCH")

    def issued() -> bool:
        # Airflow asks again when an answer came before its scheduler knew that the task sleeps.
        if question():
            answer()
        with connect(embedded_database_url(platform.settings)) as connection:
            row = connection.execute(
                "select count(*) from registry.certificates "
                "where user_id like 'burst-%' and status = 'issued'"
            ).fetchone()
        return row == (120,)

    wait_until(issued)
    (hold,) = json.loads(platform.pramaan("gate", "list", "--json"))
    assert (hold["state"], hold["decided_by"], hold["candidates"]) == ("approved", "admin", 120)
    wait_until(lambda: len(platform.outbox()) >= 121)
    notices = [mail for mail in platform.outbox() if "holds" in str(mail["subject"])]
    assert len(notices) == 1
    assert f"pramaan gate approve {hold['hold_id']}" in notices[0].as_string()
    told = [mail for mail in platform.outbox() if "holds" not in str(mail["subject"])]
    assert {str(mail["to"]) for mail in told} == {f"burst-{number}@example.org" for number in range(120)}


def issuer_of(platform: Platform) -> str:
    return platform.pramaan(
        "psql", "-Atc", "select issuer_id from registry.issuers where tenant_id = 'sahyadri' limit 1"
    ).strip()


def test_a_report_asked_for_by_airflow_s_form_comes_by_mail(platform: Platform) -> None:
    batch = json.loads(platform.pramaan("psql", "-Atc", "select to_json(min(batch_id)) from raw.enrolments"))
    conf = {"batch": batch, "email": "mentor@example.org", "format": "xlsx", "language": "hi"}
    with pytest.raises(HTTPError) as refused:
        platform.api("dags/send_reports/dagRuns", {"logical_date": None, "conf": conf | {"format": "pdf"}})
    refused.value.close()
    assert refused.value.code == 400

    platform.api("dags/send_reports/dagRuns", {"logical_date": None, "conf": conf})
    with connect(embedded_database_url(platform.settings)) as connection:

        def sent() -> list[ReportRequest]:
            return [one for one in list_requests(connection) if one.status == "sent"]

        (request,) = wait_until(sent)
    assert (request.requested_by, request.channel, request.batch_id) == ("admin", "airflow", batch)
    assert request.handed_over_at is not None
    assert request.handed_over_at > request.requested_at

    (mail,) = [one for one in platform.outbox() if one["To"] == "mentor@example.org"]
    assert str(request.request_id) in mail["Message-ID"]
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content().startswith(b"PK")

    unknown = {"logical_date": None, "conf": conf | {"batch": "nothing of ours"}}
    run = platform.api("dags/send_reports/dagRuns", unknown)["dag_run_id"]
    path = f"dags/send_reports/dagRuns/{run}"
    assert wait_until(lambda: (platform.api(path)["state"] == "failed") or None)


def test_the_first_admin_reads_by_cookie_and_writes_by_token_only(platform: Platform) -> None:
    token = platform.token()
    course = json.loads(platform.pramaan("psql", "-Atc", "select to_json(min(course_id)) from raw.courses"))
    path = f"/pramaan/v1/courses/{course}/certificate"
    bearer, cookie = {"authorization": f"Bearer {token}"}, {"cookie": f"_token={token}"}

    assert platform.status("GET", "/pramaan/v1/courses") == 401
    assert platform.status("GET", "/pramaan/v1/courses", **cookie) == 200
    assert platform.status("DELETE", path, **cookie) == 403
    assert platform.status("DELETE", path, cookie=f"_token={token}", authorization="Basic YTpi") == 403
    assert platform.status("DELETE", path, **bearer) == 204
    assert platform.status("DELETE", path, **bearer) == 404


def test_the_pages_stand_in_the_navigation(platform: Platform) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(platform.base)
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", platform.password())
        page.click("button[type=submit]")
        page.get_by_role("button", name="Plugins").click()
        page.get_by_role("menuitem", name="Certificates").click()
        inside = page.frame_locator("iframe[title=Certificates]")
        inside.get_by_role("link", name="Digital Classrooms for Every Teacher").click()
        inside.get_by_role("heading", level=1, name="Digital Classrooms for Every Teacher").wait_for()
        page.get_by_role("button", name="Plugins").click()
        page.get_by_role("menuitem", name="Reports").click()
        inside = page.frame_locator("iframe[title=Reports]")
        inside.get_by_role("heading", level=1, name="Reports").wait_for()
        browser.close()


def test_the_night_rebuilds_every_model_as_a_task_and_finds_nobody_forgotten(platform: Platform) -> None:
    run = platform.api("dags/build_warehouse/dagRuns", {"logical_date": None})
    path = f"dags/build_warehouse/dagRuns/{run['dag_run_id']}"
    state = wait_until(lambda: platform.api(path)["state"], until=("success", "failed"))
    tasks = {t["task_id"]: t["state"] for t in platform.api(f"{path}/taskInstances")["task_instances"]}
    assert state == "success", tasks
    models = {p.stem for p in (PROJECT_ROOT / "dbt" / "models").rglob("*.sql")}
    assert models <= {task.removeprefix("dbt.").removesuffix("_run") for task in tasks}
    counts = platform.api(f"{path}/taskInstances/enqueue_missing/xcomEntries/return_value")["value"]
    assert "'certificates_enqueued': 0" in str(counts).replace('"', "'")


def test_no_secret_and_no_name_stands_in_a_log(platform: Platform) -> None:
    secrets = [p.read_text().strip() for p in platform.settings.secrets.iterdir() if p.suffix != ".key"]
    with connect(embedded_database_url(platform.settings)) as connection:
        names = [
            str(row[0])
            for row in connection.execute("select distinct recipient_name from registry.certificates")
        ]
    logs = [p for p in (platform.settings.home / "logs").rglob("*") if p.is_file()]
    assert logs
    said = "\n".join(p.read_text(errors="replace") for p in logs)
    assert [s for s in secrets if s in said] == []
    assert [n for n in names if len(n) > 6 and n in said] == []
