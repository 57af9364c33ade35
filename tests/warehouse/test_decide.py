"""Batch by batch, in whatever order facts arrive, the decisions are those of the rules over all of them."""

import contextlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from histories import Attach, Detach, Fact, Step, histories
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from rule_tables import attachments, decisions, kept, printable, rebuilt

from pramaan.database.connect import Connection, pipeline_lock
from pramaan.errors import DatabaseError, RegistryError
from pramaan.feeds.landing import Landing
from pramaan.pipeline import Pipeline
from pramaan.registry.attachment_changes import attach, detach
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.registry.templates import KeptTemplate
from pramaan.settings import Settings
from pramaan.warehouse.dbt import run_dbt
from pramaan.warehouse.decide import KEYED_TABLES, decide_changed_keys
from reference import decide, gather_facts
from worlds import TESTER, load_and_decide

TEMPLATE = KeptTemplate("classic", "1", b"archive")
FEEDS = ("users", "courses", "batches", "enrolments", "progress")
EMPTY = """
    alter table registry.certificates disable trigger never_truncated;
    truncate raw.users, raw.courses, raw.batches, raw.enrolments, raw.progress, ops.changed_keys, ops.loads,
        ops.load_verdicts, ops.candidate_days, ops.held_keys, ops.quarantine, ops.outcomes,
        registry.certificates, registry.attachments, registry.issuer_versions,
        registry.issuers, intermediate.int_enrolment_progress, marts.fct_completions,
        marts.fct_certificate_decisions;
    alter table registry.certificates enable trigger never_truncated
"""


def add_issuers(connection: Connection) -> None:
    for tenant_id in ("t", "s"):
        record_issuer(connection, Issuer(f"{tenant_id}-board", tenant_id, "Board"), by=TESTER)


def drop_facts(settings: Settings, folder: Path, facts: Iterable[Fact]) -> None:
    """One file a feed, of a name and bytes never seen before."""
    for feed in FEEDS:
        rows = [fact.row for fact in facts if fact.feed == feed]
        if rows:
            path = folder / f"{uuid4().hex}.jsonl"
            lines = [json.dumps(row, default=datetime.isoformat) for row in rows]
            path.write_text("\n".join([*lines, ""]) + " " * (uuid4().int % 97))
            Landing(settings.landing_url).add(feed, path)


def operate(connection: Connection, step: Step) -> None:
    """What an operator asks for; what the registry refuses has no effect."""
    with contextlib.suppress(RegistryError):
        if isinstance(step, Attach):
            attach(
                connection,
                step.course_id,
                template=TEMPLATE,
                issuer_id=f"{step.tenant_id}-board",
                criteria=Criteria(step.recipient_tenants, step.minimum_score),
                valid_from=step.day,
                by=TESTER,
                reason="import of history",
            )
        elif isinstance(step, Detach):
            detach(connection, step.course_id, valid_to=step.day, by=TESTER)


class World:
    """An empty world in which histories happen, one after the other."""

    def __init__(self, settings: Settings, pipeline: Pipeline, connection: Connection, folder: Path) -> None:
        self.settings, self.pipeline, self.connection, self.folder = settings, pipeline, connection, folder

    def live_through(self, history: list[list[Step]]) -> None:
        """Each batch: files land, the pipeline loads, operators ask, the pipeline decides."""
        self.connection.execute(EMPTY)
        add_issuers(self.connection)
        for steps in history:
            drop_facts(self.settings, self.folder, [step for step in steps if isinstance(step, Fact)])
            with pipeline_lock(self.connection, wait_seconds=10):
                self.pipeline.load(self.connection)
                for step in steps:
                    operate(self.connection, step)
                self.pipeline.decide(self.connection)

    def reference_decisions(self, history: list[list[Step]]) -> object:
        rows: dict[str, list[dict[str, Any]]] = {feed: [] for feed in FEEDS}
        for step in (step for steps in history for step in steps):
            if isinstance(step, Fact):
                rows[step.feed].append(step.row)
        known, letters = attachments(self.connection), printable(self.connection)
        return decide(gather_facts(rows, attachments=known, printable=letters))


