"""The Open Badges 2.0 assertion that is attached to a certificate's PDF.

https://www.imsglobal.org/sites/default/files/Badges/OBv2p0Final/ - a hosted assertion: whoever wants to know
whether it holds asks at its `id`. The recipient is told as a salted hash only.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

__all__ = [
    "ATTACHMENT_DESCRIPTION",
    "ATTACHMENT_NAME",
    "ATTACHMENT_TYPE",
    "badge_assertion",
    "hashed_recipient",
    "sample_assertion",
]

ATTACHMENT_NAME: Final = "assertion.json"
ATTACHMENT_TYPE: Final = "application/ld+json"
ATTACHMENT_DESCRIPTION: Final = "Open Badges 2.0 assertion of this certificate"


def hashed_recipient(public_url: str, *, recipient_id: str, certificate_id: str) -> dict[str, object]:
    """Who a certificate was issued to, as its assertion says it: the address of their profile below
    `public_url`, salted with the certificate's id and hashed (an IdentityObject of type `url`).
    """
    profile = f"{public_url}/users/{quote(recipient_id, safe='')}"
    identity = hashlib.sha256((profile + certificate_id).encode()).hexdigest()
    return {"type": "url", "hashed": True, "salt": certificate_id, "identity": f"sha256${identity}"}


def badge_assertion(
    texts: Mapping[str, str | None], *, class_id: str, recipient: Mapping[str, object]
) -> bytes:
    """The assertion as JSON-LD, in UTF-8, the same bytes for the same certificate.

    `texts` needs `verify_url` and `completed_at`; `recipient` is what `hashed_recipient` gave. What is
    published lies beside the verification page: at `/badges/assertions/<certificate>`,
    `/badges/classes/<class>`.
    """
    base, _, certificate_id = (texts["verify_url"] or "").rpartition("/verify/")
    issued_on = datetime.fromisoformat(texts["completed_at"] or "").astimezone(UTC)
    document = {
        "@context": "https://w3id.org/openbadges/v2",
        "type": "Assertion",
        "id": f"{base}/badges/assertions/{certificate_id}",
        # In one order, whatever order the registry gives them back in.
        "recipient": {name: recipient[name] for name in ("type", "hashed", "salt", "identity")},
        "badge": f"{base}/badges/classes/{quote(class_id, safe='')}",
        "issuedOn": issued_on.isoformat().replace("+00:00", "Z"),
        "verification": {"type": "HostedBadge"},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sample_assertion(texts: Mapping[str, str | None], *, class_id: str) -> bytes:
    """The assertion of a certificate that was issued to nobody, such as a preview."""
    base, _, certificate_id = (texts["verify_url"] or "").rpartition("/verify/")
    recipient = hashed_recipient(
        base, recipient_id=texts.get("certificate_id") or "", certificate_id=certificate_id
    )
    return badge_assertion(texts, class_id=class_id, recipient=recipient)
