"""Every scenario of the story, from feed files to the PDF, in many orders of arrival.

The learner finishes a course of two contents on 10 March 2024, having enrolled on 2 March. What an operator
asserts happens at once, too: before the facts are known, between them, or long after. Whatever comes first,
the end is the same.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pypdfium2
import pytest
from issuance_world import Recorded, World, signature_number_in

from pramaan.errors import RegistryError
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuers import Issuer, update_issuer
from rendering.pictures import text_of
from worlds import TESTER

Row = dict[str, Any]
Facts = dict[str, list[Row]]
KEY = ("u", "c", "b")


def day(number: int, hour: int = 0) -> datetime:
    """An instant in March 2024."""
    return datetime(2024, 3, number, hour, tzinfo=UTC)


FINISHED = day(10)


def user(name: str = "Asha Rao", **changes: object) -> Row:
    return {"user_id": "u", "name": name, "tenant_id": "t", "language": "en", "updated_at": day(1)} | changes


def course(**changes: object) -> Row:
    row = {"course_id": "c", "name": "Reading", "tenant_id": "t", "status": "Live", "leaf_count": 2}
    return row | {"published_at": day(1), "updated_at": day(1)} | changes


def batch(batch_id: str = "b", **changes: object) -> Row:
    row = {"batch_id": batch_id, "course_id": "c", "tenant_id": "t", "name": "B", "enrolment_type": "open"}
    return row | {"updated_at": day(1)} | changes


def enrolment(batch_id: str = "b", **changes: object) -> Row:
    row = {"user_id": "u", "course_id": "c", "batch_id": batch_id, "enrolled_at": day(2), "active": True}
    return row | {"updated_at": day(2)} | changes


def content(content_id: str, completed_at: datetime, *, batch_id: str = "b", **changes: object) -> Row:
    row = {"user_id": "u", "course_id": "c", "batch_id": batch_id, "content_id": content_id, "status": 2}
    return row | {"score": 80.0, "completed_at": completed_at, "updated_at": completed_at} | changes


def finisher() -> Facts:
    """All that is known of one who finished on 10 March."""
    return {
        "courses": [course()],
        "users": [user()],
        "batches": [batch()],
        "enrolments": [enrolment()],
        "progress": [content("k1", day(3)), content("k2", FINISHED)],
    }


# Orders of arrival

ASSERTED = "asserted"
Arrival = Callable[[Facts], list[Mapping[str, list[Row]] | str]]


def _in_order(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    feeds = ("users", "batches", "enrolments", "progress")
    return [{"courses": facts["courses"]}, ASSERTED, *({feed: facts[feed]} for feed in feeds)]


def _backwards(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    feeds = ("progress", "enrolments", "batches", "users")
    return [{"courses": facts["courses"]}, ASSERTED, *({feed: facts[feed]} for feed in feeds)]


def _at_once(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    rest = {feed: rows for feed, rows in facts.items() if feed != "courses"}
    return [{"courses": facts["courses"]}, ASSERTED, rest]


def _late(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    return [facts, ASSERTED]


def _backwards_and_late(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    feeds = ("progress", "enrolments", "users", "batches", "courses")
    return [*({feed: facts[feed]} for feed in feeds), ASSERTED]


def _row_by_row_the_newest_first(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    feeds = ("progress", "enrolments", "users", "batches")
    rows = [{feed: [row]} for feed in feeds for row in reversed(facts[feed])]
    return [{"courses": facts["courses"]}, ASSERTED, *rows]


def _courses_last_of_all(facts: Facts) -> list[Mapping[str, list[Row]] | str]:
    rest = {feed: rows for feed, rows in facts.items() if feed != "courses"}
    newest_first = list(reversed(facts["courses"]))
    return [rest, *({"courses": [row]} for row in newest_first), ASSERTED]


ORDERS: dict[str, Arrival] = {
    "certificate, then facts in order": _in_order,
    "certificate, then facts backwards": _backwards,
    "certificate, then facts at once": _at_once,
    "certificate, then row by row": _row_by_row_the_newest_first,
    "facts, then certificate": _late,
    "facts backwards, then certificate": _backwards_and_late,
    "courses last, then certificate": _courses_last_of_all,
}


class Teller:
    """Tells a story to a world in one order of arrival."""

    def __init__(self, world: World, arrival: Arrival, *, fmt: str, issues_each_time: bool) -> None:
        self.world, self.fmt = world, fmt
        self._arrival = arrival
        self._issues_each_time = issues_each_time

    def tell(self, facts: Facts, asserts: Callable[[World], object]) -> None:
        """Batch by batch; `asserts` is what operators do. Issues after each batch or at the end."""
        for step in self._arrival(facts):
            if isinstance(step, str):
                asserts(self.world)
                self.world.batch()
            else:
                self.world.batch(step, fmt=self.fmt)
            if self._issues_each_time and self.world.pipeline.waiting(self.world.connection):
                self.world.issue()
        self.world.issue()


QUICK = (
    "certificate, then facts in order",
    "certificate, then row by row",
    "facts backwards, then certificate",
)


@pytest.fixture(
    params=[
        *(pytest.param((name, True), id=name) for name in QUICK),
        pytest.param(("facts, then certificate", False), id="facts, then certificate, issued at the end"),
        *(
            pytest.param((name, True), id=name, marks=pytest.mark.long)
            for name in ORDERS
            if name not in QUICK
        ),
    ]
)
def teller(request: pytest.FixtureRequest, world: World) -> Teller:
    """Each order of arrival, each in another format."""
    name, issues_each_time = request.param
    formats = ("jsonl", "parquet", "csv", "jsonl.gz", "csv.gz")
    fmt = formats[list(ORDERS).index(name) % len(formats)]
    return Teller(world, ORDERS[name], fmt=fmt, issues_each_time=issues_each_time)


def the_one(world: World) -> Recorded:
    """The only certificate there is, which is issued."""
    (found,) = world.recorded()
    assert found.status == "issued"
    return found


def attached_before(world: World) -> None:
    world.attach(since=day(1))


# Attached, removed, replaced: the one in force at completion


def test_completed_while_a_certificate_was_attached_earns_it(teller: Teller) -> None:
    teller.tell(finisher(), attached_before)
    issued = the_one(teller.world)
    assert (issued.key, issued.completed_at, issued.recipient_name) == (KEY, FINISHED, "Asha Rao")
    assert "Asha Rao" in text_of(issued.pdf)
    assert "March 2024" in text_of(issued.pdf)


@pytest.mark.parametrize("since", [day(10, 1), None], ids=["an hour later", "now"])
def test_completed_and_then_attached_earns_nothing(teller: Teller, since: datetime | None) -> None:
    teller.tell(finisher(), lambda world: world.attach(since=since))
    assert teller.world.recorded() == []
    assert teller.world.decided() == {KEY: (FINISHED, "no_certificate_at_completion")}


@pytest.mark.parametrize("at", [day(10, 1), None], ids=["an hour later", "now"])
def test_attached_completed_and_removed_is_kept(teller: Teller, at: datetime | None) -> None:
    def attached_and_removed(world: World) -> None:
        attached_before(world)
        world.detach(at=at)

    teller.tell(finisher(), attached_and_removed)
    the_one(teller.world)


def test_removed_before_completion_earns_nothing(teller: Teller) -> None:
    def attached_and_removed(world: World) -> None:
        attached_before(world)
        world.detach(at=FINISHED)

    teller.tell(finisher(), attached_and_removed)
    assert teller.world.recorded() == []


def test_attached_completed_and_replaced_gives_the_old_one(teller: Teller) -> None:
    old = []

    def attached_and_replaced(world: World) -> None:
        old.append(world.attach(since=day(1)))
        world.replace(template_id="modern", issuer_id="council")

    teller.tell(finisher(), attached_and_replaced)
    issued = the_one(teller.world)
    assert issued.attachment_id == old[0].attachment_id
    assert issued.render_input["issuer_name"] == "The Board"
    assert signature_number_in(issued.pdf) == teller.world.signature_of("board")


def test_replaced_before_completion_gives_the_new_one(teller: Teller) -> None:
    new = []

    def attached_and_replaced_in_the_past(world: World) -> None:
        attached_before(world)
        world.detach(at=day(5))
        new.append(world.attach(since=day(5), template_id="heritage", issuer_id="council"))

    teller.tell(finisher(), attached_and_replaced_in_the_past)
    issued = the_one(teller.world)
    assert issued.attachment_id == new[0].attachment_id
    assert issued.render_input["issuer_name"] == "The Council"


def test_whoever_completes_after_a_replacement_of_today_gets_the_new_one(world: World) -> None:
    attached = finisher()
    world.batch({"courses": attached["courses"]})
    attached_before(world)
    new = world.replace(template_id="modern", issuer_id="council")
    attached["progress"][1] = content("k2", datetime.now(UTC) + timedelta(seconds=1))
    world.batch(attached)
    world.issue()
    assert the_one(world).attachment_id == new.attachment_id


# The signature is the one in force at completion


def test_a_signature_changed_after_completion_is_not_printed(teller: Teller) -> None:
    before = []

    def signed_anew(world: World) -> None:
        attached_before(world)
        before.append(world.signature_of("board"))
        world.sign_anew("board")

    teller.tell(finisher(), signed_anew)
    assert signature_number_in(the_one(teller.world).pdf) == before[0]
    assert teller.world.signature_of("board") != before[0]


def test_a_signature_changed_before_completion_is_printed(teller: Teller) -> None:
    after = []

    def signed_anew(world: World) -> None:
        attached_before(world)
        world.detach(at=day(5))
        world.sign_anew("board")
        after.append(world.signature_of("board"))
        world.attach(since=day(5))
        world.sign_anew("board")

    teller.tell(finisher(), signed_anew)
    assert signature_number_in(the_one(teller.world).pdf) == after[0]


def _away_store(world: World) -> Callable[[], None]:
    """The store is away, and comes back."""
    world.batch(finisher())
    world.fail_to_store()
    (waiting,) = world.recorded()
    assert (waiting.status, waiting.error_class) == ("pending", "store_unavailable")
    return lambda: None


def _unprintable_course_name(world: World) -> Callable[[], None]:
    """No font has the course's name, and the portal corrects that version."""
    facts = finisher()
    world.batch(facts | {"courses": [course(name="Reading 読書", updated_at=day(2))]})
    assert world.issue().failed == 1
    (waiting,) = world.recorded()
    assert (waiting.status, waiting.error_class) == ("failed", "text_unprintable")
    # The version in force at completion is another now.
    return lambda: world.land({"courses": [course(updated_at=day(3))]})


