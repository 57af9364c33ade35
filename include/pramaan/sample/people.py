"""One learner's rows: who they are, the batch they joined, the contents they finished. No randomness here."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from pramaan.sample.catalogue import BATCHES, COURSES, content_ids
from pramaan.sample.names import NAMES
from pramaan.sample.places import PLACES, TENANTS
from pramaan.sample.rows import Enrolment, Progress, User, at

__all__ = ["course_key", "enrol", "name_of", "person", "study", "user_id_of"]

_COURSE_KEYS = {versions[0].course_id: key for key, versions in COURSES.items()}
_ROLES = (("teacher", "primary"), ("teacher", "secondary"), ("administrator", "hm"), ("administrator", "crp"))


def user_id_of(label: str) -> str:
    """A UUID that is the same for the same label."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://pramaan.example/sample/{label}"))


def name_of(number: int, *, language: str) -> str:
    """A first and a last name in the script of the language; neighbouring numbers get different ones."""
    first, last = NAMES[language]
    return f"{first[number % len(first)]} {last[number // len(first) % len(last)]}"


def person(
    label: str, *, number: int, language: str, name: str | None, updated: datetime | None = None
) -> User:
    """A users row. The label shows in `external_id`; no real phone number starts with 00000."""
    place = PLACES[language]
    district, block = place.districts[number % len(place.districts)]
    cluster = place.clusters[number % len(place.clusters)]
    user_type, user_sub_type = _ROLES[number % len(_ROLES)]
    return User(
        user_id=user_id_of(label),
        name=name,
        email=f"learner{number:03d}@{place.tenant_id}.example",
        phone=f"+91 00000 {number:05d}",
        tenant_id=place.tenant_id,
        language=language,
        state=place.state,
        district=district,
        block=block,
        cluster=cluster,
        school_id=f"99{number % 40:09d}",
        school_name=f"Government School No. {1 + number % 40}, {cluster}",
        org_name=TENANTS[place.tenant_id],
        user_type=user_type,
        user_sub_type=user_sub_type,
        declared_board=place.declared_board,
        external_id=label,
        updated_at=updated or at("01-15"),
    )


def course_key(batch: str) -> str:
    """The short key of the course that the batch is a run of."""
    return _COURSE_KEYS[BATCHES[batch].course_id]


def enrol(user_id: str, *, batch: str, on: str = "02-10", left: str | None = None) -> Enrolment:
    """An enrolment; `left` is when its row came to say inactive."""
    return Enrolment(
        user_id=user_id,
        course_id=BATCHES[batch].course_id,
        batch_id=BATCHES[batch].batch_id,
        enrolled_at=at(on),
        active=left is None,
        updated_at=at(left or on),
    )


def study(
    user_id: str, *, batch: str, days: Sequence[datetime], scores: Sequence[float | None] = ()
) -> tuple[Progress, ...]:
    """The first contents of the batch's course, finished at these instants and with these scores, if any."""
    contents = content_ids(course_key(batch))
    return tuple(
        Progress(
            user_id=user_id,
            course_id=BATCHES[batch].course_id,
            batch_id=BATCHES[batch].batch_id,
            content_id=contents[position],
            status=2,
            score=scores[position] if position < len(scores) else None,
            completed_at=day,
            updated_at=day,
        )
        for position, day in enumerate(days)
    )
