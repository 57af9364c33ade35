"""The fields of a certificate: every value printed on one, under the names used everywhere.

Templates declare them, `registry.certificates.render_input` stores them, the API, mail and reports show them.
No template can print a field that is not listed here.
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
    """A field. `is_declared`: every template declares it; `is_optional`: an issuer may leave it out."""

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
    """Returns SQL for a field as it was printed, from a row of `registry.certificates` with this alias."""
    return f"{of}.render_input ->> '{name}'"
