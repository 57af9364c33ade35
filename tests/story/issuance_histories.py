"""Random histories of a small world, up to the PDFs: what `warehouse.histories` draws, and between its
batches, what people and machines do to certificates.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from hypothesis import strategies as st

from warehouse.histories import Attach, Detach, Fact, histories

__all__ = [
    "TOO_LONG",
    "Act",
    "Chapter",
    "Issue",
    "Night",
    "Replace",
    "Revoke",
    "SignAnew",
    "chapters",
]

TOO_LONG = "W" * 301
"""What fits on no certificate."""

Fault = Literal["none", "store away", "folders away"]


@dataclass(frozen=True, slots=True)
class Replace:
    """An operator replaces a course's certificate from now on."""

    course_id: str
    template_id: str
    issuer_id: str
    minimum_score: float | None


@dataclass(frozen=True, slots=True)
class SignAnew:
    """An issuer gets another signature from now on."""

    issuer_id: str


@dataclass(frozen=True, slots=True)
class Revoke:
    """An operator revokes whatever a user was issued in a batch."""

    user_id: str
    batch_id: str


@dataclass(frozen=True, slots=True)
class Issue:
    """A worker issues up to `limit`; the store fails, or some of its folders do."""

    limit: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Night:
    """Whoever was forgotten is looked for among all."""


Act = Attach | Detach | Replace | SignAnew | Revoke | Issue | Night


@dataclass(frozen=True, slots=True)
class Chapter:
    """Facts land and load, operators act, the pipeline decides; then more happens before the next batch."""

    facts: tuple[Fact, ...]
    before: tuple[Act, ...]
    after: tuple[Act, ...]


# At noon: never at the instant of what is drawn elsewhere, whose rows have other columns.
_noons = st.integers(0, 12).map(lambda day: datetime(2024, 3, 1, 12, tzinfo=UTC) + timedelta(days=day))
_courses = st.sampled_from(("c1", "c1", "c2"))

_renamed = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(("u1", "u2", "u3")),
        "name": st.sampled_from(("Asha Rao", "Asha Rao", "मीरा", "null", TOO_LONG)),
        "tenant_id": st.just("t"),
        "language": st.sampled_from(("en", "hi", None, "no language")),
        "updated_at": _noons,
    }
).map(lambda row: Fact("users", row))
_other_version = st.fixed_dictionaries(
    {
        "course_id": _courses,
        "name": st.sampled_from(("Reading", "Reading", "Writing", TOO_LONG)),
        "tenant_id": st.just("t"),
        "status": st.sampled_from(("Live", "Live", "Live", "Retired")),
        "leaf_count": st.sampled_from((1, 2, 2, 3)),
        "published_at": st.just(datetime(2024, 3, 1, tzinfo=UTC)),
        "updated_at": _noons,
    }
).map(lambda row: Fact("courses", row))

_acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        Replace,
        _courses,
        st.sampled_from(("classic", "modern")),
        st.sampled_from(("board", "council")),
        st.sampled_from((None, None, 60.0)),
    ),
    st.builds(SignAnew, st.sampled_from(("board", "board", "council"))),
    st.builds(Revoke, st.sampled_from(("u1", "u2")), st.sampled_from(("b1", "b1", "b2", "b3"))),
    st.builds(Detach, _courses, _noons),
    st.just(Night()),
)
_issues: st.SearchStrategy[Act] = st.builds(
    Issue,
    st.sampled_from((1, 2, 100, 100)),
    st.sampled_from(("none", "none", "none", "store away", "folders away")),
)


_COURSE_OF = {"b1": "c1", "b2": "c1", "b3": "c2"}
_days = st.integers(0, 9).map(lambda day: datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=day))


@st.composite
def _finishers(draw: st.DrawFn) -> list[Fact]:
    """Somebody who does in a batch all that is asked for, sooner or later."""
    batch_id = draw(st.sampled_from(("b1", "b1", "b2", "b3")))
    key = {
        "user_id": draw(st.sampled_from(("u1", "u2"))),
        "course_id": _COURSE_OF[batch_id],
        "batch_id": batch_id,
    }
    joined_at = draw(_days)
    done = {"status": 2, "score": draw(st.sampled_from((None, 60.0, 90.0)))}
    return [
        Fact("enrolments", {**key, "enrolled_at": joined_at, "active": True, "updated_at": joined_at}),
        *(
            Fact("progress", {**key, "content_id": content_id, **done, "completed_at": at, "updated_at": at})
            for content_id in ("k1", "k2")
            for at in [draw(_days)]
        ),
    ]


_attaching: st.SearchStrategy[Act] = st.builds(
    Attach, _courses, st.just("t"), _days, st.just(()), st.sampled_from((None, None, 60.0))
)


@st.composite
def chapters(draw: st.DrawFn) -> list[Chapter]:
    """A history in two to four chapters. Most people finish sooner or later, most courses are certified."""
    steps = [step for batch in draw(histories()) for step in batch]
    finished = [fact for facts in draw(st.lists(_finishers(), min_size=2, max_size=4)) for fact in facts]
    bends = [*draw(st.lists(_renamed, max_size=3)), *draw(st.lists(_other_version, max_size=2))]
    number = draw(st.integers(2, 4))
    numbers = st.integers(0, number - 1)
    # Nothing can be asserted to a course that is not known yet, so most courses are known soon.
    soon = draw(st.sampled_from((True, True, True, False)))
    places = [
        0 if soon and isinstance(step, Fact) and step.feed == "courses" else draw(numbers) for step in steps
    ]
    later = draw(st.lists(numbers, min_size=len(finished + bends), max_size=len(finished + bends)))
    told = [*zip(places, steps, strict=True), *zip(later, finished + bends, strict=True)]
    return [
        Chapter(
            tuple(step for at, step in told if at == chapter and isinstance(step, Fact)),
            (
                *(step for at, step in told if at == chapter and not isinstance(step, Fact)),
                *draw(st.lists(st.one_of(_attaching, _attaching, _acts), min_size=1, max_size=3)),
            ),
            tuple(draw(st.lists(st.one_of(_issues, _issues, _acts), min_size=1, max_size=4))),
        )
        for chapter in range(number)
    ]
