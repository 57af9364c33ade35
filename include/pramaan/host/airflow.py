"""Airflow on this machine: the environment of its four parts, and how the supervisor starts each.

Airflow itself is only run, never imported. The admin's password is among the home's secrets, in the file that
Airflow's own sign-in reads.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from pramaan.host.home import read_secret, write_private
from pramaan.host.supervisor import Program
from pramaan.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = [
    "AIRFLOW_GROUP",
    "AIRFLOW_PARTS",
    "Connections",
    "admin_password_file",
    "airflow_environment",
    "airflow_programs",
    "first_admin",
    "part_names",
    "working_folder",
]

AIRFLOW_GROUP: Final = "airflow"

AIRFLOW_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
"""Program name -> Airflow's command. The first serves the others, so it stops last. All share one log folder:
none needs to serve logs to a network.
"""

_FORWARDED: Final = (
    *("PRAMAAN_", "AIRFLOW_", "AWS_", "AZURE_", "GOOGLE_", "FSSPEC_", "S3_", "OTEL_", "SSL_", "REQUESTS_CA"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("LANG", "LC_", "HOME"),
)  # fmt: skip
"""What Airflow's processes get of the environment of whoever starts them: by the beginning of its name."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The two databases, as URLs with their passwords: ours, and Airflow's own for SQLAlchemy."""

    pramaan: SecretStr
    airflow: SecretStr


def airflow_environment(
    settings: "Settings",
    *,
    connections: Connections,
    secrets: Mapping[str, str],
    inherited: Mapping[str, str],
    dags_folder: Path = PROJECT_ROOT / "dags",
) -> dict[str, str]:
    """The whole environment of Airflow's processes, secrets included; reads and writes nothing.

    `secrets` maps names of `pramaan.host.home` to values. `inherited` is the environment of whoever starts
    them: `AIRFLOW__...` in it wins over our tuning, never over what ties the parts of this home together.
    """
    # Every command starts with this module, and few of them need the warehouse.
    from pramaan.warehouse.dbt import dbt_environment

    kept = {name: value for name, value in inherited.items() if name.startswith(_FORWARDED)}
    folders = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return (
        {"LANG": "C.UTF-8", "HOME": str(settings.home), "PRAMAAN_SMTP_URL": settings.mail_server_url}
        | _tuning(settings)
        | kept
        | {"PATH": ":".join(folders)}
        | _pramaan_variables(settings, connections)
        | dbt_environment(connections.pramaan.get_secret_value(), target=settings.home / "dbt")
        | _wiring(settings, connections, secrets, dags_folder)
    )


def _tuning(settings: "Settings") -> dict[str, str]:
    return _airflow_variables(
        {
            "CORE": {
                "SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
                "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(admin_password_file(settings)),
                "HOSTNAME_CALLABLE": "socket.gethostname",
                "DAGS_ARE_PAUSED_AT_CREATION": "False",
                "PARALLELISM": "8",
                "DEFAULT_TIMEZONE": "utc",
            },
            "API": {
                "HOST": "127.0.0.1",
                "WORKERS": "1",
                "INSTANCE_NAME": "Pramaan",
                "BASE_URL": f"http://127.0.0.1:{settings.airflow_port}",
            },
            "SCHEDULER": {
                "SCHEDULER_IDLE_SLEEP_TIME": "0.1",
                "SCHEDULER_HEARTBEAT_SEC": "1",
                # A task whose worker was killed is noticed, and tried again, after a minute instead of five.
                "TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
                # And one whose scheduler was killed, which the next scheduler looks for by this clock only.
                "ORPHANED_TASKS_CHECK_INTERVAL": "30",
            },
            # A task's end that falls between two looks is seen at the next: so many seconds later, not five.
            "WORKERS": {"MIN_HEARTBEAT_INTERVAL": "1"},
            "DAG_PROCESSOR": {
                "REFRESH_INTERVAL": "10",
                "MIN_FILE_PROCESS_INTERVAL": "60",
                "PARSING_PROCESSES": "2",
                "PRINT_STATS_INTERVAL": "600",
            },
            "LOGGING": {"LOGGING_LEVEL": "INFO"},
        }
    )


def _wiring(
    settings: "Settings", connections: Connections, secrets: Mapping[str, str], dags_folder: Path
) -> dict[str, str]:
    home = settings.home / "airflow"
    local = f"http://127.0.0.1:{settings.airflow_port}"
    # Airflow's asynchronous driver knows no such option in an address, so it stands here for the others.
    proof = {} if settings.database_url else {"PGREQUIREAUTH": "scram-sha-256"}
    return (
        {"AIRFLOW_HOME": str(home)}
        | proof
        | _airflow_variables(
            {
                "COSMOS": {"CACHE_DIR": str(settings.home / "run" / "cosmos")},
                "CORE": {
                    "DAGS_FOLDER": str(dags_folder),
                    "PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
                    "LOAD_EXAMPLES": "False",
                    "EXECUTOR": "pramaan.orchestration.executor.MortalLocalExecutor",
                    "FERNET_KEY": secrets["airflow_fernet_key"],
                    "EXECUTION_API_SERVER_URL": f"{local}/execution/",
                },
                "API": {"PORT": str(settings.airflow_port), "SECRET_KEY": secrets["airflow_api_secret_key"]},
                "API_AUTH": {"JWT_SECRET": secrets["airflow_jwt_secret"]},
                "DATABASE": {"SQL_ALCHEMY_CONN": connections.airflow.get_secret_value()},
                "LOGGING": {
                    "BASE_LOG_FOLDER": str(settings.home / "logs" / "tasks"),
                    "DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(settings.home / "logs" / "dag-files"),
                },
            }
        )
    )


def _airflow_variables(sections: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"AIRFLOW__{section}__{option}": value
        for section, options in sections.items()
        for option, value in options.items()
    }


def _pramaan_variables(settings: "Settings", connections: Connections) -> dict[str, str]:
    """Every setting as it was resolved here, so that a task needs neither our folder nor our environment."""
    variables: dict[str, str] = {}
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if value not in {None, ""}:
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            variables[f"PRAMAAN_{field.upper()}"] = text
    return variables | {
        "PRAMAAN_DATABASE_URL": connections.pramaan.get_secret_value(),
        "PRAMAAN_LANDING": settings.landing_url,
        "PRAMAAN_STORE": settings.store_url,
        "PRAMAAN_PUBLIC_URL": settings.public_base_url,
    }


def admin_password_file(settings: "Settings") -> Path:
    """The file that Airflow's sign-in reads: JSON, user name -> password."""
    return settings.secrets / "airflow_passwords.json"


