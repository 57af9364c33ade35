"""Made-up certificates in every script, as many as are asked for, hardly one name twice.

Twelve courses of six issuers over three months, as a busy day has them: what certificates have in common is
met again and again, what is a person's own never.
"""

import hashlib
from collections.abc import Iterator
from itertools import count, islice
from typing import Final

from pramaan.bench.rendering.names import LANGUAGES, mixed_name, name_in

__all__ = ["CYCLE", "Fields", "certificates", "nothing_in_common"]

Fields = dict[str, str | None]

CYCLE: Final = len(LANGUAGES) + 1
"""So many certificates in a row are one in each language, and one of a mixed name."""

_COURSES: Final = (
    ("Foundational Literacy and Numeracy for Primary Teachers", 0),
    ("बुनियादी साक्षरता और संख्या ज्ञान", 0),
    ("Digital Classrooms for Every Teacher", 1),
    ("খেলার ছলে বিজ্ঞান", 1),
    ("मार्गदर्शन व समुपदेशन", 2),
    ("அனைவருக்கும் உள்ளடக்கிய கல்வி", 2),
    ("పాఠశాల భద్రత మరియు ఆరోగ్యం", 3),
    ("ಗ್ರಂಥಾಲಯ ನಿರ್ವಹಣೆ", 3),
    ("ഗണിതം ലളിതമായി", 4),
    ("بنیادی خواندگی اور شمار", 4),
    ("Strengthening Literacy and Numeracy in Multilingual and Multigrade Rural Classrooms", 5),
    ("સર્વસમાવેશક શિક્ષણ", 5),
)
_ISSUERS: Final = (
    ("State Council of Educational Research and Training", "Dr. Meera Krishnan", "Director of Education"),
    ("राज्य शैक्षिक अनुसंधान और प्रशिक्षण परिषद", "डॉ. आशा राव", "निदेशक"),
    ("Directorate of School Education", "R. Venkataraman", "Additional Director"),
    ("District Institute of Education and Training", "S. Iyer", "Principal"),
    ("Academy of Teachers", "Prof. Łucja Nowak", "Head of Department, Extension"),
    ("State Board of Secondary Education", "José D'Souza", "Secretary"),
)
_MONTHS: Final = ("2026-05", "2026-06", "2026-07")


def certificates(number: int, *, start: int = 0) -> Iterator[Fields]:
    """So many certificates' fields, from the given one on; the same number gives the same certificate."""
    return islice(map(_certificate, count(start)), number)


def nothing_in_common(number: int, *, start: int = 0) -> Iterator[Fields]:
    """Certificates of which no two have their course in common, so that little that was kept is of use."""
    for at, fields in enumerate(certificates(number, start=start), start):
        yield fields | {"course_name": f"{fields['course_name']} {at}"}


def _certificate(number: int) -> Fields:
    at, group = divmod(number, CYCLE)
    if group == len(LANGUAGES):
        language, name = mixed_name(at)
    else:
        language, name = LANGUAGES[group], name_in(LANGUAGES[group], at)
    # Every language meets every course, in every month.
    course_name, issuer_number = _COURSES[(at + group) % len(_COURSES)]
    issuer, signatory, designation = _ISSUERS[issuer_number]
    certificate_id = hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()
    return {
        "recipient_name": name,
        "course_name": course_name,
        "completed_at": f"{_MONTHS[at // len(_COURSES) % len(_MONTHS)]}-{1 + number % 28:02}T09:30:00Z",
        "issuer_name": issuer,
        "issuer_url": "https://scert.example.gov.in",
        "signatory_name": signatory,
        "signatory_designation": designation,
        "verify_url": f"https://certificates.example.gov.in/pramaan/verify/{certificate_id}",
        "certificate_id": certificate_id,
        "language": language,
    }