def _endless_name(world: World) -> Callable[[], None]:
    """The learner's name fits nowhere, and is corrected."""
    world.batch(finisher() | {"users": [user("W" * 500)]})
    assert world.issue().failed == 1
    (waiting,) = world.recorded()
    assert (waiting.status, waiting.error_class) == ("failed", "name_does_not_fit")
    return lambda: world.land({"users": [user(updated_at=day(20))]})


@pytest.mark.parametrize("fail", [_away_store, _unprintable_course_name, _endless_name])
@pytest.mark.parametrize("then", ["replaced", "signed anew", "new details", "all three", "removed"])
def test_failed_to_issue_then_changed_then_issued_gives_the_old_one(
    world: World, fail: Callable[[World], Callable[[], None]], then: str
) -> None:
    world.batch({"courses": [course()]})
    old = world.attach(since=day(1), template_id="classic", issuer_id="board")
    signature = world.signature_of("board")
    mend = fail(world)
    if then in {"signed anew", "all three"}:
        world.sign_anew("board")
    if then in {"new details", "all three"}:
        update_issuer(
            world.connection,
            Issuer("board", "t", "The New Board", signatory_name="Dr Sen", signatory_designation="Chair"),
            by=TESTER,
        )
    if then in {"replaced", "all three"}:
        world.replace(template_id="modern", issuer_id="council")
    if then == "removed":
        world.detach()
    mend()
    world.batch()
    assert world.issue().issued == 1
    issued = the_one(world)
    assert issued.attachment_id == old.attachment_id
    assert issued.render_input["issuer_name"] == "The Board"
    assert signature_number_in(issued.pdf) == signature
    assert {"The Board", "Dr Rao", "Registrar"} <= {
        word for word in ("The Board", "Dr Rao", "Registrar", "Dr Sen") if word in text_of(issued.pdf)
    }
    assert str(old.attachment_id).encode() in attached_to(issued.pdf)


