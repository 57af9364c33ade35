"""The rules' cases beyond one learner in one batch: facts that are missing, late, corrected or misplaced."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from pramaan.sample.cases import CASES, FOUR_DAYS, Case, tell
from pramaan.sample.catalogue import BATCHES, UNKNOWN_BATCH_ID
from pramaan.sample.people import enrol, study
from pramaan.sample.rows import Outcome, Story, at

__all__ = ["scenarios"]

_DAY = timedelta(days=1)


def _entitled(
    label: str, says: str, *, number: int, name: str | None = "Meera Iyer", batch: str = "reading-a"
) -> Story:
    """A story in which all is well, to be told differently."""
    case = Case(label, says, batch, FOUR_DAYS, "entitled", "03-13", scores=(None, None, None, 80), name=name)
    return tell(case, number=number)


def _no_enrolment(number: int) -> Story:
    story = _entitled("progress_without_enrolment", "all contents done, never enrolled", number=number)
    return replace(story, enrolments=(), outcomes=())


def _unknown_batch(number: int) -> Story:
    story = _entitled("batch_unknown", "enrolled in a batch that no row describes", number=number)
    return replace(
        story,
        enrolments=tuple(replace(row, batch_id=UNKNOWN_BATCH_ID) for row in story.enrolments),
        progress=tuple(replace(row, batch_id=UNKNOWN_BATCH_ID) for row in story.progress),
        outcomes=(),
    )


def _batch_of_other_course(number: int) -> Story:
    story = _entitled(
        "progress_in_batch_of_other_course", "contents of one course, batch of another", number=number
    )
    other = BATCHES["maths-b"].batch_id
    return replace(
        story,
        enrolments=tuple(replace(row, batch_id=other) for row in story.enrolments),
        progress=tuple(replace(row, batch_id=other) for row in story.progress),
        outcomes=(),
    )


def _split_over_two_batches(number: int) -> Story:
    story = _entitled("split_over_two_batches", "half the contents in each of two batches", number=number)
    other = BATCHES["reading-b"].batch_id
    first, second, third, fourth = story.progress
    return replace(
        story,
        enrolments=(*story.enrolments, enrol(story.users[0].user_id, batch="reading-b")),
        progress=(first, second, replace(third, batch_id=other), replace(fourth, batch_id=other)),
        outcomes=(),
    )


def _two_batches(number: int) -> Story:
    story = _entitled("complete_in_two_batches", "the same course completed in two batches", number=number)
    user_id, batch = story.users[0].user_id, BATCHES["reading-b"]
    days = [at(day) for day in ("05-02", "05-09", "05-16", "05-23")]
    again = Outcome(user_id, batch.course_id, batch.batch_id, days[-1], "entitled")
    return replace(
        story,
        enrolments=(*story.enrolments, enrol(user_id, batch="reading-b", on="05-01")),
        progress=(*story.progress, *study(user_id, batch="reading-b", days=days)),
        outcomes=(*story.outcomes, again),
    )


def _status_falls_back(number: int) -> Story:
    story = _entitled("status_falls_back", "a later row says status 1 again: it stays 2", number=number)
    last = story.progress[-1]
    again = replace(last, status=1, score=None, completed_at=None, updated_at=last.updated_at + 30 * _DAY)
    return replace(story, late_progress=(again,))


def _earlier_completion_arrives_late(number: int) -> Story:
    story = _entitled(
        "earlier_completion_arrives_late", "the late file has the earlier instant", number=number
    )
    last = story.progress[-1]
    slow = replace(last, completed_at=at("04-20"), updated_at=at("04-20"))
    late = replace(last, updated_at=at("05-20"))
    return replace(story, progress=(*story.progress[:-1], slow), late_progress=(late,))


def _last_content_arrives_late(number: int) -> Story:
    story = _entitled("last_content_arrives_late", "the last content stands in the late file", number=number)
    return replace(story, progress=story.progress[:-1], late_progress=story.progress[-1:])


def _better_score_arrives_late(number: int) -> Story:
    story = _entitled(
        "better_score_arrives_late", "tried again after completing", number=number, batch="maths-b"
    )
    last = story.progress[-1]
    failed = replace(last, score=35.0)
    return replace(
        story,
        progress=(*story.progress[:-1], failed),
        late_progress=(replace(last, score=75.5, completed_at=at("04-02"), updated_at=at("04-02")),),
    )


def _renamed(number: int) -> Story:
    story = _entitled("renamed", "a new family name in the second file", number=number, name="Meera Iyer")
    later = replace(story.users[0], name="Meera Iyer-Deśpāṇḍe", updated_at=at("06-15"))
    return replace(story, late_users=(later,))


def _older_row_arrives_late(number: int) -> Story:
    story = _entitled("older_user_row_arrives_late", "an older, wrong name comes second", number=number)
    older = replace(story.users[0], name="undefined undefined", updated_at=at("01-02"))
    return replace(story, late_users=(older,))


def _name_repaired(number: int) -> Story:
    story = _entitled("name_repaired", "no name at first, a name in the second file", number=number, name="")
    later = replace(story.users[0], name="ప్రజ్ఞ రెడ్డి", updated_at=at("06-20"))
    return replace(story, late_users=(later,))


def _enrolment_reopened(number: int) -> Story:
    story = _entitled("enrolled_again", "left, then came back: the newest row is active", number=number)
    left = enrol(story.users[0].user_id, batch="reading-a", left="02-25")
    back = replace(left, active=True, updated_at=at("03-01"))
    return replace(story, enrolments=(back, left))


def _content_quarantined(number: int) -> Story:
    """The row of the fourth content is broken (see `broken`), so three are known."""
    story = _entitled(
        "last_content_is_quarantined", "the row of the last content breaks the contract", number=number
    )
    return replace(story, progress=story.progress[:-1], outcomes=())


_TELLERS: tuple[Callable[[int], Story], ...] = (
    _no_enrolment,
    _unknown_batch,
    _batch_of_other_course,
    _split_over_two_batches,
    _two_batches,
    _status_falls_back,
    _earlier_completion_arrives_late,
    _last_content_arrives_late,
    _better_score_arrives_late,
    _renamed,
    _older_row_arrives_late,
    _name_repaired,
    _enrolment_reopened,
    _content_quarantined,
)


def scenarios() -> tuple[Story, ...]:
    """Every scenario, the same for every seed; their learners are numbered from 1."""
    told = [tell(case, number=number) for number, case in enumerate(CASES, start=1)]
    told += [teller(number) for number, teller in enumerate(_TELLERS, start=len(told) + 1)]
    return tuple(told)
