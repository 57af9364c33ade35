"""The account that Postgres runs as: our own, unless we are root, which Postgres refuses."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pramaan.errors import HostError

__all__ = ["Account", "can_reach", "run_as", "server_account"]

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """Another account of this machine that we, as root, start processes as."""

    name: str
    user_id: int
    group_id: int

    def own(self, path: Path) -> None:
        """Give `path` itself to this account; a link is not followed."""
        os.chown(path, self.user_id, self.group_id, follow_symlinks=False)


def server_account() -> Account | None:
    """`postgres`, else `nobody`, when we are root; None when Postgres can run as ourselves.

    Raises HostError when we are root and the machine has neither.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, user_id=entry.pw_uid, group_id=entry.pw_gid)
    raise HostError(
        "Postgres does not run as root, and this machine has no account `postgres` or `nobody`: "
        "add one with `useradd --system postgres`, or run as a plain user"
    )


def run_as(
    account: Account | None, command: list[str], *, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end as `account`, with a bare environment, from the root folder.

    Raises OSError when the account cannot execute it.
    """
    if account is None:
        return subprocess.run(  # noqa: S603 - every command is built here from absolute paths
            command, input=stdin, capture_output=True, text=True, cwd="/", env=_ENVIRONMENT, check=False
        )
    return subprocess.run(  # noqa: S603 - the same
        command,
        input=stdin,
        capture_output=True,
        text=True,
        cwd="/",
        env=_ENVIRONMENT,
        check=False,
        user=account.user_id,
        group=account.group_id,
        extra_groups=[],
    )


def can_reach(account: Account | None, folder: Path) -> bool:
    """Whether `account` can pass through every parent of `folder` and write in it: asked of the kernel."""
    try:
        return run_as(account, ["/usr/bin/test", "-w", str(folder)]).returncode == 0
    except OSError:
        return False
