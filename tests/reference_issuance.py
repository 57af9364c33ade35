"""The rules of issuance in ordinary Python: which certificate everybody has, given what happened so far.

Written from the contract (part 3), never from the product's SQL. `reference.py` says what is earned; here is
what becomes of it: what waits follows the facts, what was issued stays as it is, and what was asserted to a
course is in force from one instant until another. Every function returns a new value.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reference import Attachment, Facts, Row, canonical_json, decide

__all__ = [
    "Assertion",
    "Certificate",
    "Key",
    "Ledger",
    "Printed",
    "asserted",
    "earned",
    "follow",
    "removed",
    "succeeded",
    "with_status",
]

Key = tuple[str, str, str]
"""User, course, batch."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What is in force for a course in an interval, and with which signature of the issuer's."""

    attachment: Attachment
    template_id: str
    issuer_id: str
    signature: int


@dataclass(frozen=True, slots=True)
class Printed:
    """All of a certificate that depends on facts; what the issuer says hangs on the attachment."""

    attachment_id: str
    completed_at: datetime
    recipient_name: str
    course_name: str
    language: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and what became of it: pending, issued, failed or revoked."""

    printed: Printed
    status: str = "pending"


Ledger = Mapping[Key, Certificate]


def asserted(known: Iterable[Assertion], new: Assertion) -> list[Assertion]:
    """With `new` in force from its beginning until the next one begins that is ever in force."""
    known = list(known)
    since = new.attachment.valid_from
    beginnings = [
        each.attachment.valid_from
        for each in known
        if each.attachment.course_id == new.attachment.course_id
        and each.attachment.valid_from > since
        and each.attachment.valid_from != each.attachment.valid_to
    ]
    until = min(beginnings, default=None)
    return [*known, replace(new, attachment=replace(new.attachment, valid_to=until))]


def removed(known: Iterable[Assertion], course_id: str, *, at: datetime) -> list[Assertion]:
    """With nothing in force for the course from `at` until the next one begins; what is over stays."""

    def ended(each: Attachment) -> Attachment:
        in_force = each.valid_from <= at and (each.valid_to is None or at < each.valid_to)
        return replace(each, valid_to=at) if each.course_id == course_id and in_force else each

    return [replace(each, attachment=ended(each.attachment)) for each in known]


def succeeded(known: Iterable[Assertion], new: Assertion) -> list[Assertion]:
    """With `new` instead of what is in force for the course when it begins, for as long as that was to be."""
    known = list(known)
    at = new.attachment.valid_from
    (before,) = [
        each.attachment
        for each in known
        if each.attachment.course_id == new.attachment.course_id
        and each.attachment.valid_from <= at
        and (each.attachment.valid_to is None or at < each.attachment.valid_to)
    ]
    ended = removed(known, before.course_id, at=at)
    return [*ended, replace(new, attachment=replace(new.attachment, valid_to=before.valid_to))]


def _printed_course_name(rows: Iterable[Row], course_id: str, *, at: datetime) -> str:
    """The name in the course's version in force at an instant; the first extends backwards."""
    versions = sorted(
        (row for row in rows if row["course_id"] == course_id),
        key=lambda row: (row["updated_at"], canonical_json(row).encode()),
    )
    in_force = [row for row in versions if row["updated_at"] <= at]
    first = [row for row in versions if row["updated_at"] == versions[0]["updated_at"]]
    return str((in_force or first)[-1]["name"])


def _printed_language(rows: Iterable[Row], user_id: str) -> str:
    newest = max(
        (row for row in rows if row["user_id"] == user_id),
        key=lambda row: (row["updated_at"], canonical_json(row).encode()),
    )
    language = newest.get("language") or ""
    return language if _LANGUAGE.fullmatch(language) else "en"


def earned(rows: Mapping[str, Iterable[Row]], facts: Facts) -> dict[Key, Printed]:
    """What each entitled completion would be given now; `facts` are those of `rows`."""
    found = {}
    for (user_id, course_id, batch_id), made in decide(facts).items():
        if made.decision == "entitled":
            assert made.attachment_id is not None
            found[user_id, course_id, batch_id] = Printed(
                made.attachment_id,
                made.completed_at,
                facts.users[user_id].name or "",
                _printed_course_name(rows["courses"], course_id, at=made.completed_at),
                _printed_language(rows["users"], user_id),
            )
    return found


def follow(ledger: Ledger, now_earned: Mapping[Key, Printed]) -> dict[Key, Certificate]:
    """After a decision: what is not issued yet follows what is earned, what was issued does not."""
    kept = {
        key: known
        for key, known in ledger.items()
        if known.status in {"issued", "revoked"} or now_earned.get(key) == known.printed
    }
    return {key: Certificate(printed) for key, printed in now_earned.items()} | kept


def with_status(ledger: Ledger, key: Key, status: str) -> dict[Key, Certificate]:
    """After one certificate was issued, failed or was revoked."""
    return {**ledger, key: replace(ledger[key], status=status)}
