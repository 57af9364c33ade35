"""What a certificate freezes when it is created: every field that is printed, the signature, and the badge's
recipient. Nothing of it is read from the facts again, and the database lets nobody change it.
"""

from collections.abc import Mapping
from typing import Final, LiteralString

from pramaan.certificate_fields import FIELD_NAMES, FieldName

__all__ = ["FIELDS_FROM_FACTS", "FIELDS_OF_ITSELF", "NAMES_OF_ITSELF"]

# Over a decision (`decisions`), its recipient (`users`), the course version in force at the completion
# (`course_versions`) and the issuer version of the attachment (`issuers`).
_FROM_FACTS: Mapping[FieldName, LiteralString] = {
    "recipient_name": "users.name",
    "course_name": "course_versions.name",
    "completed_at": ("""to_char(decisions.completed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""),
    "issuer_name": "issuers.name",
    "issuer_url": "issuers.url",
    "signatory_name": "issuers.signatory_name",
    "signatory_designation": "issuers.signatory_designation",
    "language": (
        "case when users.language ~ '^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$' then users.language else 'en' end"
    ),
}
_OF_ITSELF: Mapping[FieldName, LiteralString] = {
    "certificate_id": "certificate_id",
    "verify_url": "%(verify_base)s || certificate_id",
}


_WITHOUT_SOURCE = set(FIELD_NAMES) - _FROM_FACTS.keys() - _OF_ITSELF.keys()
if _WITHOUT_SOURCE:
    raise LookupError(
        f"certificate fields without a source: {', '.join(sorted(_WITHOUT_SOURCE))}; say in "
        "pramaan.lifecycle.frozen what they are frozen from"
    )


def _object(sources: Mapping[FieldName, LiteralString]) -> LiteralString:
    pairs: list[LiteralString] = [f"'{name}', {sources[name]}" for name in FIELD_NAMES if name in sources]
    joined: LiteralString = ", ".join(pairs)
    return f"jsonb_build_object({joined})"


FIELDS_FROM_FACTS: Final[LiteralString] = _object(_FROM_FACTS)
"""SQL for the fields that follow from the facts."""

FIELDS_OF_ITSELF: Final[LiteralString] = _object(_OF_ITSELF)
"""SQL for those that follow from the certificate's id; takes `%(verify_base)s`."""

NAMES_OF_ITSELF: Final[LiteralString] = ", ".join([f"'{name}'" for name in _OF_ITSELF])
"""Their names, as SQL texts."""