def attached_to(pdf: bytes) -> bytes:
    """The assertion within the file."""
    with pypdfium2.PdfDocument(pdf) as document:
        return bytes(document.get_attachment(0).get_data())


# Whose batch, which course, which contents


@pytest.mark.parametrize("whose", ["the batch", "the course"])
def test_a_batch_of_another_tenant_inherits_nothing(teller: Teller, whose: str) -> None:
    facts = finisher()
    issuer_id = "board"
    if whose == "the batch":
        facts["batches"] = [batch(tenant_id="s")]
    else:
        facts["courses"] = [course(tenant_id="s")]
        issuer_id = "other-board"
    teller.tell(facts, lambda world: world.attach(since=day(1), issuer_id=issuer_id))
    assert teller.world.recorded() == []
    assert teller.world.decided() == {KEY: (FINISHED, "other_tenant_batch")}


def test_a_user_of_another_tenant_in_a_batch_of_ours_earns_it(teller: Teller) -> None:
    teller.tell(finisher() | {"users": [user(tenant_id="s")]}, attached_before)
    the_one(teller.world)


@pytest.mark.parametrize(
    ("criteria", "decision"),
    [
        (Criteria(recipient_tenants=("t",), minimum_score=80), "entitled"),
        (Criteria(recipient_tenants=("s",)), "outside_recipient_tenants"),
        (Criteria(minimum_score=80.5), "below_minimum_score"),
    ],
)
def test_the_criteria_of_the_certificate_say_who_earns_it(
    teller: Teller, criteria: Criteria, decision: str
) -> None:
    teller.tell(finisher(), lambda world: world.attach(since=day(1), criteria=criteria))
    assert [found.status for found in teller.world.recorded()] == ["issued"] * (decision == "entitled")
    assert teller.world.decided() == {KEY: (FINISHED, decision)}


