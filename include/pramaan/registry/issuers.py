"""Issuers: a tenant's issuing bodies, each detail and signature versioned (tables `registry.issuers`,
`issuer_versions`, `images`).

A version is never changed. A new one closes the issuer's open attachments and opens their successors in the
same transaction, so that the attachment alone says what was in force at any instant.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final, LiteralString, cast
from urllib.parse import urlsplit

from psycopg.rows import class_row

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry import clock, issuer_versioning
from pramaan.registry.changes import Actor, record_change
from pramaan.signatures.images import Signature

__all__ = [
    "Issuer",
    "IssuerVersion",
    "add_issuer",
    "find_issuer",
    "list_issuers",
    "record_issuer",
    "set_signature",
    "signature_image",
    "update_issuer",
]

_ISSUER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}")
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Issuer:
    """The details of an issuer, of which each change makes a version.

    Raises RegistryError `invalid_issuer` naming the detail that cannot be used.
    """

    issuer_id: str
    tenant_id: str
    name: str
    url: str | None = None
    email: str | None = None
    signatory_name: str | None = None
    signatory_designation: str | None = None
    signature: Signature | None = None

    def __post_init__(self) -> None:
        if not _ISSUER_ID.fullmatch(self.issuer_id):
            raise _invalid("id", "letters, digits and . _ : -, at most 100, a letter or digit first")
        if not self.tenant_id.strip():
            raise _invalid("tenant_id", "is empty")
        for detail in ("name", "signatory_name", "signatory_designation", "url", "email"):
            text = getattr(self, detail)
            if text is not None and not (
                text.strip() and text == text.strip() and len(text) <= _LONGEST_TEXT
            ):
                raise _invalid(detail, f"1 to {_LONGEST_TEXT} characters, none of them a space at an end")
        if self.url is not None and not _is_web_address(self.url):
            raise _invalid("url", "an http or https address")
        if self.email is not None and not _EMAIL.fullmatch(self.email):
            raise _invalid("email", "an e-mail address")
        if self.signatory_designation and not self.signatory_name:
            raise _invalid("signatory", "a designation without a name")


@dataclass(frozen=True, slots=True)
class IssuerVersion:
    """A version of an issuer's details, in force from `valid_from` until the next."""

    issuer_id: str
    tenant_id: str
    version: int
    valid_from: datetime
    recorded_by: str
    name: str
    url: str | None
    email: str | None
    signatory_name: str | None
    signatory_designation: str | None
    signature_sha256: str | None

    def as_dict(self) -> dict[str, object]:
        """As the record of changes shows it."""
        return asdict(self)


_NEWEST: LiteralString = """
    select distinct on (versions.issuer_id)
        versions.issuer_id, issuers.tenant_id, versions.version, versions.valid_from, versions.recorded_by,
        versions.name, versions.url, versions.email, versions.signatory_name, versions.signatory_designation,
        versions.signature_sha256
    from registry.issuer_versions as versions
    inner join registry.issuers as issuers on versions.issuer_id = issuers.issuer_id
"""


def find_issuer(connection: Connection, issuer_id: str) -> IssuerVersion | None:
    """The issuer's version in force."""
    with connection.cursor(row_factory=class_row(IssuerVersion)) as cursor:
        return cursor.execute(
            f"{_NEWEST} where versions.issuer_id = %s order by versions.issuer_id, versions.version desc",
            (issuer_id,),
        ).fetchone()


def list_issuers(connection: Connection, *, tenants: Sequence[str] | None) -> list[IssuerVersion]:
    """The issuers of these tenants (None: of all) in their version in force, by id."""
    with connection.cursor(row_factory=class_row(IssuerVersion)) as cursor:
        return cursor.execute(
            f"{_NEWEST} where %(tenants)s::text[] is null or issuers.tenant_id = any(%(tenants)s) "
            "order by versions.issuer_id, versions.version desc",
            {"tenants": None if tenants is None else list(tenants)},
        ).fetchall()


def record_issuer(connection: Connection, issuer: Issuer, *, by: Actor) -> IssuerVersion:
    """Record an issuer's details, as its first or next version; returns the version in force.

    Details that are already in force change nothing. Raises RegistryError `issuer_of_other_tenant` when the
    id belongs to another tenant, `issuer_unprintable` when no bundled font prints a detail.
    """
    with connection.transaction():
        known = _create_or_lock(connection, issuer)
        return _record(connection, issuer, known=known, by=by)


def add_issuer(connection: Connection, issuer: Issuer, *, by: Actor) -> IssuerVersion:
    """Record a new issuer. Raises RegistryError `issuer_already_exists`, `issuer_unprintable`."""
    taken = RegistryError(
        "issuer_already_exists", f"the id {issuer.issuer_id} is taken; choose another, or update that issuer"
    )
    with connection.transaction():
        try:
            known = _create_or_lock(connection, issuer)
        except RegistryError as error:
            raise taken from error
        if known is not None:
            raise taken
        return _record(connection, issuer, known=None, by=by)


