"""A platform that runs, as a person and a program meet it."""

import email
import json
import mailbox
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from typing import Any, TypeVar
from urllib.error import HTTPError

from pramaan.settings import Settings
from worlds import PRAMAAN

__all__ = ["Platform", "wait_until"]

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform; what its start printed, and what it reported on the way."""

    settings: Settings
    environment: dict[str, str]
    printed: str = ""
    reported: str = ""

    def pramaan(self, *arguments: str, **environment: str) -> str:
        return self.run(*arguments, **environment).stdout

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(PRAMAAN), *arguments], env=self.environment | environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.settings.airflow_port}"

    def password(self) -> str:
        return str(json.loads((self.settings.secrets / "airflow_passwords.json").read_text())["admin"])

    def token(self) -> str:
        body = {"username": "admin", "password": self.password()}
        return str(_fetch(f"{self.base}/auth/token", body)["access_token"])

    def api(
        self, path: str, body: dict[str, Any] | None = None, *, method: str | None = None
    ) -> dict[str, Any]:
        return _fetch(f"{self.base}/api/v2/{path}", body, token=self.token(), method=method)

    def outbox(self) -> list[EmailMessage]:
        mails = mailbox.Maildir(self.settings.outbox, factory=None, create=False)
        keys = list(mails.iterkeys())
        return [email.message_from_bytes(mails.get_bytes(key), policy=policy.default) for key in keys]

    def status(self, method: str, path: str, **headers: str) -> int:
        request = urllib.request.Request(self.base + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return int(answer.status)
        except HTTPError as refused:
            refused.close()
            return refused.code


def _fetch(
    url: str, body: dict[str, Any] | None, *, token: str = "", method: str | None = None
) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=600) as answer:
        return dict(json.load(answer))


def wait_until(found: Callable[[], Found | None], *, until: Sequence[Found] = ()) -> Found:
    """What `found` gives once it gives something (one of these, where they are given), however long that
    takes.
    """
    while not (value := found()) or (until and value not in until):
        time.sleep(0.5)
    return value