@pytest.fixture
def world(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> World:
    return World(settings, pipeline, connection, tmp_path)


@given(history=histories())
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_batches_decide_as_the_reference_and_as_a_rebuild(world: World, history: list[list[Step]]) -> None:
    world.live_through(history)
    assert decisions(world.connection) == world.reference_decisions(history)
    assert kept(world.connection) == rebuilt(world.connection)
    assert world.connection.execute("select count(*) from ops.changed_keys").fetchone() == (0,)


@pytest.mark.slow
@given(history=histories())
@hypothesis_settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_dbt_over_all_keys_agrees_with_the_batches(world: World, history: list[list[Step]]) -> None:
    world.live_through(history)
    by_batches = kept(world.connection)
    url = world.settings.database_url
    assert url is not None
    run_dbt(
        ["run", "--select", " ".join(KEYED_TABLES)],
        url=url.get_secret_value(),
        target=world.folder / "dbt",
    )
    assert kept(world.connection) == by_batches


def test_rules_that_dbt_has_not_deployed_are_named(connection: Connection) -> None:
    connection.execute("delete from ops.rule_statements")
    connection.execute("insert into ops.changed_keys (kind, user_id, batch_id) values ('progress', 'u', 'b')")
    with (
        pytest.raises(DatabaseError, match="dbt has not deployed int_enrolment_progress"),
        connection.transaction(),
    ):
        decide_changed_keys(connection)
    assert connection.execute("select count(*) from ops.changed_keys").fetchone() == (1,)


def test_a_view_that_is_missing_for_a_moment_leaves_the_keys(connection: Connection) -> None:
    connection.execute("drop view intermediate.int_course_versions cascade")
    connection.execute("insert into ops.changed_keys (kind, user_id, batch_id) values ('progress', 'u', 'b')")
    with pytest.raises(DatabaseError, match="run it again"), connection.transaction():
        decide_changed_keys(connection)
    assert connection.execute("select count(*) from ops.changed_keys").fetchone() == (1,)


def test_nothing_changed_decides_nothing(connection: Connection) -> None:
    with connection.transaction():
        scope = decide_changed_keys(connection)
    assert (scope.keys, scope.completions, scope.decisions) == (0, 0, 0)


def day(number: int) -> datetime:
    return datetime(2024, 3, number, tzinfo=UTC)


def one_finisher() -> list[Step]:
    """A learner who finished a course of one content on 5 March, and whose certificate is in force."""
    key = {"user_id": "u1", "course_id": "c1", "batch_id": "b1"}
    updated = {"updated_at": day(1)}
    return [
        Fact("users", {"user_id": "u1", "name": "Asha", "tenant_id": "t", **updated}),
        Fact("courses", course()),
        Fact("courses", course(course_id="c2", leaf_count=2)),
        Fact("batches", batch()),
        Fact("enrolments", {**key, "enrolled_at": day(1), "active": True, **updated}),
        Fact("progress", progress()),
    ]


def course(**changes: object) -> dict[str, Any]:
    row = {"course_id": "c1", "name": "Course", "tenant_id": "t", "status": "Live", "leaf_count": 1}
    return row | {"published_at": day(1), "updated_at": day(1)} | changes


def batch(**changes: object) -> dict[str, Any]:
    row = {"batch_id": "b1", "course_id": "c1", "tenant_id": "t", "name": "Batch", "enrolment_type": "open"}
    return row | {"updated_at": day(1)} | changes


def progress(**changes: object) -> dict[str, Any]:
    row = {"user_id": "u1", "course_id": "c1", "batch_id": "b1", "content_id": "k1", "status": 2}
    return row | {"score": 70.0, "completed_at": day(5), "updated_at": day(5)} | changes


ATTACHED = Attach("c1", "t", day(1), (), None)
MINIMUM = Attach("c1", "t", day(1), (), 80.0)
KEY = {"user_id": "u1", "course_id": "c1", "batch_id": "b1"}
LEFT = {**KEY, "enrolled_at": day(1), "active": False, "updated_at": day(2)}
NAMELESS = {"user_id": "u1", "name": "null", "tenant_id": "t", "updated_at": day(9)}
MOVED = batch(course_id="c2", updated_at=day(9))


DRAFT = course(status="Draft", updated_at=day(9))
LONGER = course(leaf_count=2, updated_at=day(2))
OF_ANOTHER_TENANT = batch(tenant_id="s", updated_at=day(9))

CHANGES: dict[str, tuple[list[Step], Step, str, str | None]] = {
    "progress": ([ATTACHED], Fact("progress", progress(completed_at=day(4))), "entitled", "entitled"),
    "score": ([MINIMUM], Fact("progress", progress(score=90.0)), "below_minimum_score", "entitled"),
    "enrolment": ([ATTACHED], Fact("enrolments", LEFT), "entitled", "enrolment_inactive"),
    "user": ([ATTACHED], Fact("users", NAMELESS), "entitled", "name_unprintable"),
    "course": ([ATTACHED], Fact("courses", DRAFT), "entitled", "course_not_published"),
    "course_version": ([ATTACHED], Fact("courses", LONGER), "entitled", None),
    "batch": ([ATTACHED], Fact("batches", OF_ANOTHER_TENANT), "entitled", "other_tenant_batch"),
    "batch_moves": ([ATTACHED], Fact("batches", MOVED), "entitled", None),
    "attachment": ([], ATTACHED, "no_certificate_at_completion", "entitled"),
    "detachment": ([ATTACHED], Detach("c1", day(5)), "entitled", "no_certificate_at_completion"),
    "later_detachment": ([ATTACHED], Detach("c1", day(6)), "entitled", "entitled"),
}


@pytest.mark.parametrize(("before", "change", "first", "then"), CHANGES.values(), ids=CHANGES)
def test_each_kind_of_fact_decides_again(
    world: World, before: list[Step], change: Step, first: str, then: str | None
) -> None:
    world.live_through([one_finisher(), before])
    assert [made.decision for made in decisions(world.connection).values()] == [first]
    drop_facts(world.settings, world.folder, [change] if isinstance(change, Fact) else [])
    operate(world.connection, change)
    load_and_decide(world.pipeline, world.connection)
    assert [made.decision for made in decisions(world.connection).values()] == ([then] if then else [])
    assert kept(world.connection) == rebuilt(world.connection)


def test_what_touches_no_decision_leaves_all_as_a_rebuild_has_it(world: World) -> None:
    world.live_through([[*one_finisher(), ATTACHED]])
    same = {**KEY, "enrolled_at": day(1), "active": True, "updated_at": day(8)}
    begun = progress(content_id="k2", status=1, score=None, completed_at=None)
    late = progress(content_id="k3", status=0, score=None, completed_at=None)
    opened = progress(content_id="k3", status=1, score=None, completed_at=None, updated_at=day(9))
    for fact in (Fact("enrolments", same), *(Fact("progress", row) for row in (begun, late, opened))):
        drop_facts(world.settings, world.folder, [fact])
        load_and_decide(world.pipeline, world.connection)
        assert kept(world.connection) == rebuilt(world.connection), fact


def test_somebody_begins(world: World) -> None:
    world.live_through([one_finisher()[:-1]])
    is_begun = "select is_begun from marts.fct_enrolment_progress"
    assert world.connection.execute(is_begun).fetchall() == [(False,)]
    opened = progress(status=1, score=None, completed_at=None)
    drop_facts(world.settings, world.folder, [Fact("progress", opened)])
    load_and_decide(world.pipeline, world.connection)
    assert world.connection.execute(is_begun).fetchall() == [(True,)]


def test_a_batch_that_moves_takes_its_completions_along(world: World) -> None:
    to_finish = [
        Fact("progress", progress(course_id="c2", content_id=f"x{n}", completed_at=day(6))) for n in (1, 2)
    ]
    world.live_through([[*one_finisher(), ATTACHED], [*to_finish]])
    assert set(decisions(world.connection)) == {("u1", "c1", "b1")}
    drop_facts(world.settings, world.folder, [Fact("batches", MOVED)])
    load_and_decide(world.pipeline, world.connection)
    assert {key: made.decision for key, made in decisions(world.connection).items()} == {
        ("u1", "c2", "b1"): "no_certificate_at_completion"
    }


@pytest.mark.parametrize("feed", ["users", "courses", "batches", "enrolments", "progress"])
def test_whichever_fact_comes_last_completes_the_story(world: World, feed: str) -> None:
    story = one_finisher()
    late = [step for step in story if isinstance(step, Fact) and step.feed == feed]
    early = [step for step in story if step not in late]
    world.live_through([early, late, [ATTACHED]])
    assert [made.decision for made in decisions(world.connection).values()] == ["entitled"]
