"""Airflow's parts under the supervisor. After the end-to-end tests, since the last one ends the platform."""

import http.client
import json
import os
import signal
from pathlib import Path

import pytest
from platforms import Platform, wait_until

from host.homes import of_home
from pramaan.host import platform as host
from pramaan.host.airflow import AIRFLOW_PARTS, admin_password_file

pytestmark = pytest.mark.slow


def _pids(platform: Platform) -> dict[str, int]:
    running = host.running(platform.settings)
    return {record.name: record.pid for record in running if record.state == "running"}


def test_all_parts_get_healthy_and_say_so(platform: Platform) -> None:
    said = " ".join(platform.reported.split())

    assert set(_pids(platform)) == {"postgres", "mail-server", *(f"airflow:{part}" for part in AIRFLOW_PARTS)}
    assert [part for part in AIRFLOW_PARTS if f"{part} is healthy" in said] == [*AIRFLOW_PARTS]


def test_the_admin_can_sign_in(platform: Platform) -> None:
    password = json.loads(admin_password_file(platform.settings).read_text())["admin"]
    connection = http.client.HTTPConnection("127.0.0.1", platform.settings.airflow_port)

    connection.request(
        "POST",
        "/auth/token",
        body=json.dumps({"username": "admin", "password": password}),
        headers={"Content-Type": "application/json"},
    )
    status = connection.getresponse().status
    connection.close()

    assert status == http.HTTPStatus.CREATED


def test_starting_again_leaves_it_as_it_is(platform: Platform) -> None:
    before = _pids(platform)

    platform.pramaan("up")

    assert _pids(platform) == before


@pytest.mark.parametrize("part", ["triggerer", "scheduler"])
def test_a_killed_part_comes_back_and_its_children_do_not_stay(platform: Platform, part: str) -> None:
    name = f"airflow:{part}"
    pid = _pids(platform)[name]
    before = {p.pid for p in of_home(platform.settings) if str(p.folder).endswith(f"run/{part}")}

    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _pids(platform).get(name, pid) != pid)

    after = {p.pid for p in of_home(platform.settings) if str(p.folder).endswith(f"run/{part}")}
    assert len(before) > 1
    assert not before & after


def test_a_changed_environment_restarts_airflow_only(platform: Platform) -> None:
    before = _pids(platform)
    server = "smtp://user:p%w\"d'@127.0.0.1:2525 ;#"

    platform.pramaan("up", PRAMAAN_SMTP_URL=server)

    after = _pids(platform)
    environment = Path(f"/proc/{after['airflow:dag-processor']}/environ").read_bytes().decode().split("\0")
    assert f"PRAMAAN_SMTP_URL={server}" in environment
    assert after["postgres"] == before["postgres"]
    assert not {name for name, pid in after.items() if name.startswith("airflow:") and before[name] == pid}


def test_no_secret_stands_in_a_command_line_or_a_log(platform: Platform) -> None:
    settings = platform.settings
    secrets = [path.read_text() for path in settings.secrets.iterdir() if path.suffix == ""]
    logs = [path for path in (settings.home / "logs").rglob("*") if path.is_file()]

    shown = [argument for process in of_home(settings) for argument in process.arguments]
    shown += [log.read_text(errors="replace") for log in logs]

    assert not [text for text in shown for secret in secrets if secret in text]


def test_stopping_leaves_no_process(platform: Platform) -> None:
    """By the command that a person gives."""
    assert len(of_home(platform.settings)) > 10
    assert processes_of(str(platform.settings.home))

    platform.pramaan("down")

    assert of_home(platform.settings) == []
    assert processes_of(str(platform.settings.home)) == []


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
