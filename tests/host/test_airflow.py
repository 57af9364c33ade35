from pathlib import Path

from pydantic import SecretStr

from pramaan.host.airflow import Connections, airflow_environment
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
