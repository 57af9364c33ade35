"""The rows of the sample feeds, with the contract's columns in its order, and what is expected of them."""

from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = [
    "Batch",
    "Course",
    "Enrolment",
    "Outcome",
    "Progress",
    "Story",
    "User",
    "at",
]


def at(text: str) -> datetime:
    """A UTC instant of the sample's year, from `"03-31 20:00"` or `"03-31"` (then 10:00)."""
    day, _, time = text.partition(" ")
    return datetime.fromisoformat(f"2026-{day}T{time or '10:00'}:00").replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class User:
    """A row of the users feed."""

    user_id: str
    name: str | None
    email: str
    phone: str
    tenant_id: str
    language: str
    state: str
    district: str
    block: str
    cluster: str
    school_id: str
    school_name: str
    org_name: str
    user_type: str
    user_sub_type: str
    declared_board: str
    external_id: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Course:
    """A row of the courses feed: one version of a course."""

    course_id: str
    name: str
    tenant_id: str
    status: str
    language: str
    leaf_count: int
    published_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of the batches feed; the dates are ISO text."""

    batch_id: str
    course_id: str
    tenant_id: str
    name: str
    enrolment_type: str
    start_date: str
    end_date: str
    mentor_ids: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A row of the enrolments feed."""

    user_id: str
    course_id: str
    batch_id: str
    enrolled_at: datetime
    active: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """A row of the progress feed."""

    user_id: str
    course_id: str
    batch_id: str
    content_id: str
    status: int
    score: float | None
    completed_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """A completion and the decision that it must get."""

    user_id: str
    course_id: str
    batch_id: str
    completed_at: datetime
    decision: str


@dataclass(frozen=True, slots=True)
class Story:
    """What a few rows tell together: a case of the rules, or one learner of the people.

    `outcomes` are its completions with their decisions; without any, nothing in it is a completion. The rows
    called late stand in the second file of their feed.
    """

    name: str
    says: str
    users: tuple[User, ...] = ()
    late_users: tuple[User, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    progress: tuple[Progress, ...] = ()
    late_progress: tuple[Progress, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
