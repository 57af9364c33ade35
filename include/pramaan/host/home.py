"""The home folder: its skeleton, its identity and its generated secrets.

    home_id            random name of this home, safe in paths and process names
    secrets/           0700, one file a secret, 0600
    landing/<feed>/    where feeds are dropped, unless PRAMAAN_LANDING points elsewhere
    store/             PDFs and reports, unless PRAMAAN_STORE points elsewhere
    outbox/            Maildir of the embedded mail server
    logs/ airflow/     logs and Airflow's own folder
    run/               configuration and working folders of the supervised processes
    postgres/          the embedded Postgres; as root it can be a link, see `pramaan.host.cluster`

The home itself can be passed through but not listed by other accounts; what it holds is its owner's only.
"""

import base64
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pramaan.errors import HostError

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["SecretName", "home_id", "prepare_home", "read_secret", "write_private"]

SecretName = Literal[
    "database_owner_password",
    "database_superuser_password",
    "airflow_database_password",
    "airflow_admin_password",
    "airflow_fernet_key",
    "airflow_jwt_secret",
    "airflow_api_secret_key",
]


def _password() -> bytes:
    return secrets.token_urlsafe(32).encode()


def _jwt_secret() -> bytes:
    """64 characters: what HMAC with SHA-512, which Airflow signs with, asks of a key (RFC 7518, 3.2)."""
    return secrets.token_urlsafe(48).encode()


def _signing_key() -> bytes:
    """An Ed25519 private key, as PEM."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _fernet_key() -> bytes:
    return base64.urlsafe_b64encode(secrets.token_bytes(32))


_SECRETS: Final[dict[str, Callable[[], bytes]]] = {
    "database_owner_password": _password,
    "database_superuser_password": _password,
    "airflow_database_password": _password,
    "airflow_admin_password": _password,
    "airflow_fernet_key": _fernet_key,
    "airflow_jwt_secret": _jwt_secret,
    "airflow_api_secret_key": _password,
    "certificate_id.key": lambda: secrets.token_bytes(32),
    "token_signing.key": _signing_key,
    "form_token.key": _password,
    "report.key": lambda: secrets.token_bytes(32),
}


def prepare_home(settings: "Settings") -> None:
    """Create whatever the home lacks; what is there stays as it is.

    Safe to repeat and safe in several processes at once: all of them end up with the same secrets.

    Raises HostError when a folder cannot be written, naming it.
    """
    home = settings.home
    try:
        if not home.is_dir():
            home.mkdir(parents=True, exist_ok=True)
            home.chmod(0o711)
        for folder in _private_folders(settings):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
        _create_once(home / "home_id", lambda: secrets.token_hex(8).encode())
        for name, generate in _SECRETS.items():
            _create_once(settings.secrets / name, generate)
    except OSError as error:
        raise _unwritable(home, error) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise _unwritable(home, PermissionError(13, "Permission denied"))


def home_id(settings: "Settings") -> str:
    """The random name of this home: 16 hexadecimal digits.

    Raises HostError when the home cannot be prepared.
    """
    return _read(settings, settings.home / "home_id").decode()


def read_secret(settings: "Settings", name: SecretName) -> str:
    """A generated secret of this home, created when it is not there yet.

    Raises HostError when the home cannot be prepared or the secret cannot be read.
    """
    return _read(settings, settings.secrets / name).decode()


def write_private(path: Path, content: str) -> None:
    """Write `content` to `path`, 0600, in one step: a reader sees the old file or the new one."""
    temporary = _temporary(path, content.encode())
    temporary.replace(path)


def _private_folders(settings: "Settings") -> list[Path]:
    home = settings.home
    folders = [home / name for name in ("secrets", "logs", "airflow", "run", "dbt", "fonts")]
    folders += [settings.outbox, *(settings.outbox / name for name in ("tmp", "new", "cur"))]
    if not settings.store:
        folders.append(home / "store")
    if not settings.landing and not (home / "landing").exists():
        # Once: whoever only looks up a grant need not know the feeds.
        from pramaan.feeds.spec import FEEDS

        folders += [home / "landing", *(home / "landing" / feed for feed in FEEDS)]
    return folders


def _read(settings: "Settings", path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        prepare_home(settings)
        return path.read_bytes()
    except OSError as error:
        raise _unwritable(path, error) from error


def _create_once(path: Path, generate: Callable[[], bytes]) -> None:
    """Linking a finished file fails if the name exists: the first process wins, none reads half a file."""
    if path.exists():
        return
    temporary = _temporary(path, generate())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _temporary(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _unwritable(path: Path, error: OSError) -> HostError:
    where = error.filename or path
    return HostError(
        f"cannot use {where}: {error.strerror}. Let this account read and write the home folder "
        f"{path}, or set PRAMAAN_HOME to a folder of its own"
    )
