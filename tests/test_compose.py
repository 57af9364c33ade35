"""docker-compose.yml, the Dockerfile and .env: valid, hardened, free of secrets, as on a single machine."""

import base64
import importlib.resources
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from pramaan.host.airflow import AIRFLOW_PARTS, Connections, admin_password_file, airflow_environment
from pramaan.host.airflow_health import POOLS
from pramaan.host.platform import ensure_database, stop
from pramaan.host.postgres import superuser_database_url
from pramaan.host.postgres_binaries import find_binaries
from pramaan.settings import PROJECT_ROOT, Settings

HOME = Path("/srv/pramaan")
ONE_SHOT = {"init"}
SECRETS = {
    "airflow_fernet_key": "${AIRFLOW_FERNET_KEY:?run make env}",
    "airflow_jwt_secret": "${AIRFLOW_JWT_SECRET:?run make env}",
    "airflow_api_secret_key": "${AIRFLOW_API_SECRET_KEY:?run make env}",
}
OF_AIRFLOW_AND_DBT = ("AIRFLOW_", "DBT_", "PRAMAAN_DBT_", "PG")
AIRFLOW_URL = "postgresql+psycopg2://airflow:${AIRFLOW_DATABASE_PASSWORD:?run make env}@postgres:5432/airflow"
OTHER_IN_CONTAINERS = {
    "DBT_ENV_SECRET_PRAMAAN_PASSWORD": "${PRAMAAN_DATABASE_PASSWORD:?run make env}",
    "DBT_PROJECT_DIR": "/opt/pramaan/dbt",
    "DBT_PROFILES_DIR": "/opt/pramaan/dbt",
    "AIRFLOW__API__HOST": "0.0.0.0",
    "AIRFLOW__API__BASE_URL": "${PRAMAAN_BASE_URL:-http://127.0.0.1:18080}",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://api-server:18080/execution/",
    "AIRFLOW__CORE__DAGS_FOLDER": "/opt/pramaan/dags",
    "AIRFLOW__CORE__PLUGINS_FOLDER": "/opt/pramaan/plugins",
}


def test_the_image_is_that_of_this_version(compose: dict[str, Any]) -> None:
    version = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {service.get("image") for service in compose["services"].values()}
    assert f"pramaan:{version}" in images
    assert [image for image in images if str(image).startswith("pramaan:")] == [f"pramaan:{version}"]
    assert (PROJECT_ROOT / "CHANGELOG.md").read_text().split("\n## ")[1].startswith(version)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as compose reads it, anchors merged, variables not yet replaced."""
    return yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its services by name."""
    return compose["services"]


def _platform(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if service["image"].startswith("pramaan:")}


def test_it_is_a_valid_compose_file(compose: dict[str, Any]) -> None:
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"

    jsonschema.validate(compose, json.loads((schemas / "compose-spec.json").read_text(encoding="utf-8")))


def test_airflows_parts_are_those_of_a_single_machine(services: dict[str, dict[str, Any]]) -> None:
    commands = {
        name: service["command"] for name, service in _platform(services).items() if name not in ONE_SHOT
    }

    assert commands == {name: ["airflow", *command] for name, command in AIRFLOW_PARTS.items()}


def test_airflow_is_set_as_on_a_single_machine(services: dict[str, dict[str, Any]]) -> None:
    inside = "postgresql://pramaan:PASSWORD@postgres:5432/pramaan"
    here = airflow_environment(
        Settings(home=HOME),
        connections=Connections(pramaan=SecretStr(inside), airflow=SecretStr(AIRFLOW_URL)),
        secrets=SECRETS,
        inherited={},
    )
    expected = {name: value for name, value in here.items() if name.startswith(OF_AIRFLOW_AND_DBT)}

    for name, service in _platform(services).items():
        environment = service["environment"].items()
        set_there = {key: value for key, value in environment if key.startswith(OF_AIRFLOW_AND_DBT)}
        set_there.pop("AIRFLOW_ADMIN_PASSWORD", None)
        assert set_there == expected | OTHER_IN_CONTAINERS, name


def test_every_pool_of_a_dag_is_made_in_containers_and_on_a_single_machine() -> None:
    """Tasks of a pool that is not there are never scheduled, and nothing says so."""
    dags = "".join(path.read_text() for path in (PROJECT_ROOT / "dags").glob("*.py"))
    script = (PROJECT_ROOT / "include" / "docker" / "init.sh").read_text()
    used = set(re.findall(r'pool="(\w+)"', dags))

    assert used == set(POOLS) == set(re.findall(r"airflow pools set (\w+) ", script))


def test_the_home_is_that_of_the_image(services: dict[str, dict[str, Any]]) -> None:
    assert f"PRAMAAN_HOME={HOME}" in _dockerfile()
    assert {service["environment"]["PRAMAAN_HOME"] for service in _platform(services).values()} == {str(HOME)}
    assert admin_password_file(Settings(home=HOME)) == HOME / "secrets" / "airflow_passwords.json"


def test_every_service_is_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        user = service["user"].partition(":")[0]
        assert user.isdecimal(), name
        assert int(user) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert not {"privileged", "cap_add", "network_mode", "pid", "env_file"} & service.keys(), name


