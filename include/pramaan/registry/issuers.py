"""Issuers: a tenant's issuing bodies, each detail and signature versioned (tables `registry.issuers`,
`issuer_versions`, `images`).

A version is never changed. A new one closes the issuer's open attachments and opens their successors in the
same transaction, so that the attachment alone says what was in force at any instant.
"""

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from typing import cast

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry import attachments

__all__ = ["Issuer", "Signature", "check_signature", "record_issuer", "signature_image"]

_MAX_SIGNATURE_BYTES = 200_000
_MAX_SIGNATURE_PIXELS = 4_000_000
_FORMATS = ("PNG", "JPEG")
_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg"}
"""MPO is a JPEG with further pictures behind the first, as telephones make them."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature image as it was handed in, checked."""

    media_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The content hash under which it is kept."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Issuer:
    """The details of an issuer, of which each change makes a version."""

    issuer_id: str
    tenant_id: str
    name: str
    url: str | None = None
    email: str | None = None
    signatory_name: str | None = None
    signatory_designation: str | None = None
    signature: Signature | None = None


def check_signature(content: bytes) -> Signature:
    """Accept a PNG or JPEG by what it is, not by what it is called.

    Raises RegistryError (`signature_too_large`, `signature_not_an_image`).
    """
    if len(content) > _MAX_SIGNATURE_BYTES:
        raise RegistryError(
            "signature_too_large",
            f"the signature has {len(content)} bytes; {_MAX_SIGNATURE_BYTES} are accepted",
        )
    if b"<svg" in content[:1000]:
        raise RegistryError(
            "signature_not_an_image", "SVG signatures are not taken yet; hand it in as PNG or JPEG"
        )
    return Signature(_media_type(content), content)


def _media_type(content: bytes) -> str:
    """Read the whole image, once its header claims no more pixels than are accepted."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
        with image:
            if image.width * image.height > _MAX_SIGNATURE_PIXELS:
                raise _too_many_pixels()
            image.load()
            return _MEDIA_TYPES[str(image.format)]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise RegistryError("signature_not_an_image", "the signature is no readable PNG or JPEG") from error


def _too_many_pixels() -> RegistryError:
    return RegistryError(
        "signature_too_large",
        f"the signature has more than {_MAX_SIGNATURE_PIXELS} pixels; hand in a smaller one",
    )


def record_issuer(connection: Connection, issuer: Issuer, *, recorded_by: str) -> int:
    """Record an issuer's details, as its first or next version; returns the version in force.

    Details that are already in force change nothing. Raises RegistryError `issuer_of_other_tenant` when the
    id belongs to another tenant.
    """
    with connection.transaction():
        connection.execute(
            "insert into registry.issuers (issuer_id, tenant_id) values (%s, %s) on conflict do nothing",
            (issuer.issuer_id, issuer.tenant_id),
        )
        owner = connection.execute(
            "select tenant_id from registry.issuers where issuer_id = %s for update", (issuer.issuer_id,)
        ).fetchone()
        if owner is None or owner[0] != issuer.tenant_id:
            raise RegistryError(
                "issuer_of_other_tenant",
                f"issuer {issuer.issuer_id} belongs to another tenant; choose another id",
            )
        version, details = _current(connection, issuer.issuer_id)
        if details == _details(issuer):
            return version
        _add_version(connection, issuer, version + 1, recorded_by=recorded_by)
        if version:
            attachments.succeed_for_issuer(connection, issuer.issuer_id, version + 1, asserted_by=recorded_by)
        return version + 1


def signature_image(connection: Connection, sha256: str) -> bytes:
    """The bytes of a kept signature image. Raises KeyError when there is none."""
    row = connection.execute("select content from registry.images where sha256 = %s", (sha256,)).fetchone()
    if row is None:
        raise KeyError(sha256)
    return cast(bytes, row[0])


def _details(issuer: Issuer) -> tuple[str | None, ...]:
    return (
        issuer.name,
        issuer.url,
        issuer.email,
        issuer.signatory_name,
        issuer.signatory_designation,
        issuer.signature.sha256 if issuer.signature else None,
    )


def _current(connection: Connection, issuer_id: str) -> tuple[int, tuple[object, ...] | None]:
    row = connection.execute(
        "select version, name, url, email, signatory_name, signatory_designation, signature_sha256 "
        "from registry.issuer_versions where issuer_id = %s order by version desc limit 1",
        (issuer_id,),
    ).fetchone()
    return (cast(int, row[0]), row[1:]) if row else (0, None)


def _add_version(connection: Connection, issuer: Issuer, version: int, *, recorded_by: str) -> None:
    if issuer.signature:
        connection.execute(
            "insert into registry.images (sha256, media_type, content) values (%s, %s, %s) "
            "on conflict do nothing",
            (issuer.signature.sha256, issuer.signature.media_type, issuer.signature.content),
        )
    connection.execute(
        "insert into registry.issuer_versions (issuer_id, version, recorded_by, "
        "name, url, email, signatory_name, signatory_designation, signature_sha256) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (issuer.issuer_id, version, recorded_by, *_details(issuer)),
    )
