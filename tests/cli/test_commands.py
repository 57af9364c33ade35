"""The commands as a person meets them: help, one clear message for a mistake, figures for programs."""

import json
import os
import re
from pathlib import Path

import pytest
from people import call, call_process

from pramaan.settings import PROJECT_ROOT, Settings
from worlds import drop_finishers


@pytest.fixture
def board(tmp_path: Path) -> Path:
    file = tmp_path / "board.json"
    file.write_text(json.dumps({
        "id": "board", "tenant_id": "t", "name": "State Board", "url": "https://board.example",
        "signatory": {"name": "Dr Rao", "designation": "Director"},
        "signature": str(PROJECT_ROOT / "include" / "pramaan" / "sample_signature.png"),
    }))  # fmt: skip
    return file


def feeds(settings: Settings, tmp_path: Path, count: int) -> Path:
    """A folder of feeds, as somebody would bring it."""
    brought = tmp_path / "brought"
    drop_finishers(settings.model_copy(update={"landing": f"file://{brought}"}), tmp_path, count)
    return brought


def test_every_command_has_help_and_stands_in_the_readme() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    listed = call_process({"PATH": os.environ["PATH"]}, "--help").stdout
    names = [line.split()[0] for line in listed.partition("Commands:")[2].splitlines() if line.strip()]
    assert len(names) >= 9
    for name in names:
        assert re.search(rf"pramaan {name}\b|`{name}`", readme), name
        helped = call({}, name, "--help")
        assert helped.stdout
        assert helped.returncode == 0


def test_feeds_to_certificates_by_four_commands(
    environment: dict[str, str], settings: Settings, tmp_path: Path, board: Path
) -> None:
    brought = feeds(settings, tmp_path, 3)
    loaded = call_process(environment, "load", brought, "--json")
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["totals"]["decisions"] == {"no_certificate_at_completion": 3}
    assert call_process(environment, "issuer", "add", board).returncode == 0
    attached = call_process(
        environment,
        *("attach", "c", "--template", "classic", "--issuer", "board", "--notify"),
        *("--from", "2026-01-01T00:00:00Z", "--reason", "import of history"),
    )
    assert attached.returncode == 0, attached.stderr
    issued = json.loads(call_process(environment, "issue", "--history", "--json").stdout)
    assert issued["totals"]["certificates"] == {"issued": 3}
    again = json.loads(call_process(environment, "load", brought, "--json").stdout)
    assert (again["run"]["files_known"], again["run"]["rows_loaded"]) == (5, 0)
    assert again["totals"]["certificates"] == {"issued": 3}


def test_a_load_in_the_foreground_takes_telemetry_along(
    environment: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    brought = feeds(settings, tmp_path, 1)
    (brought / "telemetry").mkdir()
    (brought / "telemetry" / "events.jsonl").write_text('{"mid":"m","eid":"X","ets":1769860800123}\n')
    loaded = call(environment, "load", brought, "--json")
    assert loaded.returncode == 0, loaded.stderr
    said = json.loads(loaded.stdout)
    assert (said["run"]["files_loaded"], said["totals"]["rows"]["telemetry"]) == (6, 1)
    seen = json.loads(call(environment, "status", "--json").stdout)
    assert (seen["waiting"]["files"], set(seen["due"].values())) == (0, {0})


MISTAKES = {
    "unknown course": (
        ("attach", "nowhere", "--template", "classic", "--issuer", "x"),
        "there is no course nowhere",
    ),
    "unknown template": (("attach", "c", "--template", "none", "--issuer", "x"), "none"),
    "path as template": (("attach", "c", "--template", "../../dbt", "--issuer", "x"), "template"),
    "past without reason": (
        ("attach", "c", "--template", "classic", "--issuer", "x", "--from", "2020-01-01T00:00:00Z"),
        "--reason",
    ),
    "instant without zone": (("detach", "c", "--from", "2020-01-01T00:00:00"), "no time zone"),
    "nothing attached": (("detach", "c"), "no certificate in force"),
    "no feeds": (("load", "/proc/self/fdinfo"), "holds no feeds"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_message_and_no_traceback(case: str, environment: dict[str, str]) -> None:
    arguments, said = MISTAKES[case]
    done = call(environment, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("not json", "Invalid JSON"),
        ('{"id": "b", "tenant_id": "t", "name": "B", "colour": "red"}', "colour"),
        ('{"id": "b", "tenant_id": "t", "name": "B", "signature": "none.png"}', "none.png"),
        ('{"id": "b", "tenant_id": "t"}', "name"),
    ],
)
def test_a_wrong_issuer_file_is_told_by_its_field(
    document: str, said: str, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "issuer.json"
    file.write_text(document)
    done = call(environment, "issuer", "add", file)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_status_for_people_hides_the_password_and_for_programs_tells_it(environment: dict[str, str]) -> None:
    seen = json.loads(call(environment, "status", "--json").stdout)
    password = seen["database_url"].split(":")[2].split("@")[0]
    assert {"landing", "store", "outbox", "airflow", "waiting", "failed", "processes"} <= set(seen)
    assert password not in call(environment, "status").stdout


def test_a_wrong_setting_names_the_variable(environment: dict[str, str]) -> None:
    done = call(environment | {"PRAMAAN_TIMEZONE": "Mars/Olympus"}, "status")
    assert done.returncode == 1
    assert "PRAMAAN_TIMEZONE" in done.stderr


@pytest.mark.parametrize(
    "address", ["certs.example.org/pramaan", "https://certs.example.org", "https://xn--/p?a=1"]
)
def test_a_published_address_that_would_lead_nowhere_is_refused(
    address: str, environment: dict[str, str]
) -> None:
    done = call(environment | {"PRAMAAN_PUBLIC_URL": address}, "issue")
    assert done.returncode == 1
    assert "PRAMAAN_PUBLIC_URL" in done.stderr


def test_another_home_s_key_is_refused_by_the_database(environment: dict[str, str], tmp_path: Path) -> None:
    assert call(environment, "issue").returncode == 0
    done = call(environment | {"PRAMAAN_HOME": str(tmp_path / "other")}, "issue")
    assert done.returncode == 1
    assert "restore that key" in done.stderr


def test_psql_opens_this_database_without_showing_the_password(environment: dict[str, str]) -> None:
    done = call_process(environment, "psql", "-At", "-c", "select current_database()")
    assert done.stdout.strip() == environment["PRAMAAN_DATABASE_URL"].rpartition("/")[2]


def test_psql_needs_none_on_the_path(environment: dict[str, str], tmp_path: Path) -> None:
    done = call_process(environment | {"PATH": str(tmp_path)}, "psql", "-At", "-c", "select 1")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