def update_issuer(
    connection: Connection, issuer: Issuer, *, by: Actor, expected_version: int | None = None
) -> IssuerVersion:
    """Record an issuer's new details, which apply to completions from now on.

    Without a signature in `issuer` the present one stays, unless another signatory is named: nobody signs
    with somebody else's hand. Raises RegistryError `issuer_not_found`, `issuer_unprintable`,
    `template_not_usable`; `changed_meanwhile` when another version is in force than the expected.
    """
    with connection.transaction():
        known = _lock(connection, issuer.issuer_id)
        if expected_version not in (None, known.version):
            raise RegistryError(
                "changed_meanwhile",
                f"issuer {issuer.issuer_id} has another version in force than was expected",
            )
        same_hand = known.signatory_name in (None, issuer.signatory_name)
        return _record(
            connection,
            replace(issuer, tenant_id=known.tenant_id),
            known=known,
            by=by,
            kept_signature_sha256=known.signature_sha256 if same_hand else None,
        )


def set_signature(
    connection: Connection, issuer_id: str, signature: Signature, *, by: Actor
) -> IssuerVersion:
    """Give the issuer another signature image, from now on.

    Raises RegistryError `issuer_not_found`.
    """
    with connection.transaction():
        known = _lock(connection, issuer_id)
        details = (known.name, known.url, known.email, known.signatory_name, known.signatory_designation)
        issuer = Issuer(known.issuer_id, known.tenant_id, *details, signature)
        return _record(connection, issuer, known=known, by=by)


def signature_image(connection: Connection, sha256: str) -> tuple[str, bytes]:
    """The media type and the bytes of a kept signature image. Raises KeyError when there is none."""
    row = connection.execute(
        "select media_type, content from registry.images where sha256 = %s", (sha256,)
    ).fetchone()
    if row is None:
        raise KeyError(sha256)
    return cast(tuple[str, bytes], row)


def _create_or_lock(connection: Connection, issuer: Issuer) -> IssuerVersion | None:
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
    return find_issuer(connection, issuer.issuer_id)


def _lock(connection: Connection, issuer_id: str) -> IssuerVersion:
    connection.execute("select from registry.issuers where issuer_id = %s for update", (issuer_id,))
    known = find_issuer(connection, issuer_id)
    if known is None:
        raise RegistryError("issuer_not_found", f"there is no issuer {issuer_id}; add it first")
    return known


def _record(
    connection: Connection,
    issuer: Issuer,
    *,
    known: IssuerVersion | None,
    by: Actor,
    kept_signature_sha256: str | None = None,
) -> IssuerVersion:
    details = (
        *(issuer.name, issuer.url, issuer.email, issuer.signatory_name, issuer.signatory_designation),
        issuer.signature.sha256 if issuer.signature else kept_signature_sha256,
    )
    if known and details == (
        *(known.name, known.url, known.email, known.signatory_name, known.signatory_designation),
        known.signature_sha256,
    ):
        return known
    _require_printable(connection, issuer)
    _keep_image(connection, issuer.signature)
    version = known.version + 1 if known else 1
    issuer_versioning.lock_attachments_of(connection, issuer.issuer_id)
    at = clock.now(connection)
    connection.execute(
        "insert into registry.issuer_versions (issuer_id, version, valid_from, recorded_by, "
        "name, url, email, signatory_name, signatory_designation, signature_sha256) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (issuer.issuer_id, version, at, by.username, *details),
    )
    issuer_versioning.succeed_for_issuer(connection, issuer.issuer_id, version, at=at, by=by)
    after = cast(IssuerVersion, find_issuer(connection, issuer.issuer_id))
    record_change(
        connection,
        "changed" if known else "added",
        by=by,
        kind="issuer",
        subject_id=issuer.issuer_id,
        tenant_id=issuer.tenant_id,
        before=known.as_dict() if known else None,
        after=after.as_dict(),
    )
    return after


def _keep_image(connection: Connection, signature: Signature | None) -> None:
    if signature:
        connection.execute(
            "insert into registry.images (sha256, media_type, content) values (%s, %s, %s) "
            "on conflict do nothing",
            (signature.sha256, signature.media_type, signature.content),
        )


def _require_printable(connection: Connection, issuer: Issuer) -> None:
    """Refuse what no bundled font prints, before everybody's certificate fails of it."""
    printed = {
        "name": issuer.name,
        "signatory.name": issuer.signatory_name,
        "signatory.designation": issuer.signatory_designation,
    }
    for detail, text in printed.items():
        points = sorted({ord(character) for character in text or ""})
        missing = connection.execute(
            "select wanted from unnest(%s::integer[]) as wanted "
            "where not exists (select from registry.printable_code_points where code_point = wanted)",
            (points,),
        ).fetchall()
        if missing:
            shown = ", ".join(f"U+{point:04X}" for (point,) in missing)
            raise RegistryError("issuer_unprintable", f"{detail}: no bundled font prints {shown}")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return False
    return text.isprintable() and " " not in text


def _invalid(detail: str, wanted: str) -> RegistryError:
    return RegistryError("invalid_issuer", f"{detail}: {wanted}")