def test_enrolled_after_finishing_completes_on_enrolment(teller: Teller) -> None:
    facts = finisher() | {"enrolments": [enrolment(enrolled_at=day(15), updated_at=day(15))]}
    teller.tell(facts, lambda world: world.attach(since=day(12)))
    assert the_one(teller.world).completed_at == day(15)


def test_left_before_finishing_earns_nothing(teller: Teller) -> None:
    left = enrolment(active=False, updated_at=day(5))
    teller.tell(finisher() | {"enrolments": [enrolment(), left]}, attached_before)
    assert teller.world.recorded() == []
    assert teller.world.decided() == {KEY: (FINISHED, "enrolment_inactive")}


def test_left_after_finishing_is_kept(teller: Teller) -> None:
    left = enrolment(active=False, updated_at=day(10, 1))
    teller.tell(finisher() | {"enrolments": [enrolment(), left]}, attached_before)
    the_one(teller.world)


def test_contents_added_after_finishing_take_nothing_away(teller: Teller) -> None:
    grown = course(leaf_count=3, name="Reading, longer", updated_at=day(20))
    teller.tell(finisher() | {"courses": [course(), grown]}, attached_before)
    assert the_one(teller.world).render_input["course_name"] == "Reading"


def test_contents_added_before_finishing_must_be_done_too(teller: Teller) -> None:
    facts = finisher() | {"courses": [course(), course(leaf_count=3, updated_at=day(9))]}
    teller.tell(facts, attached_before)
    assert (teller.world.recorded(), teller.world.decided()) == ([], {})
    teller.world.batch({"progress": [content("k3", day(25))]})
    teller.world.issue()
    assert the_one(teller.world).completed_at == day(25)


def test_a_course_that_is_retired_later_keeps_its_certificates(teller: Teller) -> None:
    retired = course(status="Retired", updated_at=day(20))
    facts = finisher()
    facts["courses"].append(retired)
    try:
        teller.tell(facts, attached_before)
    except RegistryError as refused:  # nobody asserts anything to a course that is retired already
        assert refused.code == "course_not_published"  # noqa: PT017 - in some orders only
        return
    the_one(teller.world)


def test_finished_before_the_course_was_published_earns_nothing(teller: Teller) -> None:
    teller.tell(finisher() | {"courses": [course(published_at=day(11))]}, attached_before)
    assert teller.world.recorded() == []
    assert teller.world.decided() == {KEY: (FINISHED, "course_not_published")}


def test_progress_in_another_course_of_the_batch_is_no_completion(teller: Teller) -> None:
    facts = finisher()
    facts["progress"][1] |= {"course_id": "d"}
    teller.tell(facts, attached_before)
    assert (teller.world.recorded(), teller.world.decided()) == ([], {})


