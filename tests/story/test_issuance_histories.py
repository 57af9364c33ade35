"""Whatever happens, in whatever order: the certificates are those of the reference, and the books balance."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from issuance_histories import (
    TOO_LONG,
    Act,
    Chapter,
    Issue,
    Night,
    Replace,
    Revoke,
    SignAnew,
    chapters,
)
from issuance_world import Recorded, World, blocked, signature_number_in

from pramaan.errors import RegistryError, StoreError
from pramaan.registry.attachments import Attachment, Criteria, attachment_history
from reference import Attachment as Asserted
from reference import gather_facts
from reference_issuance import (
    Assertion,
    Certificate,
    Key,
    Printed,
    asserted,
    earned,
    follow,
    removed,
    succeeded,
    with_status,
)
from warehouse.histories import Attach, Detach, Fact
from warehouse.rule_tables import attachments, printable

FEEDS = ("users", "courses", "batches", "enrolments", "progress")


def fits(printed: Printed) -> bool:
    return TOO_LONG not in (printed.recipient_name, printed.course_name)


class Chronicle:
    """A world, and beside it what the reference says of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: dict[str, list[dict[str, Any]]] = {feed: [] for feed in FEEDS}
        self.assertions: list[Assertion] = []
        self.ledger: dict[Key, Certificate] = {}
        self.issued: dict[Key, tuple[Recorded, bytes]] = {}
        self._printable = printable(world.connection)

    def live_through(self, history: Iterable[Chapter]) -> None:
        """Each chapter, and what is left to issue at the end."""
        for chapter in history:
            self.land(chapter.facts)
            self.world.load()
            for act in chapter.before:
                self.do(act)
            self.world.decide()
            self.follow()
            for act in chapter.after:
                self.do(act)
        self.world.decide()
        self.follow()
        self.do(Issue(1000, "none"))

    def land(self, facts: Iterable[Fact]) -> None:
        for feed in FEEDS:
            landed = [fact.row for fact in facts if fact.feed == feed]
            self.rows[feed] += landed
            self.world.land({feed: landed})

    def follow(self) -> None:
        facts = gather_facts(
            self.rows,
            attachments=[each.attachment for each in self.assertions],
            printable=self._printable,
        )
        self.ledger = follow(self.ledger, earned(self.rows, facts))
        self.compare()

    def do(self, act: Act) -> None:
        """What the registry refuses has no effect, in the world or in the reference."""
        if isinstance(act, Issue):
            self._issue(act)
            return
        with suppress(RegistryError):
            if isinstance(act, Attach):
                self._attach(act)
            elif isinstance(act, Detach):
                self.world.detach(act.course_id, at=act.day)
                self.assertions = removed(self.assertions, act.course_id, at=act.day)
            elif isinstance(act, Replace):
                self._replace(act)
            elif isinstance(act, SignAnew):
                self._sign_anew(act)
            elif isinstance(act, Revoke):
                self._revoke(act)
            elif isinstance(act, Night):
                self.world.pipeline.enqueue_missing(self.world.connection)
                self.follow()

    def _attach(self, act: Attach) -> None:
        criteria = Criteria(act.recipient_tenants, act.minimum_score)
        made = self.world.attach(act.course_id, since=act.day, criteria=criteria)
        self.assertions = asserted(self.assertions, self._assertion(made, criteria))

    def _replace(self, act: Replace) -> None:
        criteria = Criteria(minimum_score=act.minimum_score)
        terms = {"template_id": act.template_id, "issuer_id": act.issuer_id, "criteria": criteria}
        made = self.world.replace(act.course_id, **terms)  # type: ignore[arg-type]
        if str(made.attachment_id) not in {each.attachment.attachment_id for each in self.assertions}:
            self.assertions = succeeded(self.assertions, self._assertion(made, criteria))

    def _sign_anew(self, act: SignAnew) -> None:
        at = self.world.sign_anew(act.issuer_id).valid_from
        for course_id in ("c1", "c2"):
            for made in attachment_history(self.world.connection, course_id):
                if made.valid_from == at:
                    criteria = Criteria(
                        tuple(made.criteria.get("recipient_tenants", ())),  # type: ignore[arg-type]
                        made.criteria.get("minimum_score"),  # type: ignore[arg-type]
                    )
                    self.assertions = succeeded(self.assertions, self._assertion(made, criteria))

    def _revoke(self, act: Revoke) -> None:
        for each in self.world.recorded():
            if (each.user_id, each.batch_id) == (act.user_id, act.batch_id) and each.status == "issued":
                self.world.revoke(each.certificate_id)
                self.ledger = with_status(self.ledger, each.key, "revoked")

    def _assertion(self, made: Attachment, criteria: Criteria) -> Assertion:
        return Assertion(
            Asserted(
                str(made.attachment_id),
                made.course_id,
                made.valid_from,
                None,
                frozenset(criteria.recipient_tenants) or None,
                criteria.minimum_score,
            ),
            made.template_id,
            made.issuer_id,
            self.world.signature_of(made.issuer_id),
        )

    def _issue(self, act: Issue) -> None:
        """Whoever of those that wait is taken first is nobody's promise; how many are, is."""
        waiting = {key for key, known in self.ledger.items() if known.status == "pending"}
        store = self.world.folder / "store"
        away = self._folders_away(act, store, waiting)
        with ExitStack() as faults:
            for path in away:
                faults.enter_context(blocked(path))
            with suppress(StoreError):
                result = self.world.issue(limit=act.limit)
                assert away or result.attempts == min(act.limit, len(waiting))
        unreachable = away == [store]
        for each in self.world.recorded():
            if each.key in waiting and each.status != "pending":
                unreachable_too = store / "certificates" / each.certificate_id[:2] in away
                assert each.status == ("issued" if fits(self.ledger[each.key].printed) else "failed")
                assert each.status == "failed" or not (unreachable or unreachable_too)
                self.ledger = with_status(self.ledger, each.key, each.status)
        self.compare()

    def _folders_away(self, act: Issue, store: Path, waiting: set[Key]) -> list[Path]:
        if act.fault == "store away":
            return [store]
        if act.fault == "folders away":
            ids = sorted(each.certificate_id for each in self.world.recorded() if each.key in waiting)
            return sorted({store / "certificates" / each[:2] for each in ids[::2]})
        return []

    def compare(self) -> None:
        """The registry is what the reference says, and what was issued is as it was issued."""
        recorded = {each.key: each for each in self.world.recorded()}
        assert {key: self._certificate(each) for key, each in recorded.items()} == self.ledger
        for key, each in recorded.items():
            if each.status == "issued" and key not in self.issued:
                self.issued[key] = (each, each.pdf)
        for key, (then, pdf) in self.issued.items():
            now = recorded[key]
            assert now.status in {"issued", "revoked"}
            assert _but_status(now) == _but_status(then)
            assert now.pdf == pdf

    def _certificate(self, each: Recorded) -> Certificate:
        printed = Printed(
            str(each.attachment_id),
            each.completed_at,
            each.recipient_name,
            str(each.render_input["course_name"]),
            str(each.render_input["language"]),
        )
        assert each.render_input["recipient_name"] == each.recipient_name
        assert each.render_input["completed_at"] == f"{each.completed_at:%Y-%m-%dT%H:%M:%SZ}"
        return Certificate(printed, each.status)

    def assert_all_is_told(self) -> None:
        """At the end: nobody waits, the books balance, every page has the signature of its attachment."""
        assert not [key for key, known in self.ledger.items() if known.status == "pending"]
        self.world.assert_books_balance()
        by_id = {each.attachment.attachment_id: each for each in self.assertions}
        for each in self.world.recorded():
            if each.status in {"issued", "revoked"}:
                assert signature_number_in(each.pdf) == by_id[str(each.attachment_id)].signature
        known = {each.attachment for each in self.assertions}
        assert set(attachments(self.world.connection)) == known

    def assert_telling_it_again_changes_nothing(self) -> None:
        """The same files, the same rows in another format, and every decision made again."""
        before = self.world.everything()
        count = self.world.land_all_files_again()
        assert Counter(file.status for file in self.world.load()) == Counter(known=count)
        self.world.land(self.rows, fmt="parquet")
        assert {file.rows_changed for file in self.world.load()} <= {0}
        assert self.world.decide().scope.keys == 0
        self.world.connection.execute(
            "insert into ops.changed_keys (kind, course_id) "
            "select distinct 'course', course_id from raw.courses"
        )
        self.world.decide()
        self.world.pipeline.enqueue_missing(self.world.connection)
        assert self.world.issue().attempts == 0
        assert self.world.everything() == before


def _but_status(each: Recorded) -> tuple[object, ...]:
    return tuple(getattr(each, name) for name in each.__slots__ if name != "status")


def tell(new_world: Callable[[], World], history: list[Chapter]) -> Chronicle:
    chronicle = Chronicle(new_world())
    chronicle.live_through(history)
    chronicle.assert_all_is_told()
    return chronicle


QUICK = hypothesis_settings(max_examples=18, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(history=chapters())
@QUICK
def test_every_history_ends_in_the_certificates_of_the_reference(
    new_world: Callable[[], World], history: list[Chapter]
) -> None:
    tell(new_world, history).assert_telling_it_again_changes_nothing()


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(history=chapters())
@hypothesis_settings(QUICK, max_examples=500)
def test_very_many_histories_end_in_the_certificates_of_the_reference(
    new_world: Callable[[], World], history: list[Chapter]
) -> None:
    tell(new_world, history).assert_telling_it_again_changes_nothing()
