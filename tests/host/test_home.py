import concurrent.futures
import stat
from pathlib import Path

import pytest

from pramaan.errors import HostError
from pramaan.host.home import home_id, prepare_home, read_secret, write_private
from pramaan.settings import Settings


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_gets_its_folders_and_secrets_for_its_owner_only(home: Settings) -> None:
    prepare_home(home)

    assert sorted(folder.name for folder in (home.home / "landing").iterdir()) == sorted(
        ["users", "courses", "batches", "enrolments", "progress", "telemetry"]
    )
    assert _mode(home.secrets) == 0o700
    assert _mode(home.home / "landing") == 0o700
    assert {_mode(secret) for secret in home.secrets.iterdir()} == {0o600}
    assert len((home.secrets / "certificate_id.key").read_bytes()) == 32


def test_preparing_again_changes_nothing(home: Settings) -> None:
    prepare_home(home)
    before = {path: path.read_bytes() for path in home.secrets.iterdir()}
    name = home_id(home)

    prepare_home(home)

    assert {path: path.read_bytes() for path in home.secrets.iterdir()} == before
    assert home_id(home) == name


def test_many_at_once_agree_on_every_secret(home: Settings) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        passwords = list(pool.map(lambda _: read_secret(home, "database_owner_password"), range(32)))

    assert len(set(passwords)) == 1
    assert not [path for path in home.secrets.iterdir() if path.name.startswith(".")]


def test_landing_and_store_elsewhere_get_no_folder_here(open_folder: Path) -> None:
    settings = Settings(home=open_folder / "home", landing="s3://bucket/in", store="s3://bucket/out")

    prepare_home(settings)

    assert not (settings.home / "landing").exists()
    assert not (settings.home / "store").exists()


def test_a_home_that_cannot_be_written_is_named_with_what_to_do(open_folder: Path) -> None:
    (open_folder / "file").write_text("")
    settings = Settings(home=open_folder / "file" / "home")

    with pytest.raises(HostError, match=r"cannot use .*file/home.*set PRAMAAN_HOME"):
        prepare_home(settings)


def test_a_private_file_is_replaced_whole(open_folder: Path) -> None:
    write_private(open_folder / "file", "one")
    write_private(open_folder / "file", "two")

    assert (open_folder / "file").read_text() == "two"
    assert _mode(open_folder / "file") == 0o600
    assert [path.name for path in open_folder.iterdir()] == ["file"]
