"""The API on Airflow's API server under the FAB auth manager; the other is in test_platform_end_to_end."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from pramaan.database.connect import connect
from pramaan.host.home import prepare_home
from pramaan.registry.grants import Grant, add_grant
from pramaan.registry.issuers import record_issuer
from pramaan.settings import PROJECT_ROOT, Settings
from registry.registry_worlds import BOARD, add_course
from worlds import TESTER, database_url

pytestmark = pytest.mark.slow

COURSE = "/pramaan/v1/courses/c/certificate"
BODY = {"template_id": "classic", "issuer_id": "board"}


@dataclass(frozen=True, slots=True)
class Server:
    """An Airflow API server whose users are FAB's."""

    base: str

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, Any]]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"content-type": "application/json", **headers}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    """Faiza, whom FAB knows as a mere viewer, is badge creator of tenant t by our own grants."""
    prepare_home(settings)
    with connect(database_url(settings)) as connection:
        add_course(connection)
        record_issuer(connection, BOARD, by=TESTER)
        add_grant(connection, Grant("faiza", "badge_creator", "t"), by=TESTER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "PRAMAAN_HOME": str(settings.home),
        "PRAMAAN_DATABASE_URL": database_url(settings),
    }
    airflow = [sys.executable, "-P", "-m", "airflow"]
    create = ["users", "create", "-u", "faiza", "-p", "faiza", "-f", "F", "-l", "A", "-r", "Viewer"]
    for command in (["db", "migrate"], [*create, "-e", "faiza@example.org"]):
        done = subprocess.run([*airflow, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            [*airflow, "api-server"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(f"{base}/pramaan/openapi.json", running, tmp_path / "log")
        yield Server(base)
    finally:
        running.terminate()
        running.wait()


def _wait_for(url: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 900
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert running.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.3)
        else:
            return


def test_who_it_is_says_fab_and_what_they_may_do_say_our_grants(server: Server) -> None:
    status, answer = server.call("POST", "/auth/token", {"username": "faiza", "password": "faiza"})
    assert status == 201, answer
    token = str(answer["access_token"])
    bearer, cookie = {"authorization": f"Bearer {token}"}, {"cookie": f"_token={token}"}

    assert server.call("GET", "/pramaan/v1/courses")[0] == 401
    assert server.call("GET", "/pramaan/v1/courses", authorization="Bearer nonsense")[0] == 401
    status, listed = server.call("GET", "/pramaan/v1/courses", **cookie)
    assert (status, [course["course_id"] for course in listed["courses"]]) == (200, ["c"])

    status, refused = server.call("POST", COURSE, BODY, **cookie)
    assert (status, refused["code"]) == (403, "cookie_not_accepted")
    status, asserted = server.call("POST", COURSE, BODY, **bearer)
    assert (status, asserted["asserted_by"]) == (201, "faiza")
    assert server.call("POST", COURSE, BODY, **bearer)[0] == 409
    status, refused = server.call("POST", "/pramaan/v1/certificates/x/revoke", {"reason": "r"}, **bearer)
    assert (status, refused["code"]) == (404, "certificate_not_found")
