"""The fields of a certificate: all that is printed on one, by the names that they have everywhere.

Templates declare them, `registry.certificates.render_input` keeps them, the API, mail and reports show them.
A field that is not here can be printed by nobody.
"""

from dataclasses import dataclass
from typing import Final, Literal, LiteralString, get_args

__all__ = ["CERTIFICATE_FIELDS", "FIELD_NAMES", "CertificateField", "FieldName", "printed"]

FieldName = Literal[
    "recipient_name",
    "course_name",
    "completed_at",
    "issuer_name",
    "issuer_url",
    "signatory_name",
    "signatory_designation",
    "language",
    "certificate_id",
    "verify_url",
]


@dataclass(frozen=True, slots=True)
class CertificateField:
    """A field. `is_declared`: every template has it; `is_optional`: an issuer may leave it out."""

    name: FieldName
    is_declared: bool = True
    is_optional: bool = False


CERTIFICATE_FIELDS: Final = (
    CertificateField("recipient_name"),
    CertificateField("course_name"),
    CertificateField("completed_at"),
    CertificateField("issuer_name"),
    CertificateField("issuer_url", is_declared=False, is_optional=True),
    CertificateField("signatory_name", is_optional=True),
    CertificateField("signatory_designation", is_optional=True),
    CertificateField("language"),
    CertificateField("certificate_id", is_declared=False),
    CertificateField("verify_url"),
)

FIELD_NAMES: Final[tuple[FieldName, ...]] = get_args(FieldName)


def printed(name: FieldName, *, of: LiteralString = "certificates") -> LiteralString:
    """SQL for a field as it was printed, of a row of `registry.certificates` by its alias."""
    return f"{of}.render_input ->> '{name}'"