def test_nothing_is_published_beyond_this_machine_unless_asked(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith(("127.0.0.1:", "${PRAMAAN_BIND:-127.0.0.1}:")) for port in published)
    assert "ports" not in services["postgres"]


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    for name in services.keys() - ONE_SHOT - {"api-server"}:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
    assert "healthcheck" not in services["api-server"]
    assert "HEALTHCHECK" in _dockerfile()


def test_services_wait_for_what_they_need(services: dict[str, dict[str, Any]]) -> None:
    for name, service in _platform(services).items():
        waits = {other: wait["condition"] for other, wait in service["depends_on"].items()}
        assert waits["postgres"] == "service_healthy", name
        if name not in ONE_SHOT:
            assert waits["init"] == "service_completed_successfully", name


def test_every_volume_is_declared_and_none_without_a_use(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    used = {v.partition(":")[0] for service in services.values() for v in service.get("volumes", [])}

    assert {volume for volume in used if not volume.startswith("./")} == compose["volumes"].keys()
    assert all((PROJECT_ROOT / volume).is_dir() for volume in used if volume.startswith("./"))


def test_every_image_has_a_version(services: dict[str, dict[str, Any]]) -> None:
    images = {service["image"] for service in services.values()} | set(
        re.findall(r"^FROM (\S+)", _dockerfile(), re.MULTILINE)
    )

    assert all(re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", image) for image in images), images


def test_every_secret_is_required_from_the_environment(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|SECRET|_KEY$", key):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name}: {key}"
            assert not re.search(r"://[^/@$]*:[^/@$]+@", str(value)), f"{name}: {key}"


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    example = _variables((PROJECT_ROOT / ".env.example").read_text(encoding="utf-8"))
    text = (PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))

    assert example.keys() == required | set(re.findall(r"\$\{(\w+):-", text))
    assert {name for name, value in example.items() if not value} == required


def test_make_env_fills_in_random_secrets_once(tmp_path: Path) -> None:
    script = tmp_path / "include" / "docker" / "make-env.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "include" / "docker" / "make-env.sh", script)
    shutil.copy(PROJECT_ROOT / ".env.example", tmp_path)

    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    written = (tmp_path / ".env").read_text(encoding="utf-8")
    subprocess.run(["bash", str(script)], check=True, capture_output=True)

    variables = _variables(written)
    secrets = [value for name, value in variables.items() if re.search(r"PASSWORD|SECRET|FERNET", name)]
    assert (tmp_path / ".env").read_text(encoding="utf-8") == written
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert len(base64.urlsafe_b64decode(variables["AIRFLOW_FERNET_KEY"])) == 32
    assert all(re.fullmatch(r"[\w-]{43}=?|[\w-]{64}", secret) for secret in secrets)
    assert len(variables["AIRFLOW_JWT_SECRET"]) == 64
    assert len(set(secrets)) == len(secrets) == 7


@pytest.mark.slow
def test_the_database_volume_begins_with_both_roles_and_databases(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port_base=_free_port() - 1)
    ensure_database(settings)
    try:
        url = superuser_database_url(settings)
        given = conninfo_to_dict(url)
        with psycopg.connect(url, autocommit=True) as server:
            for name in ("pramaan", "airflow"):
                server.execute(f"drop database {name}")
                server.execute(f"drop role {name}")
        environment = {
            "PATH": f"{find_binaries(None).folder}:{os.environ['PATH']}",
            "PGHOST": str(given["host"]),
            "PGPORT": str(given["port"]),
            "PGPASSWORD": str(given["password"]),
            "POSTGRES_USER": str(given["user"]),
            "PRAMAAN_DATABASE_PASSWORD": "it's-one",
            "AIRFLOW_DATABASE_PASSWORD": "another",
        }
        script = PROJECT_ROOT / "include" / "docker" / "postgres" / "10-databases.sh"

        subprocess.run([str(script)], env=environment, check=True, capture_output=True)

        for name, password in (("pramaan", "it's-one"), ("airflow", "another")):
            own = make_conninfo(url, user=name, dbname=name, password=password)
            with psycopg.connect(own) as connection:
                connection.execute("create table proof (id int)")
    finally:
        stop(settings)
        shutil.rmtree((settings.home / "postgres").resolve(), ignore_errors=True)


def test_the_image_is_set_up_by_the_script_of_a_fresh_clone() -> None:
    steps = [line.split("&&")[0].strip() for line in _dockerfile().splitlines()]
    system = steps.index("RUN bash setup.sh system")
    user = steps.index("USER 10001:10001")
    python = next(number for number, line in enumerate(steps) if line.endswith("bash setup.sh python"))

    assert system < user < python
    assert not [line for line in steps[user + 1 :] if line.startswith("USER")]
    assert not re.search(r"^(ARG|ENV).*(PASSWORD|SECRET|TOKEN)", _dockerfile(), re.MULTILINE)


def test_only_what_runs_goes_into_the_image() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    assert patterns[0] == "*"
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == {
        *("dags", "dbt", "include", "plugins", "templates"),
        *("pyproject.toml", "requirements.txt", "setup.sh", "system-packages.txt"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _dockerfile() -> str:
    return (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8")


def _variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
