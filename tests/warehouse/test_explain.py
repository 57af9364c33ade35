"""Why somebody has no certificate yet, or none at all, is what the reference says; asking changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from histories import Fact, Step, histories
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from test_decide import (
    ATTACHED,
    DRAFT,
    MOVED,
    World,
    batch,
    course,
    drop_facts,
    one_finisher,
    operate,
    progress,
)
from test_preview import batch_under_way, completing, enrolled, live_through, nothing_changes

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection, pipeline_lock
from pramaan.errors import DatabaseError
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from pramaan.warehouse.explain import Explanation, Progress, explain_decision
from reference import Decision, Facts, decide
from worlds import database_url, finishers_waiting, load_and_decide


@pytest.fixture
def world(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> World:
    return World(settings, pipeline, connection, tmp_path)


def explain(connection: Connection, *, course_id: str = "c1") -> Explanation:
    """Of the one learner there is."""
    explained = explain_decision(connection, user_id="u1", course_id=course_id, batch_id="b1")
    assert explained is not None
    return explained


def land(world: World, *facts: Fact) -> None:
    """The facts load; no batch decides them yet."""
    drop_facts(world.settings, world.folder, facts)
    with pipeline_lock(world.connection, wait_seconds=10):
        world.pipeline.load(world.connection)


@given(history=histories())
@hypothesis_settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_explanation_is_what_the_reference_says(
    connection: Connection, history: list[list[Step]]
) -> None:
    facts = live_through(connection, history)
    at = datetime.now(UTC)
    decided = decide(facts)
    for course_id in facts.courses:
        keys = enrolled(facts, course_id)
        if_completed_now = decide(completing(facts, keys, at=at))
        for key in sorted(keys):
            with nothing_changes(connection):
                explained = explain_decision(connection, user_id=key[0], course_id=course_id, batch_id=key[2])
            assert explained is not None
            assert not explained.is_being_decided
            assert_as(explained, decided.get(key), if_completed_now[key], facts)


def assert_as(explained: Explanation, decided: Decision | None, if_now: Decision, facts: Facts) -> None:
    """Complete with the real decision, or not complete with the one that would be made now."""
    key = explained.user_id, explained.batch_id
    assert explained.batch_tenant_id == facts.batches[explained.batch_id].tenant_id
    assert explained.course_tenant_id == facts.courses[explained.course_id][-1].tenant_id
    assert explained.enrolled_at == facts.enrolments[key].enrolled_at
    assert explained.is_enrolment_active == facts.enrolments[key].active
    assert explained.progress.contents_completed == sum(
        row.status == 2 and row.course_id == explained.course_id for row in facts.progress.get(key, ())
    )
    assert explained.progress.leaf_count == facts.courses[explained.course_id][-1].leaf_count
    if decided is not None:
        assert explained.facts is not None
        attachment_id = explained.facts["attachment_id"]
        assert decided == Decision(
            explained.facts["completed_at"],
            explained.facts["decision"],
            str(attachment_id) if attachment_id else None,
        )
        assert explained.complete
        assert explained.decision_if_completed_now is None
        assert (explained.progress.contents_missing, explained.progress.progress_pct) == (0, 100)
    else:
        assert (explained.complete, explained.facts) == (False, None)
        assert explained.decision_if_completed_now == if_now.decision
        assert explained.progress.contents_missing
        assert explained.progress.progress_pct in range(100)


def test_progress_is_rounded_down(world: World) -> None:
    story = [Fact("courses", course(leaf_count=3, updated_at=datetime(2024, 3, 2, tzinfo=UTC)))]
    second = Fact("progress", progress(content_id="k2"))
    world.live_through([[*one_finisher(), *story, second, ATTACHED]])
    # The first version asked for one content, but was no longer in force when that was done.
    assert explain(world.connection).progress == Progress(2, 3, 1, 66)
    assert explain(world.connection).decision_if_completed_now == "entitled"


def test_a_completion_that_landed_is_being_decided(world: World) -> None:
    story = one_finisher()
    world.live_through([[*story[:-1], ATTACHED]])
    assert explain(world.connection).progress == Progress(0, 1, 1, 0)
    assert not explain(world.connection).is_being_decided
    land(world, Fact("progress", progress()))
    landed = explain(world.connection)
    assert (landed.complete, landed.is_being_decided, landed.decision_if_completed_now) == (
        False,
        True,
        "entitled",
    )
    assert landed.progress == Progress(1, 1, 0, 100)
    load_and_decide(world.pipeline, world.connection)
    assert explain(world.connection).complete
    assert not explain(world.connection).is_being_decided


@pytest.mark.parametrize("change", [ATTACHED, Fact("courses", DRAFT)], ids=["attachment", "course"])
def test_a_decision_whose_facts_changed_is_being_decided(world: World, change: Step) -> None:
    world.live_through([one_finisher()])
    assert not explain(world.connection).is_being_decided
    land(world, *([change] if isinstance(change, Fact) else []))
    operate(world.connection, change)
    explained = explain(world.connection)
    assert (explained.complete, explained.is_being_decided) == (True, True)
    assert explained.facts is not None
    assert explained.facts["decision"] == "no_certificate_at_completion"


def test_a_batch_that_moved_is_explained_under_its_course_of_now(world: World) -> None:
    world.live_through([[*one_finisher(), ATTACHED]])
    land(world, Fact("batches", MOVED))
    key = {"user_id": "u1", "batch_id": "b1"}
    assert explain_decision(world.connection, course_id="c1", **key) is None
    assert not explain(world.connection, course_id="c2").complete


def test_who_is_not_enrolled_has_no_explanation(world: World) -> None:
    world.live_through([one_finisher()])
    for user_id, course_id, batch_id in (("u2", "c1", "b1"), ("u1", "c2", "b1"), ("u1", "c1", "b2")):
        key = {"user_id": user_id, "course_id": course_id, "batch_id": batch_id}
        assert explain_decision(world.connection, **key) is None


def test_a_course_that_is_not_known_yet_decides_nothing(world: World) -> None:
    world.live_through(
        [[*one_finisher(), Fact("batches", batch(course_id="later", updated_at=datetime.now(UTC)))]]
    )
    explained = explain(world.connection, course_id="later")
    assert (explained.course_tenant_id, explained.decision_if_completed_now) == (None, None)
    assert explained.progress == Progress(0, None, None, None)


def test_the_newest_certificate_is_told(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
    key = {"user_id": "u00000", "course_id": "c", "batch_id": "b"}
    first = explain_decision(connection, **key)
    assert first is not None
    assert first.certificate is not None
    assert (first.certificate.status, first.certificate.issued_at) == ("pending", None)
    with unguarded_registry(connection):
        connection.execute("update registry.certificates set status = 'superseded'")
        connection.execute(
            "insert into registry.certificates (certificate_id, user_id, course_id, batch_id, sequence, "
            "attachment_id, recipient_name, completed_at, status, error_class, render_input, "
            "badge_recipient) "
            "select 'second', user_id, course_id, batch_id, 2, attachment_id, recipient_name, completed_at, "
            "'failed', 'name_does_not_fit', render_input, badge_recipient from registry.certificates"
        )
    second = explain_decision(connection, **key)
    assert second is not None
    assert second.certificate is not None
    assert (second.certificate.certificate_id, second.certificate.error_class) == (
        "second",
        "name_does_not_fit",
    )


def test_a_batch_under_way_is_not_waited_for(world: World) -> None:
    world.live_through([[*one_finisher(), ATTACHED]])
    before = explain(world.connection)
    with batch_under_way(database_url(world.settings)):
        world.connection.execute("set lock_timeout = '1s'")
        assert explain(world.connection) == before


def test_a_changed_model_is_noticed(world: World) -> None:
    world.live_through([one_finisher()])
    world.connection.execute(
        "update ops.rule_statements set statement = replace(statement, 'stg_attachments', 'int_attachments')"
    )
    with pytest.raises(DatabaseError, match=r"do not read .*stg_attachments"):
        explain(world.connection)
