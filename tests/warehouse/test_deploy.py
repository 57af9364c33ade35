"""A database's rules are those of the project: deployed once, and again when it changes or broke off."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rule_tables import kept, rebuilt

from pramaan.database.connect import Connection
from pramaan.errors import DatabaseError
from pramaan.settings import Settings
from pramaan.warehouse.dbt import DBT_PROJECT, dbt_environment, deploy_if_changed, run_dbt

pytestmark = pytest.mark.slow


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@pytest.fixture
def target(session_settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """A home's dbt folder, as deploying to this test's database left it."""
    folder = tmp_path / "dbt"
    another = shutil.ignore_patterns("partial_parse.msgpack")  # of another address
    shutil.copytree(session_settings.home / "dbt", folder, dirs_exist_ok=True, ignore=another)
    yield folder
    shutil.rmtree(folder)


def deployed_at(connection: Connection) -> object:
    return connection.execute("select deployed_at from ops.deployments where name = 'dbt'").fetchone()


def written_at(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_second_call_is_quick_and_does_nothing(url: str, target: Path, connection: Connection) -> None:
    before = deployed_at(connection)
    written = written_at(target)
    assert deploy_if_changed(url, target=target) is False
    assert deployed_at(connection) == before
    # What takes long is dbt, and that leaves a log whatever it does.
    assert written_at(target) == written


def test_another_project_is_deployed(url: str, target: Path, connection: Connection) -> None:
    connection.execute("update ops.deployments set fingerprint = 'of another project' where name = 'dbt'")
    connection.execute("update ops.rule_statements set statement = 'select of another project'")
    assert deploy_if_changed(url, target=target) is True
    assert kept(connection) == rebuilt(connection)
    assert deploy_if_changed(url, target=target) is False


def test_a_view_that_lost_a_column_is_replaced(url: str, target: Path, connection: Connection) -> None:
    connection.execute("update ops.deployments set fingerprint = 'of another project' where name = 'dbt'")
    connection.execute("drop view staging.stg_attachments cascade")
    connection.execute("create view staging.stg_attachments as select 1 as of_another_project")
    assert deploy_if_changed(url, target=target) is True
    assert kept(connection) == rebuilt(connection)


def test_a_deployment_that_broke_off_is_made_good(url: str, target: Path, connection: Connection) -> None:
    connection.execute("update ops.deployments set fingerprint = 'of another project' where name = 'dbt'")
    connection.execute("alter table registry.printable_code_points rename to printable_away")
    with pytest.raises(DatabaseError, match="fct_certificate_decisions"):
        deploy_if_changed(url, target=target)
    assert deployed_at(connection) is None
    connection.execute("alter table registry.printable_away rename to printable_code_points")
    assert deploy_if_changed(url, target=target) is True
    assert kept(connection) == rebuilt(connection)


def test_a_manifest_that_was_cleared_away_is_written_again(
    url: str, target: Path, connection: Connection
) -> None:
    before = deployed_at(connection)
    shutil.rmtree(target / "target")
    (target / "manifest.json").unlink()
    assert deploy_if_changed(url, target=target) is False
    assert json.loads((target / "manifest.json").read_text())["nodes"]
    assert deployed_at(connection) == before


def test_what_another_dbt_writes_is_not_what_airflow_parses(url: str, target: Path) -> None:
    deploy_if_changed(url, target=target)
    (target / "target" / "manifest.json").write_text('{"half":')
    assert json.loads((target / "manifest.json").read_text())["nodes"]


def test_an_empty_build_cannot_deploy_rules_that_decide_nothing(
    url: str, target: Path, connection: Connection
) -> None:
    before = connection.execute("select * from ops.rule_statements order by model").fetchall()
    with pytest.raises(DatabaseError, match="--empty"):
        run_dbt(["run", "--empty"], url=url, target=target)
    assert connection.execute("select * from ops.rule_statements order by model").fetchall() == before


def test_dbt_takes_the_whole_address(tmp_path: Path) -> None:
    address = "postgresql://a%40b:p%2Fw@db.example:6543/state?sslmode=verify-full&sslrootcert=/ca.pem"
    environment = dbt_environment(address, target=tmp_path)
    assert environment["PRAMAAN_DBT_HOST"] == "db.example"
    assert environment["PRAMAAN_DBT_PORT"] == "6543"
    assert environment["PRAMAAN_DBT_USER"] == "a@b"
    assert environment["DBT_ENV_SECRET_PRAMAAN_PASSWORD"] == "p/w"
    assert environment["PRAMAAN_DBT_DATABASE"] == "state"
    assert environment["PGSSLMODE"] == "verify-full"
    assert environment["PGSSLROOTCERT"] == "/ca.pem"
    assert environment["DBT_PROJECT_DIR"] == str(DBT_PROJECT)