def first_admin(environment: Mapping[str, str]) -> str:
    """The first user whom Airflow's own sign-in knows as an admin."""
    users = environment.get("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS") or "admin:admin"
    pairs = (user.strip().rpartition(":") for user in users.split(","))
    return next((name for name, _, role in pairs if role == "admin" and name), "admin")


def airflow_programs(settings: "Settings", *, environment: Mapping[str, str]) -> list[Program]:
    """The four parts for the supervisor; writes their environment and the admin's password, 0600 each.

    A changed environment makes changed programs: its digest is among their options.
    """
    content = json.dumps(environment, sort_keys=True)
    file = settings.home / "run" / "airflow-environment.json"
    write_private(file, content)
    if not admin_password_file(settings).exists():
        passwords = {"admin": read_secret(settings, "airflow_admin_password")}
        write_private(admin_password_file(settings), json.dumps(passwords))
    digest = hashlib.sha256(content.encode()).hexdigest()
    launch = (
        sys.executable,
        "-P",
        "-m",
        "pramaan.host.launch",
        str(file),
        sys.executable,
        "-P",
        "-m",
        "airflow",
    )
    options = {
        "environment": f'PRAMAAN_ENVIRONMENT_DIGEST="{digest}"',
        "startsecs": "5",
        "startretries": "100",
        "stopwaitsecs": "25",
        "stopasgroup": "true",
        "killasgroup": "true",
    }
    return [
        Program(
            name,
            AIRFLOW_GROUP,
            (*launch, *command),
            working_folder(settings, name),
            tuple(options.items()),
        )
        for name, command in AIRFLOW_PARTS.items()
    ]


def part_names() -> list[str]:
    """What the supervisor calls the four parts; the first serves the others."""
    return [f"{AIRFLOW_GROUP}:{name}" for name in AIRFLOW_PARTS]


def working_folder(settings: "Settings", part: str) -> Path:
    """Where one part stands and nothing else does; made when missing."""
    folder = settings.home / "run" / part
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
