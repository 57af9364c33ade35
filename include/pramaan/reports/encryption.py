"""Encryption of stored passwords, and links to files, under keys of the home.

A password is needed until the file is built; until then it is stored in the database encrypted (Fernet:
AES-128-CBC with HMAC-SHA-256), so that a copy of the database does not reveal it. A link names its report and
its requester, is signed and dated, needs no sign-in, and expires.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

from pramaan.errors import HostError

__all__ = ["LINK_LIFE", "ReportKey"]

LINK_LIFE: Final = timedelta(days=7)

_SALT: Final = "pramaan.reports.link"


@dataclass(frozen=True, slots=True)
class ReportKey:
    """The home's key for reports, never printed."""

    key: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "ReportKey":
        """Read the key. Raises HostError when it cannot be read."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise HostError(
                f"the key for reports {path} cannot be read; restore it from your backup, or run `pramaan up`"
            ) from error

    def encrypt(self, password: str) -> bytes:
        """Returns the password encrypted; `decrypt` with this key gives it back."""
        from cryptography.fernet import Fernet

        return Fernet(self._fernet_key()).encrypt(password.encode())

    def decrypt(self, encrypted: bytes) -> str:
        """Returns the password. Raises HostError when it was encrypted with another key."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return Fernet(self._fernet_key()).decrypt(encrypted).decode()
        except InvalidToken as error:
            raise HostError("a report's password was encrypted with another key than this home's") from error

    def link_token(self, request_id: UUID, *, requested_by: str) -> str:
        """Returns the token for a link to a report's file."""
        return self._links().dumps([str(request_id), requested_by])

    def read_link_token(self, token: str) -> tuple[UUID, str] | None:
        """Returns the report that a link token names and its requester; None when it is expired or not signed
        by us.
        """
        try:
            request_id, requested_by = self._links().loads(token, max_age=int(LINK_LIFE.total_seconds()))
            return UUID(request_id), str(requested_by)
        except (BadData, ValueError, TypeError, AttributeError):
            return None

    def _links(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})

    def _fernet_key(self) -> bytes:
        return base64.urlsafe_b64encode(hashlib.sha256(b"pramaan report password" + self.key).digest())
