"""Certificate ids, and where a PDF lies. An id is an HMAC of (user, course, batch, sequence) under the home's
key.

The same on every retry, not to be guessed without the key. HMAC-SHA-256 (RFC 2104), the first 128 bits, in
hex. The message is the concatenation of the SHA-256 of each part, so that no two keys can share one.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from pramaan.errors import HostError

__all__ = ["IdentityKey", "certificate_path"]

_ID_HEX_DIGITS = 32


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """The home's key, never printed."""

    key: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "IdentityKey":
        """Raises HostError when the key is missing: a new one would give every certificate a second id."""
        try:
            key = path.read_bytes()
        except OSError as error:
            raise HostError(
                f"the certificate key {path} cannot be read; restore it from your backup, or run "
                "`pramaan up` if this home has never issued anything"
            ) from error
        return cls(key)

    @property
    def fingerprint(self) -> str:
        """Tells this key from another without telling it."""
        return hashlib.sha256(b"pramaan certificate_id.key" + self.key).hexdigest()

    def certificate_id(self, user_id: str, course_id: str, batch_id: str, *, sequence: int = 1) -> str:
        """The id of the sequence-th certificate of a completion."""
        parts = (user_id, course_id, batch_id, str(sequence))
        message = b"".join(hashlib.sha256(part.encode()).digest() for part in parts)
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()[:_ID_HEX_DIGITS]


def certificate_path(certificate_id: str, *, sha256: str) -> str:
    """Where a PDF of a certificate lies in the store.

    The content hash is part of the name: a worker that lost its lease and comes late with older facts cannot
    write over what was recorded. Spread over 256 folders, which listings bear better than one.
    """
    return f"certificates/{certificate_id[:2]}/{certificate_id}.{sha256[:16]}.pdf"
