"""The reference of issuance proven by hand-written cases."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reference import Attachment, gather_facts
from reference_issuance import (
    Assertion,
    Certificate,
    Printed,
    asserted,
    earned,
    follow,
    removed,
    succeeded,
    with_status,
)

KEY = ("u", "c", "b")
PRINTABLE = frozenset(range(0x20, 0x7F))


def day(number: int) -> datetime:
    return datetime(2024, 3, number, tzinfo=UTC)


def one(name: str, since: int, until: int | None = None, *, course_id: str = "c") -> Assertion:
    ends = day(until) if until else None
    return Assertion(Attachment(name, course_id, day(since), ends), "classic", "board", 1)


def spans(known: list[Assertion]) -> dict[str, tuple[int, int | None]]:
    return {
        each.attachment.attachment_id: (
            each.attachment.valid_from.day,
            each.attachment.valid_to.day if each.attachment.valid_to else None,
        )
        for each in known
    }


PRINTED = Printed("a", day(5), "Asha", "Reading", "en")


def test_a_certificate_is_in_force_until_the_next_that_ever_begins() -> None:
    known = asserted([one("later", 9), one("never", 7, 7), one("other", 6, course_id="d")], one("new", 5))
    assert spans(known)["new"] == (5, 9)
    assert spans(asserted([], one("alone", 5))) == {"alone": (5, None)}


def test_a_removal_ends_only_what_is_in_force_then() -> None:
    known = removed([one("past", 1, 3), one("now", 3), one("other", 1, course_id="d")], "c", at=day(6))
    assert spans(known) == {"past": (1, 3), "now": (3, 6), "other": (1, None)}


def test_a_successor_takes_over_the_end_that_was_set() -> None:
    known = succeeded([one("old", 1, 20), one("other", 1, course_id="d")], one("new", 8))
    assert spans(known) == {"old": (1, 8), "other": (1, None), "new": (8, 20)}


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_what_is_not_issued_follows_the_facts(status: str) -> None:
    ledger = {KEY: Certificate(PRINTED, status)}
    renamed = replace(PRINTED, recipient_name="Asha Rao")
    assert follow(ledger, {KEY: PRINTED}) == ledger
    assert follow(ledger, {KEY: renamed}) == {KEY: Certificate(renamed)}
    assert follow(ledger, {}) == {}


@pytest.mark.parametrize("status", ["issued", "revoked"])
def test_what_was_issued_stays_whatever_the_facts_say(status: str) -> None:
    ledger = with_status({KEY: Certificate(PRINTED)}, KEY, status)
    assert ledger == {KEY: Certificate(PRINTED, status)}
    for now_earned in ({}, {KEY: PRINTED}, {KEY: replace(PRINTED, attachment_id="b")}):
        assert follow(ledger, now_earned) == ledger


def test_what_is_printed_is_of_the_version_in_force_and_the_newest_user() -> None:
    then = {"tenant_id": "t", "updated_at": day(1)}
    course = {"course_id": "c", "status": "Live", "leaf_count": 1, "published_at": day(1), **then}
    done = {"user_id": "u", "course_id": "c", "batch_id": "b", "completed_at": day(5)}
    rows = {
        "users": [
            {"user_id": "u", "name": "Asha", "language": None, **then},
            {"user_id": "u", "name": "Asha Rao", "language": "hi", **then, "updated_at": day(9)},
        ],
        "courses": [
            {**course, "name": "Reading"},
            {**course, "name": "Reading II", "updated_at": day(4)},
            {**course, "name": "Reading III", "updated_at": day(6)},
        ],
        "batches": [{"batch_id": "b", "course_id": "c", **then}],
        "enrolments": [{"user_id": "u", "batch_id": "b", "enrolled_at": day(1), "active": True, **then}],
        "progress": [done | {"content_id": "k", "status": 2, "score": None, "updated_at": day(5)}],
    }
    facts = gather_facts(rows, attachments=[one("a", 1).attachment], printable=PRINTABLE)
    assert earned(rows, facts) == {KEY: Printed("a", day(5), "Asha Rao", "Reading II", "hi")}
    too_late = gather_facts(rows, attachments=[one("a", 6).attachment], printable=PRINTABLE)
    assert earned(rows, too_late) == {}
