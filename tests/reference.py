"""The rules of completion and decision in ordinary Python: what the product's SQL is proven against.

Written from the contract (parts 2 and 3), never from the product's SQL. Rows go in as typed mappings, their
instants as aware UTC datetimes; decisions come out. Of files and databases it knows nothing.
"""

import json
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any, TypeVar

__all__ = [
    "REASONS",
    "Attachment",
    "Batch",
    "CourseVersion",
    "Decision",
    "Enrolment",
    "Facts",
    "Progress",
    "User",
    "canonical_json",
    "completion_instant",
    "decide",
    "gather_facts",
    "is_unprintable",
]

REASONS = (
    "recipient_unknown",
    "course_not_published",
    "enrolment_inactive",
    "other_tenant_batch",
    "no_certificate_at_completion",
    "outside_recipient_tenants",
    "below_minimum_score",
    "name_unprintable",
    "entitled",
)
"""Every decision, in the order in which the first that applies is taken."""

INVISIBLE = string.whitespace + "\u200c\u200d\u200e\u200f"
PLACEHOLDER_WORDS = frozenset({"null", "undefined", "none", "nil", "nan", "n/a", "na", "-", ".", "_"})
UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs", "Co", "Cn"})
Row = Mapping[str, Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class User:
    """The newest row of a user."""

    user_id: str
    name: str | None
    tenant_id: str


@dataclass(frozen=True, slots=True)
class CourseVersion:
    """One version of a course, in force from `updated_at` until the next one's."""

    course_id: str
    tenant_id: str
    status: str
    leaf_count: int
    published_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """The newest row of a batch."""

    batch_id: str
    course_id: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The newest row of a user in a batch."""

    user_id: str
    batch_id: str
    enrolled_at: datetime
    active: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """The merged row of a user's content in a batch."""

    content_id: str
    course_id: str
    status: int
    score: float | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A version of a certificate asserted to a course, in force in [valid_from, valid_to)."""

    attachment_id: str
    course_id: str
    valid_from: datetime
    valid_to: datetime | None = None
    recipient_tenants: frozenset[str] | None = None
    minimum_score: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a decision depends on; of a course all versions, oldest first."""

    users: Mapping[str, User]
    courses: Mapping[str, Sequence[CourseVersion]]
    batches: Mapping[str, Batch]
    enrolments: Mapping[tuple[str, str], Enrolment]
    progress: Mapping[tuple[str, str], Sequence[Progress]]
    attachments: Sequence[Attachment]
    printable: frozenset[int]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a completion earns and why; the attachment is the one in force at completion, if any."""

    completed_at: datetime
    decision: str
    attachment_id: str | None


def canonical_json(row: Row) -> str:
    """A row as JSON text: keys sorted, no whitespace, characters as they are, instants ISO 8601 with Z.

    An empty text is null, as in a CSV file, which cannot tell the two apart: formats may not decide a tie.
    """

    def text(value: date) -> str:
        return value.isoformat().replace("+00:00", "Z")

    known = {name: None if value == "" else value for name, value in row.items()}
    return json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=text)


def _newest_rows(rows: Iterable[Row], *, key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    """The row of each key that wins: the greatest `updated_at`, on a tie the greatest canonical JSON."""
    winners: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: (row["updated_at"], canonical_json(row).encode())):
        winners[tuple(row[column] for column in key)] = row
    return winners


def _merged(content_id: str, *, same: Sequence[Row]) -> Progress:
    return Progress(
        content_id=content_id,
        # The key has no course: the newest row names it, and no order of arrival may decide a tie.
        course_id=max((row["updated_at"], row["course_id"]) for row in same)[1],
        status=max(row["status"] for row in same),
        score=max((row["score"] for row in same if row["score"] is not None), default=None),
        completed_at=min((row["completed_at"] for row in same if row["completed_at"]), default=None),
    )


def _merge_progress(rows: Iterable[Row]) -> dict[tuple[str, str], list[Progress]]:
    """Progress by (user, batch): per content the highest status, the earliest completion, the best score."""
    by_key: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        by_key.setdefault((row["user_id"], row["batch_id"], row["content_id"]), []).append(row)
    merged: dict[tuple[str, str], list[Progress]] = {}
    for (user_id, batch_id, content_id), same in sorted(by_key.items()):
        merged.setdefault((user_id, batch_id), []).append(_merged(content_id, same=same))
    return merged


def _pick(kind: type[Kind], row: Row) -> Kind:
    """A record of `kind` from the columns of the same names."""
    return kind(**{name: row[name] for name in kind.__slots__})  # type: ignore[attr-defined]


def _course_versions(rows: Iterable[Row]) -> dict[str, list[CourseVersion]]:
    versions: dict[str, list[CourseVersion]] = {}
    kept = _newest_rows(rows, key=("course_id", "updated_at")).values()
    for row in sorted(kept, key=lambda row: (row["course_id"], row["updated_at"])):
        versions.setdefault(row["course_id"], []).append(_pick(CourseVersion, row))
    return versions


def gather_facts(
    rows: Mapping[str, Iterable[Row]], *, attachments: Sequence[Attachment], printable: frozenset[int]
) -> Facts:
    """Facts from the good rows of each feed, in any order; every row carries every column of its feed."""
    users = _newest_rows(rows["users"], key=("user_id",)).values()
    batches = _newest_rows(rows["batches"], key=("batch_id",)).values()
    enrolments = _newest_rows(rows["enrolments"], key=("user_id", "batch_id")).values()
    return Facts(
        users={row["user_id"]: _pick(User, row) for row in users},
        courses=_course_versions(rows["courses"]),
        batches={row["batch_id"]: _pick(Batch, row) for row in batches},
        enrolments={(row["user_id"], row["batch_id"]): _pick(Enrolment, row) for row in enrolments},
        progress=_merge_progress(rows["progress"]),
        attachments=attachments,
        printable=printable,
    )


def completion_instant(
    enrolled_at: datetime, *, versions: Sequence[CourseVersion], done: Sequence[datetime]
) -> datetime | None:
    """The first instant, not before `enrolled_at`, with enough contents for the version then in force.

    `versions` are oldest first; `done` the instants of distinct contents, ascending. None: never.
    """
    candidates = []
    for number, version in enumerate(versions):
        if len(done) < version.leaf_count:
            continue
        instant = max(enrolled_at, done[version.leaf_count - 1])
        if number > 0:  # the first version extends backwards
            instant = max(instant, version.updated_at)
        if number + 1 == len(versions) or instant < versions[number + 1].updated_at:
            candidates.append(instant)
    return min(candidates, default=None)


def is_unprintable(name: str | None, *, printable: frozenset[int]) -> bool:
    """Whether a name is empty, a placeholder, or has a character that is no text or that no font holds."""
    name = name or ""
    return (
        not name.strip(INVISIBLE)
        or any(unicodedata.category(c) in UNPRINTABLE_CATEGORIES or ord(c) not in printable for c in name)
        or any(word in {"null", "undefined"} for word in name.split())
        or all(word in PLACEHOLDER_WORDS for word in name.casefold().split())  # a blank name has no words
    )


def _is_published(versions: Sequence[CourseVersion], *, at: datetime) -> bool:
    known = [version.published_at for version in versions if version.published_at is not None]
    return bool(known) and min(known) <= at and versions[-1].status != "Draft"


def _attachment_in_force(facts: Facts, *, course_id: str, at: datetime) -> Attachment | None:
    in_force = [
        attachment
        for attachment in facts.attachments
        if attachment.course_id == course_id
        and attachment.valid_from <= at
        and (attachment.valid_to is None or at < attachment.valid_to)
    ]
    # The registry keeps one open at a time; should two overlap, the later one is taken.
    return max(in_force, key=lambda each: (each.valid_from, each.attachment_id), default=None)


def _reaches(minimum: float, *, progress: Iterable[Progress]) -> bool:
    """Whether the mean of the best scores reaches the minimum; exact, because 59.9 and 60.1 do reach 60."""
    scores = [Fraction(str(row.score)) for row in progress if row.score is not None]
    return bool(scores) and sum(scores) / len(scores) >= Fraction(str(minimum))


def _decide_one(
    facts: Facts, *, enrolment: Enrolment, batch: Batch, versions: Sequence[CourseVersion]
) -> Decision | None:
    rows = facts.progress.get((enrolment.user_id, enrolment.batch_id), ())
    progress = [row for row in rows if row.course_id == batch.course_id]
    done = sorted(row.completed_at for row in progress if row.status == 2 and row.completed_at)
    completed_at = completion_instant(enrolment.enrolled_at, versions=versions, done=done)
    if completed_at is None:
        return None
    attachment = _attachment_in_force(facts, course_id=batch.course_id, at=completed_at)
    tenants = attachment.recipient_tenants if attachment else None
    minimum = attachment.minimum_score if attachment else None
    user = facts.users.get(enrolment.user_id)
    tenant_id, name = (user.tenant_id, user.name) if user else (None, None)
    applies = {
        "recipient_unknown": user is None,
        "course_not_published": not _is_published(versions, at=completed_at),
        "enrolment_inactive": not enrolment.active and enrolment.updated_at <= completed_at,
        "other_tenant_batch": batch.tenant_id != versions[-1].tenant_id,
        "no_certificate_at_completion": attachment is None,
        "outside_recipient_tenants": tenants is not None and tenant_id not in tenants,
        "below_minimum_score": minimum is not None and not _reaches(minimum, progress=progress),
        "name_unprintable": is_unprintable(name, printable=facts.printable),
        "entitled": True,
    }
    decision = next(reason for reason in REASONS if applies[reason])
    return Decision(completed_at, decision, attachment.attachment_id if attachment else None)


def decide(facts: Facts) -> dict[tuple[str, str, str], Decision]:
    """The decision of every completion, by (user_id, course_id, batch_id); what is not complete has none."""
    decisions = {}
    for (user_id, batch_id), enrolment in facts.enrolments.items():
        batch = facts.batches.get(batch_id)
        versions = facts.courses.get(batch.course_id) if batch else None
        if batch is None or versions is None:
            continue
        decision = _decide_one(facts, enrolment=enrolment, batch=batch, versions=versions)
        if decision is not None:
            decisions[user_id, batch.course_id, batch_id] = decision
    return decisions
