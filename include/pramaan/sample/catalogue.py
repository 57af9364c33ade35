"""The sample's courses, batches, issuers and the certificates to attach, as constants under short keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pramaan.sample.rows import Batch, Course, at

__all__ = [
    "BATCHES",
    "COURSES",
    "SAMPLE_ATTACHMENTS",
    "SAMPLE_ISSUERS",
    "UNKNOWN_BATCH_ID",
    "SampleAttachment",
    "content_ids",
]

_KEYS = (
    "reading",
    "maths",
    "inclusion",
    "safety",
    "library",
    "digital",
    "handbook",
    "science",
    "counselling",
)
_COURSE_IDS = {key: f"do_3139{number:08d}{0:09d}" for number, key in enumerate(_KEYS, start=41)}
_OPENED_AT = at("01-05 06:00")
_APRIL = at("04-01 06:00")
_JUNE = at("06-01 06:00")


def _course(key: str, *, name: str, tenant_id: str, language: str, leaf_count: int, **changes: Any) -> Course:
    """A version of a course; `changes` are fields that differ from a live course published in January."""
    fields: dict[str, Any] = {
        "status": "Live",
        "published_at": _OPENED_AT,
        "updated_at": _OPENED_AT,
    } | changes
    return Course(
        course_id=_COURSE_IDS[key],
        name=name,
        tenant_id=tenant_id,
        language=language,
        leaf_count=leaf_count,
        **fields,
    )


_DIGITAL = {"name": "Digital Classrooms for Every Teacher", "tenant_id": "sahyadri", "language": "en"}
_SCIENCE = {"name": "খেলার ছলে বিজ্ঞান", "tenant_id": "ganga", "language": "bn"}
_COUNSELLING = {"name": "मार्गदर्शन व समुपदेशन", "tenant_id": "sahyadri", "language": "mr"}

COURSES: dict[str, tuple[Course, ...]] = {
    "reading": (
        _course(
            "reading", name="बुनियादी साक्षरता और संख्या ज्ञान", tenant_id="ganga", language="hi", leaf_count=4
        ),
    ),
    "maths": (
        _course(
            "maths",
            name="கணிதம் கற்பித்தல்: Fractions and Ratios",
            tenant_id="kaveri",
            language="ta",
            leaf_count=4,
        ),
    ),
    "inclusion": (
        _course("inclusion", name="सर्वसमावेशक शिक्षण", tenant_id="sahyadri", language="mr", leaf_count=3),
    ),
    "safety": (
        _course("safety", name="സ്കൂൾ സുരക്ഷ", tenant_id="kaveri", language="ml", leaf_count=3, status="Retired"),
    ),
    "library": (_course("library", name="اسکول لائبریری", tenant_id="ganga", language="ur", leaf_count=3),),
    "digital": (
        _course("digital", leaf_count=4, status="Draft", published_at=None, **_DIGITAL),
        _course("digital", leaf_count=4, published_at=_APRIL, updated_at=_APRIL, **_DIGITAL),
    ),
    "handbook": (
        _course(
            "handbook",
            name="Head Teacher's Handbook",
            tenant_id="kaveri",
            language="en",
            leaf_count=2,
            status="Draft",
            published_at=None,
        ),
    ),
    "science": (
        _course("science", leaf_count=3, **_SCIENCE),
        _course("science", leaf_count=4, updated_at=_JUNE, **_SCIENCE),
    ),
    "counselling": (
        _course("counselling", leaf_count=4, **_COUNSELLING),
        _course("counselling", leaf_count=3, updated_at=_JUNE, **_COUNSELLING),
    ),
}
"""Every version of each course. `safety` is retired, `digital` published late, `handbook` never; in June
`science` grew and `counselling` shrank.
"""


def content_ids(key: str) -> tuple[str, ...]:
    """The contents of a course in their order: as many as its longest version has."""
    longest = max(version.leaf_count for version in COURSES[key])
    return tuple(f"{_COURSE_IDS[key][:-9]}{number:09d}" for number in range(1, longest + 1))


def _batch(number: int, *, course: str, name: str, tenant_id: str = "", kind: str = "open") -> Batch:
    """A batch, of the course's own tenant unless another is named."""
    tenant_id = tenant_id or COURSES[course][0].tenant_id
    return Batch(
        batch_id=f"01394521873301{number:05d}",
        course_id=_COURSE_IDS[course],
        tenant_id=tenant_id,
        name=name,
        enrolment_type=kind,
        start_date="2026-02-02",
        end_date="2026-09-30",
        mentor_ids=";".join(
            f"{tenant_id}-mentor-{1 + (number + step) % 4}" for step in range(1 + number % 2)
        ),
        updated_at=at("01-20 06:30"),
    )


