import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from homes import MakeHome, free_port_base, of_home

from pramaan.errors import HostError, SettingsError
from pramaan.host import platform
from pramaan.host.home import home_id
from pramaan.host.postgres import airflow_database_url, postmaster, superuser_database_url
from pramaan.settings import Settings

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root runs Postgres as another account")


def _value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        assert row is not None
        return row[0]


def _eventually(true: Callable[[], bool], *, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.05)


def _postmaster_id(settings: Settings) -> int:
    found = postmaster(settings.home / "postgres")
    assert found is not None
    return found[0]


def _ensure(settings: Settings) -> str:
    return platform.ensure_database(settings)


def test_a_new_home_gets_a_database_whose_owner_is_no_superuser(home: Settings) -> None:
    url = platform.ensure_database(home)

    assert _value(url, "select current_user || '@' || current_database()") == "pramaan@pramaan"
    assert _value(url, "select rolsuper from pg_roles where rolname = current_user") is False
    assert _value(url, "show fsync") == "on"
    assert _value(url, "show listen_addresses") == "127.0.0.1"
    assert _value(superuser_database_url(home), "show unix_socket_directories") == ""
    assert [record.name for record in platform.running(home)] == ["postgres"]


def test_asking_again_is_quick_and_survives_its_starter(home: Settings) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        url = pool.apply(_ensure, (home,))

    before = {process.pid for process in of_home(home)}
    assert platform.ensure_database(home) == url
    assert {process.pid for process in of_home(home)} >= before, "nothing was started anew"
    assert _value(url, "select 1") == 1


def test_two_at_once_agree(home: Settings) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        urls = pool.map(_ensure, [home] * 4)

    assert len(set(urls)) == 1
    assert len([p for p in of_home(home) if "supervisor.supervisord" in p.arguments]) == 1


def test_the_starter_s_output_is_not_held_open(home: Settings) -> None:
    script = "from pramaan.host import platform, home; from pramaan.settings import load_settings; "
    script += "platform.ensure_database(load_settings())"
    environment = {"PRAMAAN_HOME": str(home.home), "PRAMAAN_PORT_BASE": str(home.port_base)}

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert platform.running(home)


