import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import of_home, remove, settings_of
from pydantic import SecretStr

from pramaan.host import platform
from pramaan.host.airflow import AIRFLOW_PARTS, Connections, admin_password_file, airflow_environment
from pramaan.settings import Settings

SECRETS = {
    "airflow_fernet_key": "fernet",
    "airflow_jwt_secret": "jwt",
    "airflow_api_secret_key": "key",
}


def _environment(settings: Settings, inherited: dict[str, str]) -> dict[str, str]:
    connections = Connections(
        pramaan=SecretStr("postgresql://pramaan@db/pramaan"),
        airflow=SecretStr("postgresql+psycopg2://airflow@db/airflow"),
    )
    return airflow_environment(settings, connections=connections, secrets=SECRETS, inherited=inherited)


def test_tasks_find_every_setting_resolved() -> None:
    settings = Settings(home=Path("/srv/home"), port_base=30000, database_url=None)

    environment = _environment(settings, {})

    assert environment["PRAMAAN_HOME"] == "/srv/home"
    assert environment["PRAMAAN_DATABASE_URL"] == "postgresql://pramaan@db/pramaan"
    assert environment["PRAMAAN_LANDING"] == "file:///srv/home/landing"
    assert environment["PRAMAAN_STORE"] == "file:///srv/home/store"
    assert environment["PRAMAAN_PUBLIC_URL"] == "http://127.0.0.1:30000/pramaan"
    assert environment["AIRFLOW__API__PORT"] == "30000"
    assert "PYTHONPATH" not in environment


def test_what_is_inherited_wins_over_tuning_but_not_over_wiring() -> None:
    settings = Settings(home=Path("/srv/home"), port_base=30000, database_url=None)
    inherited = {
        "AIRFLOW__CORE__PARALLELISM": "32",
        "AIRFLOW__API__PORT": "1",
        "AIRFLOW_HOME": "/another",
        "AWS_REGION": "ap-south-1",
        "PRAMAAN_SMTP_URL": "smtp://mail.example.org",
        "PYTHONPATH": "/elsewhere",
        "EDITOR": "ed",
    }

    environment = _environment(settings, inherited)

    assert environment["AIRFLOW__CORE__PARALLELISM"] == "32"
    assert environment["AIRFLOW__API__PORT"] == "30000"
    assert environment["AIRFLOW_HOME"] == "/srv/home/airflow"
    assert environment["AWS_REGION"] == "ap-south-1"
    assert environment["PRAMAAN_SMTP_URL"] == "smtp://mail.example.org"
    assert not {"PYTHONPATH", "EDITOR"} & environment.keys()


@pytest.fixture(scope="module")
def airflow_is_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, list[str]]]:
    """Airflow's four parts on a new home, with no DAG; and what was reported meanwhile."""
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "dags").mkdir()
    settings = settings_of(folder / "home")
    lines: list[str] = []
    try:
        platform.start_airflow(settings, report=lines.append, dags_folder=folder / "dags")
        yield settings, lines
    finally:
        remove(settings)


def _pids(settings: Settings) -> dict[str, int]:
    return {record.name: record.pid for record in platform.running(settings) if record.state == "running"}


def _wait_for_another(settings: Settings, name: str, pid: int) -> None:
    deadline = time.monotonic() + 60
    while _pids(settings).get(name, pid) == pid:
        assert time.monotonic() < deadline, f"{name} did not come back"
        time.sleep(0.2)


@pytest.mark.slow
def test_all_parts_get_healthy_and_say_so(airflow_is_up: tuple[Settings, list[str]]) -> None:
    settings, lines = airflow_is_up

    assert set(_pids(settings)) == {"postgres", "mail-server", *(f"airflow:{part}" for part in AIRFLOW_PARTS)}
    assert [part for part in AIRFLOW_PARTS if any(f"{part} is healthy" in line for line in lines)] == [
        *AIRFLOW_PARTS
    ]


@pytest.mark.slow
def test_the_admin_can_sign_in(airflow_is_up: tuple[Settings, list[str]]) -> None:
    settings, _ = airflow_is_up
    password = json.loads(admin_password_file(settings).read_text())["admin"]
    connection = http.client.HTTPConnection("127.0.0.1", settings.airflow_port)

    connection.request(
        "POST",
        "/auth/token",
        body=json.dumps({"username": "admin", "password": password}),
        headers={"Content-Type": "application/json"},
    )
    status = connection.getresponse().status
    connection.close()

    assert status == http.HTTPStatus.CREATED


@pytest.mark.slow
def test_starting_again_leaves_it_as_it_is(airflow_is_up: tuple[Settings, list[str]]) -> None:
    settings, _ = airflow_is_up
    before = _pids(settings)

    platform.start_airflow(settings, report=lambda _: None, dags_folder=settings.home.parent / "dags")

    assert _pids(settings) == before


@pytest.mark.slow
@pytest.mark.parametrize("part", ["triggerer", "scheduler"])
def test_a_killed_part_comes_back_and_its_children_do_not_stay(
    airflow_is_up: tuple[Settings, list[str]], part: str
) -> None:
    settings, _ = airflow_is_up
    name = f"airflow:{part}"
    pid = _pids(settings)[name]
    before = {p.pid for p in of_home(settings) if str(p.folder).endswith(f"run/{part}")}

    os.kill(pid, signal.SIGKILL)
    _wait_for_another(settings, name, pid)

    after = {p.pid for p in of_home(settings) if str(p.folder).endswith(f"run/{part}")}
    assert len(before) > 1
    assert not before & after


@pytest.mark.slow
def test_a_changed_environment_restarts_airflow_only(
    airflow_is_up: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = airflow_is_up
    before = _pids(settings)
    monkeypatch.setenv("PRAMAAN_SMTP_URL", "smtp://user:p%w\"d'@127.0.0.1:2525 ;#")

    platform.start_airflow(settings, report=lambda _: None, dags_folder=settings.home.parent / "dags")

    after = _pids(settings)
    environment = Path(f"/proc/{after['airflow:dag-processor']}/environ").read_bytes().decode().split("\0")
    assert "PRAMAAN_SMTP_URL=smtp://user:p%w\"d'@127.0.0.1:2525 ;#" in environment
    assert after["postgres"] == before["postgres"]
    assert not {name for name, pid in after.items() if name.startswith("airflow:") and before[name] == pid}


@pytest.mark.slow
def test_no_secret_stands_in_a_command_line_or_a_log(airflow_is_up: tuple[Settings, list[str]]) -> None:
    settings, _ = airflow_is_up
    secrets = [path.read_text() for path in settings.secrets.iterdir() if path.suffix == ""]
    logs = [path for path in (settings.home / "logs").rglob("*") if path.is_file()]

    shown = [argument for process in of_home(settings) for argument in process.arguments]
    shown += [log.read_text(errors="replace") for log in logs]

    assert not [text for text in shown for secret in secrets if secret in text]


@pytest.mark.slow
def test_stopping_leaves_no_process(airflow_is_up: tuple[Settings, list[str]]) -> None:
    settings, _ = airflow_is_up
    everything = of_home(settings)
    assert len(everything) > 10

    platform.stop(settings)

    assert of_home(settings) == []
