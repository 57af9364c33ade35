"""The platform as `make run` starts it: real Airflow issues the sample by itself."""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import sync_playwright

from pramaan.database.connect import Connection, connect
from pramaan.host.postgres import embedded_database_url
from pramaan.sample import write_sample
from pramaan.settings import PROJECT_ROOT, Settings
from worlds import PRAMAAN, free_port_base

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAGS = {path.stem for path in (PROJECT_ROOT / "dags").glob("*.py")}


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform and what its start printed."""

    settings: Settings
    printed: str
    environment: dict[str, str]

    def pramaan(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(PRAMAAN), *arguments], env=self.environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.settings.airflow_port}"

    def password(self) -> str:
        return str(json.loads((self.settings.secrets / "airflow_passwords.json").read_text())["admin"])

    def token(self) -> str:
        body = {"username": "admin", "password": self.password()}
        return str(_fetch(f"{self.base}/auth/token", body)["access_token"])

    def api(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return _fetch(f"{self.base}/api/v2/{path}", body, token=self.token())

    def status(self, method: str, path: str, **headers: str) -> int:
        request = urllib.request.Request(self.base + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except HTTPError as refused:
            refused.close()
            return refused.code


def _fetch(url: str, body: dict[str, Any] | None, *, token: str = "") -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return dict(json.load(answer))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    settings = Settings(home=tmp_path_factory.mktemp("platform") / "home", port_base=free_port_base())
    environment = {
        "PATH": "/usr/bin:/bin",
        "PRAMAAN_HOME": str(settings.home),
        "PRAMAAN_PORT_BASE": str(settings.port_base),
    }
    platform = Platform(settings, "", environment)
    try:
        yield Platform(settings, platform.pramaan("up", "--sample"), environment)
    finally:
        data = (settings.home / "postgres").resolve()
        subprocess.run([str(PRAMAAN), "down"], env=environment, check=False)
        subprocess.run(["rm", "-rf", str(data)], check=True)


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
        deadline = time.monotonic() + 60
        while issued_by_runs(connection) < expected.decisions["entitled"]:
            assert time.monotonic() < deadline
            time.sleep(0.5)
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
        assert details["max_active_runs"] == 1
        for task in platform.api(f"dags/{dag_id}/tasks")["tasks"]:
            assert task["retries"] or "watcher" in task["task_id"], task["task_id"]


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


def test_the_certificates_page_stands_in_the_navigation(platform: Platform) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(platform.base)
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", platform.password())
        page.click("button[type=submit]")
        page.get_by_role("link", name="Certificates").click()
        inside = page.frame_locator("iframe[title=Certificates]")
        inside.get_by_role("link", name="Digital Classrooms for Every Teacher").click()
        inside.get_by_role("heading", level=1, name="Digital Classrooms for Every Teacher").wait_for()
        browser.close()


def test_the_night_rebuilds_every_model_as_a_task_and_finds_nobody_forgotten(platform: Platform) -> None:
    run = platform.api("dags/build_warehouse/dagRuns", {"logical_date": None})
    path = f"dags/build_warehouse/dagRuns/{run['dag_run_id']}"
    deadline = time.monotonic() + 240
    while (state := platform.api(path)["state"]) not in ("success", "failed"):
        assert time.monotonic() < deadline, state
        time.sleep(2)
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


def test_down_leaves_no_process_behind(platform: Platform) -> None:
    ours = str(platform.settings.home)
    assert processes_of(ours)
    platform.pramaan("down")
    assert processes_of(ours) == []


def processes_of(home: str) -> list[str]:
    """Processes whose folder, program arguments or environment name the home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if home.encode() in told:
            found.append(f"{entry.name} {(entry / 'cmdline').read_bytes()!r}")
    return found