def test_finished_in_two_batches_of_a_course_gets_a_certificate_of_each(teller: Teller) -> None:
    facts = finisher()
    facts["batches"].append(batch("b2"))
    facts["enrolments"].append(enrolment("b2", enrolled_at=day(12), updated_at=day(12)))
    facts["progress"] += [content(each, day(14), batch_id="b2") for each in ("k1", "k2")]
    teller.tell(facts, attached_before)
    first, second = teller.world.recorded()
    assert [each.status for each in (first, second)] == ["issued", "issued"]
    assert (first.key, first.completed_at) == (KEY, FINISHED)
    assert (second.key, second.completed_at) == (("u", "c", "b2"), day(14))
    assert first.certificate_id != second.certificate_id
    assert first.pdf != second.pdf


def test_finished_half_in_each_of_two_batches_is_finished_in_none(teller: Teller) -> None:
    facts = finisher()
    facts["batches"].append(batch("b2"))
    facts["enrolments"].append(enrolment("b2"))
    facts["progress"][1] |= {"batch_id": "b2"}
    teller.tell(facts, attached_before)
    assert (teller.world.recorded(), teller.world.decided()) == ([], {})


# What was issued never changes; what waits follows the facts


@pytest.fixture
def issued_world(world: World) -> World:
    """A world in which the learner's certificate is issued."""
    facts = finisher()
    world.batch({"courses": facts["courses"]})
    attached_before(world)
    world.batch(facts)
    assert world.issue().issued == 1
    return world


@pytest.fixture
def pending_world(world: World) -> World:
    """A world in which the learner's certificate waits, after a store that was away."""
    facts = finisher()
    world.batch({"courses": facts["courses"]})
    attached_before(world)
    world.batch(facts)
    world.fail_to_store()
    assert [each.status for each in world.recorded()] == ["pending"]
    return world


LATER: dict[str, Facts] = {
    "the learner is renamed": {"users": [user("Asha Sen", updated_at=day(20))]},
    "the name becomes unprintable": {"users": [user("undefined", updated_at=day(20))]},
    "the learner moves to another tenant": {"users": [user(tenant_id="s", updated_at=day(20))]},
    "the course is renamed": {"courses": [course(name="Writing", updated_at=day(2))]},
    "the course has more contents": {"courses": [course(leaf_count=5, updated_at=day(2))]},
    "the course becomes a draft": {"courses": [course(status="Draft", updated_at=day(20))]},
    "the batch is of another tenant": {"batches": [batch(tenant_id="s", updated_at=day(20))]},
    "the batch is of another course": {"batches": [batch(course_id="d", updated_at=day(20))]},
    "the learner had left": {"enrolments": [enrolment(active=False, updated_at=day(4))]},
    "the learner had enrolled later": {"enrolments": [enrolment(enrolled_at=day(15), updated_at=day(20))]},
    "the learner had finished earlier": {"progress": [content("k2", day(8))]},
}


@pytest.mark.parametrize("change", LATER)
def test_whatever_facts_say_later_what_was_issued_stays(issued_world: World, change: str) -> None:
    before = issued_world.everything()
    issued_world.batch(LATER[change])
    issued_world.pipeline.enqueue_missing(issued_world.connection)
    assert issued_world.issue().attempts == 0
    assert issued_world.everything() == before


@pytest.mark.parametrize("change", ["removed", "replaced", "signed anew", "removed as if long ago"])
def test_whatever_is_asserted_later_what_was_issued_stays(issued_world: World, change: str) -> None:
    before = issued_world.everything()
    changes: dict[str, Callable[[], object]] = {
        "removed": issued_world.detach,
        "replaced": issued_world.replace,
        "signed anew": issued_world.sign_anew,
        "removed as if long ago": lambda: issued_world.detach(at=day(2)),
    }
    changes[change]()
    issued_world.batch()
    assert issued_world.issue().attempts == 0
    assert issued_world.everything() == before


@pytest.mark.parametrize(
    ("change", "printed"),
    [
        ("the learner is renamed", {"recipient_name": "Asha Sen"}),
        ("the course is renamed", {"course_name": "Writing"}),
        ("the learner had enrolled later", {"completed_at": "2024-03-15T00:00:00Z"}),
        ("the learner had finished earlier", {"completed_at": "2024-03-08T00:00:00Z"}),
        ("the learner moves to another tenant", {}),
        ("the name becomes unprintable", None),
        ("the course has more contents", None),
        ("the course becomes a draft", None),
        ("the batch is of another tenant", None),
        ("the batch is of another course", None),
        ("the learner had left", None),
    ],
)
def test_what_waits_follows_the_facts(
    pending_world: World, change: str, printed: dict[str, str] | None
) -> None:
    (before,) = pending_world.recorded()
    pending_world.batch(LATER[change])
    pending_world.issue()
    if printed is None:
        assert pending_world.recorded() == []
        return
    issued = the_one(pending_world)
    assert issued.render_input == before.render_input | printed
    assert printed.get("recipient_name", "Asha Rao") in text_of(issued.pdf)
    assert printed.get("course_name", "Reading") in text_of(issued.pdf)


