"""Templates as the registry keeps them: by content hash, for ever (table `registry.template_versions`)."""

from dataclasses import dataclass, field
from typing import Final, LiteralString, cast

from pramaan.certificate_fields import FIELD_NAMES, FieldName
from pramaan.database.connect import Connection
from pramaan.errors import RegistryError

__all__ = ["KeptTemplate", "is_kept", "keep_template", "require_usable", "template_archive"]

_DETAILS: Final[dict[FieldName, LiteralString]] = {
    "issuer_url": "issuers.url",
    "signatory_name": "issuers.signatory_name",
    "signatory_designation": "issuers.signatory_designation",
}
"""What an issuer may leave out, and where it stands."""


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """A template folder as the registry keeps it: its id, content hash and archive."""

    template_id: str
    version: str
    archive: bytes = field(repr=False)
    required_fields: frozenset[str] = frozenset()


def keep_template(connection: Connection, template: KeptTemplate) -> None:
    """Keep this version, in the caller's transaction; the same version again changes nothing."""
    connection.execute(
        "insert into registry.template_versions as kept (template_id, version, archive, required_fields) "
        "values (%s, %s, %s, %s) on conflict (template_id, version) "
        "do update set required_fields = excluded.required_fields "
        "where kept.required_fields <> excluded.required_fields",
        (template.template_id, template.version, template.archive, sorted(template.required_fields)),
    )


def is_kept(connection: Connection, template: KeptTemplate) -> bool:
    """Whether the registry keeps this version."""
    row = connection.execute(
        "select from registry.template_versions where template_id = %s and version = %s",
        (template.template_id, template.version),
    ).fetchone()
    return row is not None


def template_archive(connection: Connection, template_id: str, version: str) -> bytes:
    """The archive of a kept template version. Raises KeyError when there is none."""
    row = connection.execute(
        "select archive from registry.template_versions where template_id = %s and version = %s",
        (template_id, version),
    ).fetchone()
    if row is None:
        raise KeyError((template_id, version))
    return cast(bytes, row[0])


def require_usable(
    connection: Connection, template_id: str, version: str, *, issuer_id: str, issuer_version: int
) -> None:
    """Refuse a kept template that asks for what will not be there, before everybody's certificate fails.

    Raises RegistryError `template_not_usable`.
    """
    row = connection.execute(
        f"select templates.required_fields, {', '.join(_DETAILS.values())} "  # noqa: S608 - our own words
        "from registry.template_versions as templates, registry.issuer_versions as issuers "
        "where templates.template_id = %s and templates.version = %s "
        "and issuers.issuer_id = %s and issuers.version = %s",
        (template_id, version, issuer_id, issuer_version),
    ).fetchone()
    if row is None:
        return
    required, *details = row
    absent = {name for name, value in zip(_DETAILS, details, strict=True) if value is None}
    lacking = sorted(set(cast(list[str], required)) - (set(FIELD_NAMES) - absent))
    if lacking:
        raise RegistryError(
            "template_not_usable",
            f"template {template_id} requires {', '.join(lacking)}, which issuer {issuer_id} or the platform "
            "does not give; mark it optional, or complete the issuer",
        )
