"""Random histories of a small world: rows of every feed in random order, and what operators do in between.

Two courses, three batches, three users, four contents. Ids and days are few, so that rows collide: ties,
older rows after newer ones, versions out of order, batches that move, facts that never become known.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]

NAMES = ("Asha", "सुनीता", "Asha null", "", None, "- .", "\u00a0", "名", "Asha\u0007")
CONTENTS = ("k1", "k2", "k3", "k4")


@dataclass(frozen=True, slots=True)
class Attach:
    """An operator asserts a certificate from a day on."""

    course_id: str
    tenant_id: str
    day: datetime
    recipient_tenants: tuple[str, ...]
    minimum_score: float | None


@dataclass(frozen=True, slots=True)
class Detach:
    """An operator ends the certificate of a course on a day."""

    course_id: str
    day: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of a feed."""

    feed: str
    row: Row


Step = Attach | Detach | Fact

_FIRST_DAY = datetime(2024, 3, 1, tzinfo=UTC)
_COURSE_OF = {"b1": "c1", "b2": "c1", "b3": "c2"}

_days = st.integers(0, 9).map(lambda day: _FIRST_DAY + timedelta(days=day))
_early_days = st.integers(0, 2).map(lambda day: _FIRST_DAY + timedelta(days=day))
_users = st.sampled_from(("u1", "u2", "u1", "u2", "u1", "u2", "u3"))
_courses = st.sampled_from(("c1", "c1", "c2"))
_batches = st.sampled_from(("b1", "b1", "b1", "b2", "b3"))
_tenants = st.sampled_from(("t", "t", "t", "s"))
_scores = st.sampled_from((None, 0.0, 59.9, 60.0, 60.1, 100.0))

_USER = {"name": "Asha", "tenant_id": "t", "updated_at": _FIRST_DAY}
_COURSE = {
    "name": "Course",
    "tenant_id": "t",
    "status": "Live",
    "leaf_count": 2,
    "published_at": _FIRST_DAY,
    "updated_at": _FIRST_DAY,
}
_BATCH = {"tenant_id": "t", "name": "Batch", "enrolment_type": "open", "updated_at": _FIRST_DAY}

_user_rows = st.fixed_dictionaries(
    {"user_id": _users, "name": st.sampled_from(NAMES), "tenant_id": _tenants, "updated_at": _days}
)
_course_rows = st.fixed_dictionaries(
    {
        "course_id": _courses,
        "name": st.just("Course"),
        "tenant_id": _tenants,
        "status": st.sampled_from(("Live", "Live", "Live", "Live", "Retired", "Draft")),
        "leaf_count": st.integers(1, 3),
        "published_at": st.one_of(_days, _days, st.none()),
        "updated_at": _days,
    }
)
_batch_rows = st.fixed_dictionaries(
    {
        "batch_id": _batches,
        "course_id": st.sampled_from(("c1", "c1", "c2", "unknown")),
        "tenant_id": _tenants,
        "name": st.just("Batch"),
        "enrolment_type": st.just("open"),
        "updated_at": _days,
    }
)
_attaching = st.builds(
    Attach,
    _courses,
    st.just("t"),
    _early_days,
    st.sampled_from(((), (), (), ("t",), ("s", "x"))),
    st.sampled_from((None, None, 0.0, 60.0)),
)
_detaching = st.builds(Detach, _courses, _days)


@st.composite
def _enrolment_rows(draw: st.DrawFn) -> Row:
    batch_id = draw(_batches)
    return {
        "user_id": draw(_users),
        "course_id": _COURSE_OF[batch_id],
        "batch_id": batch_id,
        "enrolled_at": draw(_days),
        "active": draw(st.sampled_from((True, True, True, False))),
        "updated_at": draw(_days),
    }


@st.composite
def _progress_rows(draw: st.DrawFn) -> Row:
    status = draw(st.sampled_from((2, 2, 2, 2, 2, 1, 0)))
    batch_id = draw(_batches)
    return {
        "user_id": draw(_users),
        "course_id": draw(st.sampled_from((_COURSE_OF[batch_id],) * 7 + ("c2",))),
        "batch_id": batch_id,
        "content_id": draw(st.sampled_from(CONTENTS)),
        "status": status,
        "score": draw(_scores),
        "completed_at": draw(_days if status == 2 else st.none()),
        "updated_at": draw(_days),
    }


def _facts(
    feed: str, rows: st.SearchStrategy[Row], *, least: int, most: int
) -> st.SearchStrategy[list[Step]]:
    return st.lists(rows.map(lambda row: Fact(feed, row)), min_size=least, max_size=most)


def _plain_world() -> list[Step]:
    """Where nothing is out of the ordinary; what else is drawn bends it. User u3 has no row of its own."""
    return [
        *(Fact("users", {"user_id": user_id, **_USER}) for user_id in ("u1", "u2")),
        *(Fact("courses", {"course_id": course_id, **_COURSE}) for course_id in ("c1", "c2")),
        *(Fact("batches", {"batch_id": b, "course_id": c, **_BATCH}) for b, c in _COURSE_OF.items()),
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Step]]:
    """Batches of steps, in the order in which they happen."""
    steps: list[Step] = [
        *_plain_world(),
        *draw(_facts("users", _user_rows, least=0, most=3)),
        *draw(_facts("courses", _course_rows, least=0, most=2)),
        *draw(_facts("batches", _batch_rows, least=0, most=2)),
        *draw(_facts("enrolments", _enrolment_rows(), least=6, most=10)),
        *draw(_facts("progress", _progress_rows(), least=25, most=40)),
        *draw(st.lists(_attaching, min_size=2, max_size=4)),
        *draw(st.lists(_detaching, max_size=2)),
    ]
    steps = draw(st.permutations(steps))
    cuts = sorted(draw(st.lists(st.integers(0, len(steps)), max_size=3)))
    return [steps[start:end] for start, end in zip([0, *cuts], [*cuts, len(steps)], strict=True)]
