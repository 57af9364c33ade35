"""Seeded learners around the scenarios, each with a plan whose outcome is known from the start."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pramaan.sample.catalogue import BATCHES, COURSES
from pramaan.sample.names import MIXED_NAMES, NAMES
from pramaan.sample.people import course_key, enrol, name_of, person, study
from pramaan.sample.rows import Outcome, Progress, Story, User, at

__all__ = ["people"]

_BEGUN_SHARE = 0.15
_LATE_PROGRESS_SHARE = 0.1
_LATE_USER_SHARE = 0.33
_SECOND_BATCH_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class _Plan:
    """One way through a batch: all contents finished in the window [first, last], or only `contents` of them.

    `tenant` limits the plan to learners of it, `!tenant` to all others; `scores` bounds each content's score.
    """

    batch: str
    weight: int
    decision: str | None
    window: tuple[str, str] = ("02-15", "09-10")
    contents: int | None = None
    tenant: str = ""
    scores: tuple[int, int] = (50, 100)


_PLANS: tuple[_Plan, ...] = (
    _Plan("reading-a", 20, "entitled"),
    _Plan("reading-a", 6, None, contents=2),
    _Plan("reading-b", 12, "entitled"),
    _Plan("reading-b", 3, None, contents=0),
    _Plan("maths-a", 14, "entitled", scores=(60, 100)),
    _Plan("maths-a", 4, "below_minimum_score", scores=(10, 55)),
    _Plan("maths-b", 8, "entitled", scores=(65, 98)),
    _Plan("maths-b", 4, None, contents=3),
    _Plan("inclusion-a", 30, "entitled", tenant="sahyadri"),
    _Plan("inclusion-a", 2, "outside_recipient_tenants", tenant="!sahyadri"),
    _Plan("inclusion-a", 4, None, contents=1),
    _Plan("safety-a", 5, "no_certificate_at_completion"),
    _Plan("library-a", 4, "no_certificate_at_completion", window=("02-15", "04-30")),
    _Plan("library-a", 12, "entitled", window=("05-01", "09-10")),
    _Plan("digital-a", 2, "course_not_published", window=("02-15", "03-31")),
    _Plan("digital-a", 14, "entitled", window=("04-01", "09-10")),
    _Plan("digital-a", 4, None, contents=2),
)


def _open_to(user: User) -> list[_Plan]:
    """The plans that a learner of the user's tenant can follow."""
    return [
        plan
        for plan in _PLANS
        if plan.tenant in {"", user.tenant_id}
        or (plan.tenant.startswith("!") and plan.tenant != f"!{user.tenant_id}")
    ]


def _instants(rng: random.Random, *, window: tuple[str, str], count: int) -> list[datetime]:
    """Ascending instants within a window, between 08:00 and 16:00 UTC."""
    first, last = (at(f"{day} 08:00") for day in window)
    days = (last - first).days
    drawn = (
        first + timedelta(days=rng.randint(0, days), seconds=rng.randrange(8 * 3600)) for _ in range(count)
    )
    return sorted(drawn)


def _attempts(rng: random.Random, *, progress: Sequence[Progress]) -> tuple[list[Progress], list[Progress]]:
    """Progress as exports tell it, (early, late): some rows late, some after a row of the content begun."""
    early: list[Progress] = []
    late: list[Progress] = []
    for row in progress:
        if rng.random() < _BEGUN_SHARE:
            begun = row.updated_at - timedelta(hours=2)
            early.append(replace(row, status=1, score=None, completed_at=None, updated_at=begun))
        (late if rng.random() < _LATE_PROGRESS_SHARE else early).append(row)
    return early, late


def _follow(plan: _Plan, *, user: User, rng: random.Random) -> Story:
    """The rows of one learner who follows one plan, without the learner's own row."""
    batch = BATCHES[plan.batch]
    count = COURSES[course_key(plan.batch)][0].leaf_count if plan.contents is None else plan.contents
    days = _instants(rng, window=plan.window, count=count)
    low, high = plan.scores
    # The first contents are texts; the last two of every course are tests.
    scores = [None] * (count - 2) + [rng.randint(2 * low, 2 * high) / 2 for _ in days[-2:]]
    early, late = _attempts(rng, progress=study(user.user_id, batch=plan.batch, days=days, scores=scores))
    outcome = (
        Outcome(user.user_id, batch.course_id, batch.batch_id, days[-1], plan.decision)
        if plan.decision
        else None
    )
    return Story(
        name=f"{user.external_id}/{plan.batch}",
        says="one of the people",
        enrolments=(enrol(user.user_id, batch=plan.batch, on=f"02-{rng.randint(2, 14):02d}"),),
        progress=tuple(early),
        late_progress=tuple(late),
        outcomes=(outcome,) if outcome else (),
    )


def _learner(position: int, *, number: int, seed: int) -> User:
    """A learner of the people: languages take turns, and at the front stand those with mixed names."""
    languages = sorted(NAMES)
    language = languages[position % len(languages)]
    name = name_of(position // len(languages), language=language)
    if position < len(MIXED_NAMES):
        language, name = MIXED_NAMES[position]
    return person(f"people-{seed}-{number:03d}", number=number, language=language, name=name)


def people(size: int, *, first_number: int, seed: int) -> tuple[Story, ...]:
    """`size` learners numbered from `first_number`, in one or two batches each."""
    rng = random.Random(seed)  # noqa: S311 - a sample that anyone can make again, no secret
    stories: list[Story] = []
    for position in range(size):
        user = _learner(position, number=first_number + position, seed=seed)
        in_late_file = rng.random() < _LATE_USER_SHARE
        stories.append(
            Story(
                name=user.external_id,
                says="one of the people",
                users=() if in_late_file else (user,),
                late_users=(user,) if in_late_file else (),
            )
        )
        plans = _open_to(user)
        first, second = rng.choices(plans, weights=[plan.weight for plan in plans], k=2)
        stories.append(_follow(first, user=user, rng=rng))
        if second.batch != first.batch and rng.random() < _SECOND_BATCH_SHARE:
            stories.append(_follow(second, user=user, rng=rng))
    return tuple(stories)