BATCHES: dict[str, Batch] = {
    "reading-a": _batch(11, course="reading", name="वाराणसी, पहला समूह"),
    "reading-b": _batch(12, course="reading", name="Reading, second group"),
    "reading-kaveri": _batch(
        13, course="reading", name="Reading in Kaveri", tenant_id="kaveri", kind="invite-only"
    ),
    "maths-a": _batch(21, course="maths", name="தஞ்சாவூர் குழு"),
    "maths-b": _batch(22, course="maths", name="Maths for all, 2026", kind="invite-only"),
    "inclusion-a": _batch(31, course="inclusion", name="सातारा गट"),
    "safety-a": _batch(41, course="safety", name="പാലക്കാട് ബാച്ച്"),
    "library-a": _batch(51, course="library", name="کتب خانہ ۲۰۲۶"),
    "digital-a": _batch(61, course="digital", name="Digital Classrooms, Goa and Gujarat"),
    "handbook-a": _batch(71, course="handbook", name="Handbook trial", kind="invite-only"),
    "science-a": _batch(81, course="science", name="নদিয়া দল"),
    "counselling-a": _batch(91, course="counselling", name="=रत्नागिरी गट"),
}
"""Batches by a short key; one has a name that a spreadsheet would take for a formula."""

UNKNOWN_BATCH_ID = "0139452187330199999"
"""A batch that some rows refer to and no row describes."""


def _issuer(tenant_id: str, *, number: int, name: str, signatory: tuple[str, str] | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": f"{tenant_id}-certification",
        "tenant_id": tenant_id,
        "name": name,
        "url": f"https://{tenant_id}.example",
        "email": f"certificates{number}@{tenant_id}.example",
    }
    if signatory:
        document["signatory"] = {"name": signatory[0], "designation": signatory[1]}
        document["signature"] = "sample_signature.png"
    return document


SAMPLE_ISSUERS: tuple[dict[str, Any], ...] = (
    _issuer(
        "sahyadri",
        number=1,
        name="सह्याद्री विद्या परिषद · Sahyadri Vidya Parishad",
        signatory=("Dr. Vaishnavi Kshirsagar", "Director of Teacher Learning"),
    ),
    _issuer("kaveri", number=2, name="Kaveri Council of Teacher Education", signatory=None),
    _issuer(
        "ganga",
        number=3,
        name="Ganga Academy of School Learning",
        signatory=("श्रद्धा श्रीवास्तव", "निदेशक, शिक्षक प्रशिक्षण"),
    ),
)
"""What `pramaan issuer add` takes: two issuers who sign, one without a signatory."""


@dataclass(frozen=True, slots=True)
class SampleAttachment:
    """A certificate to attach to a course, from an instant in the past and therefore with a reason."""

    course_id: str
    template_id: str
    issuer_id: str
    recipient_tenants: tuple[str, ...]
    minimum_score: float | None
    valid_from: datetime
    reason: str


def _attachment(
    key: str, *, valid_from: str, tenants: tuple[str, ...] = (), minimum: float | None = None
) -> SampleAttachment:
    course = COURSES[key][0]
    return SampleAttachment(
        course_id=course.course_id,
        template_id="classic",
        issuer_id=f"{course.tenant_id}-certification",
        recipient_tenants=tenants,
        minimum_score=minimum,
        valid_from=at(valid_from),
        reason="Import of the certificates that this course has offered since then",
    )


SAMPLE_ATTACHMENTS: tuple[SampleAttachment, ...] = (
    _attachment("reading", valid_from="01-10 06:00"),
    _attachment("maths", valid_from="01-10 06:00", minimum=60),
    _attachment("inclusion", valid_from="01-10 06:00", tenants=("sahyadri",)),
    _attachment("library", valid_from="05-01 00:00"),
    _attachment("digital", valid_from="04-01 06:00"),
    _attachment("science", valid_from="01-10 06:00"),
    _attachment("counselling", valid_from="01-10 06:00"),
)
"""The certificates to attach. `safety` and `handbook` offer none."""
