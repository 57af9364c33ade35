"""The table of the rules' cases that one learner in one batch can tell: case -> expected decision.

A case without a decision is no completion. Its days are those on which the first contents were finished.
"""

from dataclasses import dataclass

from pramaan.sample.catalogue import BATCHES
from pramaan.sample.people import enrol, name_of, person, study, user_id_of
from pramaan.sample.rows import Outcome, Story, at

__all__ = ["CASES", "Case", "tell"]

FOUR_DAYS = ("02-20", "02-27", "03-06", "03-13")
THREE_DAYS = FOUR_DAYS[:3]
DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Case:
    """One learner in one batch, and what must come of it; `completed` is the expected instant."""

    label: str
    says: str
    batch: str
    days: tuple[str, ...]
    decision: str | None = None
    completed: str = ""
    scores: tuple[float | None, ...] = ()
    name: str | None = DEFAULT_NAME
    language: str = "hi"
    enrolled: str = "02-10"
    left: str | None = None
    has_user_row: bool = True


def tell(case: Case, *, number: int) -> Story:
    """The rows of a case; `number` tells its learner from the others."""
    user_id = user_id_of(case.label)
    name = name_of(number, language=case.language) if case.name == DEFAULT_NAME else case.name
    user = person(case.label, number=number, language=case.language, name=name)
    days = [at(day) for day in case.days]
    outcomes: tuple[Outcome, ...] = ()
    if case.decision:
        batch = BATCHES[case.batch]
        outcomes = (Outcome(user_id, batch.course_id, batch.batch_id, at(case.completed), case.decision),)
    return Story(
        name=case.label,
        says=case.says,
        users=(user,) if case.has_user_row else (),
        enrolments=(enrol(user_id, batch=case.batch, on=case.enrolled, left=case.left),),
        progress=study(user_id, batch=case.batch, days=days, scores=case.scores),
        outcomes=outcomes,
    )


def _nameless(label: str, says: str, name: str | None) -> Case:
    return Case(label, says, "reading-a", FOUR_DAYS, "name_unprintable", "03-13", name=name)


CASES: tuple[Case, ...] = (
    Case("entitled", "all rules hold", "reading-a", FOUR_DAYS, "entitled", "03-13"),
    Case(
        "entitled_on_the_first_in_india",
        "completed on 31 March in UTC, which is 1 April in India",
        "reading-a",
        ("02-20", "02-27", "03-06", "03-31 20:00"),
        "entitled",
        "03-31 20:00",
    ),
    Case(
        "recipient_unknown",
        "enrolled and complete, but no row in the users feed",
        "reading-a",
        FOUR_DAYS,
        "recipient_unknown",
        "03-13",
        has_user_row=False,
    ),
    Case(
        "course_is_draft",
        "the course never left Draft",
        "handbook-a",
        ("02-20", "02-27"),
        "course_not_published",
        "02-27",
        language="kn",
    ),
    Case(
        "course_published_later",
        "complete in March, published in April",
        "digital-a",
        FOUR_DAYS,
        "course_not_published",
        "03-13",
        language="en",
    ),
    Case(
        "left_before_finishing",
        "the enrolment has been inactive since 1 March",
        "reading-b",
        FOUR_DAYS,
        "enrolment_inactive",
        "03-13",
        left="03-01",
    ),
    Case(
        "left_after_finishing",
        "the enrolment was active on the day of completion",
        "reading-b",
        FOUR_DAYS,
        "entitled",
        "03-13",
        left="03-20",
    ),
    Case(
        "batch_of_other_tenant",
        "the batch was made by a mentor of another tenant",
        "reading-kaveri",
        FOUR_DAYS,
        "other_tenant_batch",
        "03-13",
        language="ta",
    ),
    Case(
        "course_without_certificate",
        "nobody asserted a certificate to the course",
        "safety-a",
        THREE_DAYS,
        "no_certificate_at_completion",
        "03-06",
        language="ml",
    ),
    Case(
        "completed_before_certificate",
        "complete in April, the certificate is offered from May",
        "library-a",
        ("03-20", "04-10", "04-30 23:59"),
        "no_certificate_at_completion",
        "04-30 23:59",
        language="ur",
    ),
    Case(
        "completed_as_certificate_begins",
        "complete at the very instant from which the certificate is in force",
        "library-a",
        ("03-20", "04-10", "05-01 00:00"),
        "entitled",
        "05-01 00:00",
        language="ur",
    ),
    Case(
        "learner_of_other_tenant",
        "the certificate is for learners of one tenant only",
        "inclusion-a",
        THREE_DAYS,
        "outside_recipient_tenants",
        "03-06",
        language="te",
    ),
    Case(
        "two_reasons",
        "an outsider without a name: the first reason counts",
        "inclusion-a",
        THREE_DAYS,
        "outside_recipient_tenants",
        "03-06",
        name="",
        language="te",
    ),
    Case(
        "score_too_low",
        "a mean of 59.5 where 60 is asked",
        "maths-a",
        FOUR_DAYS,
        "below_minimum_score",
        "03-13",
        scores=(49, None, 70, None),
        language="ta",
    ),
    Case(
        "score_just_enough",
        "a mean of exactly 60, over the two contents that carry a score",
        "maths-a",
        FOUR_DAYS,
        "entitled",
        "03-13",
        scores=(59.9, None, 60.1, None),
        language="ta",
    ),
    Case(
        "no_score_at_all",
        "no content carries a score, so every minimum is missed",
        "maths-a",
        FOUR_DAYS,
        "below_minimum_score",
        "03-13",
        language="ta",
    ),
    _nameless("name_empty", "the name is empty", ""),
    _nameless("name_undefined", "a placeholder twice", "undefined undefined"),
    _nameless("name_with_null", "the last name was null", "Sunita null"),
    _nameless("name_with_control_character", "a bell in the name", "प्रकाश\u0007 शर्मा"),
    _nameless("name_with_emoji", "a flower that no bundled font holds", "Asha \N{CHERRY BLOSSOM}"),
    Case(
        "name_like_a_placeholder",
        "Null is a family name",
        "reading-a",
        FOUR_DAYS,
        "entitled",
        "03-13",
        name="Asha Null",
    ),
    Case("not_enough_contents", "three of four contents", "reading-a", THREE_DAYS),
    Case(
        "complete_before_course_grew",
        "three of three contents in March; a fourth was added in June",
        "science-a",
        THREE_DAYS,
        "entitled",
        "03-06",
        language="bn",
    ),
    Case(
        "incomplete_when_course_grew",
        "the third content came after the course had grown to four",
        "science-a",
        ("02-20", "02-27", "06-10"),
        language="as",
    ),
    Case(
        "complete_when_course_shrank",
        "three of four contents; the course shrank to three on 1 June",
        "counselling-a",
        THREE_DAYS,
        "entitled",
        "06-01 06:00",
        language="mr",
    ),
    Case(
        "complete_before_course_shrank",
        "four of four contents before the course shrank",
        "counselling-a",
        FOUR_DAYS,
        "entitled",
        "03-13",
        language="gu",
    ),
    Case(
        "studied_before_enrolling",
        "all contents done first: complete on enrolling",
        "reading-b",
        FOUR_DAYS,
        "entitled",
        "03-25",
        enrolled="03-25",
        language="pa",
    ),
)
"""Every case that one learner in one batch can tell."""