def test_a_role_enters_its_own_database_only(home: Settings) -> None:
    url = platform.ensure_database(home)
    airflow = airflow_database_url(home)

    assert _value(airflow, "select current_user") == "airflow"
    for address in (url.replace("/pramaan", "/airflow"), url.replace("/pramaan", "/postgres")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect("/".join([*url.split("/")[:3], address.rsplit("/", 1)[1]]))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(airflow.rsplit("/", 1)[0] + "/pramaan")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://pramaan:guess@127.0.0.1:{home.postgres_port}/pramaan")


def test_a_killed_server_comes_back_with_what_was_committed(home: Settings) -> None:
    url = platform.ensure_database(home)
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 7 as number")
    first = _postmaster_id(home)

    os.kill(first, signal.SIGKILL)

    _eventually(lambda: (postmaster(home.home / "postgres") or (first,))[0] != first)
    assert _value(platform.ensure_database(home), "select number from kept") == 7


def test_a_killed_supervisor_and_its_orphans_are_replaced(home: Settings) -> None:
    url = platform.ensure_database(home)
    (supervisord,) = [p for p in of_home(home) if "supervisor.supervisord" in p.arguments]
    orphan = _postmaster_id(home)
    os.kill(supervisord.pid, signal.SIGKILL)
    assert platform.running(home) == []
    assert platform.ensure_database(home) == url
    os.kill(orphan, signal.SIGKILL)

    _eventually(lambda: _value(platform.ensure_database(home), "select 1") == 1)

    assert _postmaster_id(home) != orphan
    assert [record.state for record in platform.running(home)] != []


def test_a_lock_file_that_names_another_program_is_no_obstacle(home: Settings) -> None:
    platform.ensure_database(home)
    lock_file = home.home / "postgres" / "postmaster.pid"
    lines = lock_file.read_text().splitlines()
    platform.stop(home)
    with subprocess.Popen(["sleep", "60"], user=(home.home / "postgres").stat().st_uid) as other:
        lock_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        try:
            assert _value(platform.ensure_database(home), "select 1") == 1
        finally:
            other.kill()


def test_stopping_leaves_nothing_and_can_be_repeated(home: Settings) -> None:
    platform.stop(home)
    platform.ensure_database(home)
    assert of_home(home)

    platform.stop(home)
    platform.stop(home)

    assert of_home(home) == []
    assert platform.running(home) == []


def test_stopping_finds_what_lost_its_supervisor(home: Settings) -> None:
    platform.ensure_database(home)
    (supervisord,) = [p for p in of_home(home) if "supervisor.supervisord" in p.arguments]
    os.kill(supervisord.pid, signal.SIGKILL)

    platform.stop(home)

    assert of_home(home) == []


def test_a_home_that_was_deleted_while_it_ran_can_be_stopped_and_made_anew(home: Settings) -> None:
    platform.ensure_database(home)
    shutil.rmtree(home.home)

    assert _value(platform.ensure_database(home), "select 1") == 1
    assert len([p for p in of_home(home) if "supervisor.supervisord" in p.arguments]) == 1

    shutil.rmtree(home.home)
    platform.stop(home)

    assert of_home(home) == []


def test_two_homes_run_side_by_side(make_home: MakeHome, open_folder: Path) -> None:
    one, two = make_home(open_folder / "one"), make_home(open_folder / "two")
    first, second = platform.ensure_database(one), platform.ensure_database(two)

    assert first != second
    platform.stop(one)

    assert of_home(one) == []
    assert _value(second, "select 1") == 1


def test_a_taken_port_is_named_with_what_to_set(home: Settings) -> None:
    with socket.create_server(("127.0.0.1", home.postgres_port)) as other:
        other.settimeout(0)
        with pytest.raises(HostError, match=f"port {home.postgres_port} .* set PRAMAAN_PORT_BASE"):
            platform.ensure_database(home)


def test_another_home_s_server_is_not_taken_for_ours(make_home: MakeHome, open_folder: Path) -> None:
    one = make_home(open_folder / "one")
    two = Settings(home=open_folder / "two", port_base=one.port_base)
    platform.ensure_database(one)

    with pytest.raises(HostError, match="set PRAMAAN_PORT_BASE"):
        platform.ensure_database(two)


def test_a_running_home_asked_for_on_another_port_says_which_it_has(home: Settings) -> None:
    platform.ensure_database(home)
    moved = home.model_copy(update={"port_base": free_port_base()})

    with pytest.raises(HostError, match=f"set PRAMAAN_PORT_BASE to {home.port_base},"):
        platform.ensure_database(moved)


def test_a_long_path_needs_no_longer_socket(make_home: MakeHome, open_folder: Path) -> None:
    settings = make_home(open_folder / ("a" * 60) / "a folder, 100% ours" / ("b" * 60))

    assert _value(platform.ensure_database(settings), "select 1") == 1
    assert platform.running(settings)
    platform.stop(settings)
    assert not Path("/tmp", f"pramaan-{home_id(settings)}").exists()


def test_an_interrupted_initialisation_starts_over(home: Settings) -> None:
    killed = multiprocessing.get_context("spawn").Process(target=_ensure, args=(home,))
    killed.start()
    _eventually(lambda: bool(list(home.home.glob(".postgres-*/data/base"))))
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()

    assert _value(platform.ensure_database(home), "select count(*) from pg_database") == 5
    assert list(home.home.glob(".postgres-*")) == []


@as_root
def test_under_a_closed_folder_the_data_stands_elsewhere_and_nothing_is_opened(
    make_home: MakeHome, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    settings = make_home(closed / "home")

    assert _value(platform.ensure_database(settings), "select 1") == 1

    assert closed.stat().st_mode & 0o777 == 0o700
    assert (settings.home / "postgres").is_symlink()
    platform.stop(settings)
    assert of_home(settings) == []


@as_root
def test_a_link_to_data_that_is_gone_is_no_new_database(make_home: MakeHome, tmp_path: Path) -> None:
    settings = make_home(tmp_path / "home")
    platform.ensure_database(settings)
    platform.stop(settings)
    data = (settings.home / "postgres").resolve()
    aside = data.rename(data.with_name("aside"))

    with pytest.raises(HostError, match=r"bring that folder back"):
        platform.ensure_database(settings)

    aside.rename(data)
    assert _value(platform.ensure_database(settings), "select 1") == 1


def test_no_password_stands_in_a_command_line_or_a_log(home: Settings) -> None:
    url = platform.ensure_database(home)
    _value(superuser_database_url(home), "select 1")
    secrets = [path.read_text() for path in home.secrets.iterdir() if path.suffix != ".key"]

    shown = [argument for process in of_home(home) for argument in process.arguments]
    shown += [log.read_text() for log in (home.home / "logs").iterdir()]

    assert url
    assert not [text for text in shown for secret in secrets if secret in text]


def test_a_failed_statement_leaves_no_row_in_the_log(home: Settings) -> None:
    with psycopg.connect(platform.ensure_database(home), autocommit=True) as connection:
        connection.execute("create table people (email text primary key)")
        connection.execute("insert into people values ('asha@example.org')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into people values ('asha@example.org')")

    log = (home.home / "logs" / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert "asha" not in log


def test_a_given_database_is_used_and_nothing_is_started(open_folder: Path) -> None:
    settings = Settings(home=open_folder / "home", database_url="postgresql://elsewhere/pramaan")

    assert platform.ensure_database(settings) == "postgresql://elsewhere/pramaan"
    assert platform.running(settings) == []
    assert of_home(settings) == []


def test_a_given_database_needs_airflow_s_own_too(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    settings = Settings(home=open_folder / "home", database_url="postgresql://elsewhere/pramaan")

    with pytest.raises(SettingsError, match="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        platform.start_airflow(settings, report=lambda _: None)