def earlier() -> Facts:
    """A correction: the last content was done before the certificate was attached."""
    return {"progress": [content("k2", day(4), updated_at=day(20))]}


def test_a_correction_to_before_the_certificate_takes_back_nothing_that_was_issued(world: World) -> None:
    facts = finisher()
    world.batch({"courses": facts["courses"]})
    world.attach(since=day(5))
    world.batch(facts)
    world.issue()
    before = world.everything()
    world.batch(earlier())
    assert world.decided() == {KEY: (day(4), "no_certificate_at_completion")}
    assert world.issue().attempts == 0
    assert world.everything() == before
    assert the_one(world).completed_at == FINISHED


@pytest.mark.parametrize("waits", ["pending", "retried", "failed"])
def test_a_correction_to_before_the_certificate_withdraws_what_waits(world: World, waits: str) -> None:
    facts = finisher()
    world.batch({"courses": facts["courses"]})
    world.attach(since=day(5))
    world.batch(facts if waits != "failed" else facts | {"users": [user("W" * 500)]})
    if waits == "retried":
        world.fail_to_store()
    if waits == "failed":
        assert world.issue().failed == 1
    world.batch(earlier())
    assert world.recorded() == []
    assert world.issue().attempts == 0


def test_a_correction_within_a_second_is_the_completion_of_record(world: World) -> None:
    facts = finisher()
    facts["progress"][1] = content("k2", day(10) + timedelta(milliseconds=900))
    world.batch(facts)
    attached_before(world)
    world.batch()
    world.batch({"progress": [content("k2", day(10) + timedelta(milliseconds=100))]})
    world.issue()
    assert world.decided() == {KEY: (day(10) + timedelta(milliseconds=100), "entitled")}
    assert the_one(world).completed_at == day(10) + timedelta(milliseconds=100)


def test_a_revoked_certificate_is_never_followed_by_a_second(issued_world: World) -> None:
    (issued,) = issued_world.recorded()
    issued_world.revoke(issued.certificate_id)
    before = issued_world.everything()
    issued_world.replace()
    for change in LATER.values():
        issued_world.batch(change)
        issued_world.issue()
    issued_world.pipeline.enqueue_missing(issued_world.connection)
    issued_world.issue()
    assert issued_world.everything() == before
    assert [each.status for each in issued_world.recorded()] == ["revoked"]


def test_revoked_while_facts_come_and_go_stays_revoked(issued_world: World) -> None:
    (issued,) = issued_world.recorded()
    issued_world.batch(earlier() | {"courses": [course(status="Draft", updated_at=day(20))]})
    issued_world.revoke(issued.certificate_id)
    issued_world.batch({"courses": [course(updated_at=day(21))]})
    assert issued_world.decided() == {KEY: (day(4), "entitled")}
    assert issued_world.issue().attempts == 0
    assert [each.status for each in issued_world.recorded()] == ["revoked"]


# The same again


@pytest.mark.parametrize("again", ["same bytes", "parquet", "csv", "csv.gz", "jsonl.gz", "in reverse"])
def test_the_same_feed_again_gives_nothing_new(issued_world: World, again: str) -> None:
    before = issued_world.everything()
    facts = finisher()
    if again == "same bytes":
        count = issued_world.land_all_files_again()
        files = issued_world.load()
        assert [file.status for file in files] == ["known"] * count
    else:
        if again == "in reverse":
            facts = {feed: list(reversed(rows)) for feed, rows in facts.items()}
        issued_world.land(facts, fmt=again if again != "in reverse" else "jsonl")
        assert sum(file.rows_changed for file in issued_world.load()) == 0
    decided = issued_world.decide()
    assert (decided.scope.keys, decided.enqueued.pending, decided.enqueued.withdrawn) == (0, 0, 0)
    assert issued_world.issue().attempts == 0
    assert issued_world.everything() == before
    assert not list((issued_world.folder / "landing").glob("[a-z]*/*"))
