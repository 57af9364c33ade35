"""Feeds come in any order: what a load refers to may come after it. What was held for that alone is let go by
itself once the rest is there, and only that.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from pramaan.certificates.holds import decide_hold, list_holds
from pramaan.certificates.verdicts import is_any_verdict_open
from pramaan.database.connect import Connection, connect, pipeline_lock
from pramaan.errors import RegistryError
from pramaan.pipeline import Pipeline
from pramaan.quality.limits import UNKNOWN_REFERENCES
from pramaan.registry.changes import Actor
from pramaan.settings import Settings
from worlds import attach_everywhere, database_url, drop_rows, empty_database

PERSON = Actor("asha", "cli")
ZONE = "Asia/Kolkata"
MANY = 2 * UNKNOWN_REFERENCES.rows + 2
"""So many rows fail their load when nothing that they refer to is known, and most of them, too."""

FEEDS = ("users", "courses", "batches", "enrolments", "progress")


def rows_of(feed: str, people: Sequence[str], *, course: str) -> list[dict[str, object]]:
    """A feed's rows of people who complete a course; of courses and batches so many that a load can fail."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    at = yesterday.isoformat().replace("+00:00", "Z")
    key = {"course_id": course, "batch_id": f"{course}-1"}
    many = range(MANY) if feed in {"courses", "batches"} else ()
    rows: dict[str, list[dict[str, object]]] = {
        "users": [{"user_id": one, "name": f"Asha Rao {one}", "tenant_id": "t"} for one in people],
        "courses": [
            {
                "course_id": one,
                "name": "C",
                "tenant_id": "t",
                "status": "Live",
                "leaf_count": 1,
                "published_at": at,
            }
            for one in [course, *(f"{course}-other-{n}" for n in many)]
        ],
        "batches": [
            {
                "batch_id": f"{one}-1",
                "course_id": one,
                "tenant_id": "t",
                "name": "B",
                "enrolment_type": "open",
            }
            for one in [course, *(f"{course}-other-{n}" for n in many)]
        ],
        "enrolments": [{"user_id": one, **key, "enrolled_at": at, "active": True} for one in people],
        "progress": [
            {"user_id": one, **key, "content_id": "x", "status": 2, "completed_at": at} for one in people
        ],
    }
    return [row | {"updated_at": at} for row in rows[feed]]


@dataclass
class World:
    """Somebody has completed the course before, so that there is something of every kind to compare with."""

    settings: Settings
    pipeline: Pipeline
    connection: Connection
    folder: Path

    def load(self, feed: str, rows: Iterable[dict[str, object]]) -> None:
        """A file of its own, decided upon and checked before the next."""
        drop_rows(self.settings, self.folder, feed, list(rows))
        with pipeline_lock(self.connection, wait_seconds=10):
            self.pipeline.load(self.connection)
            self.pipeline.decide(self.connection)
        self.check()

    def check(self) -> None:
        """What the DAG `check_quality` does."""
        self.pipeline.check_loads()
        with pipeline_lock(self.connection, wait_seconds=10):
            self.pipeline.hold_what_follows(self.connection)

    def statuses(self) -> dict[tuple[str, str], int]:
        rows = self.connection.execute(
            "select course_id, status, count(*) from registry.certificates "
            "where user_id not like 'first-%' group by 1, 2"
        ).fetchall()
        return {(str(course), str(status)): int(str(count)) for course, status, count in rows}

    def failed(self) -> list[str]:
        rows = self.connection.execute(
            "select feed from ops.load_verdicts join ops.loads using (load_id) where not passed "
            "order by load_id"
        ).fetchall()
        return [str(feed) for (feed,) in rows]

    def counted(self) -> tuple[int, int]:
        """Of all days: arrived at the gate, let pass."""
        row = self.connection.execute("select sum(arrived), sum(passed) from ops.candidate_days").fetchone()
        assert row is not None
        return int(str(row[0])), int(str(row[1]))


def world_in(settings: Settings, connection: Connection, folder: Path, course: str) -> World:
    world = World(settings, Pipeline(settings, url=database_url(settings)), connection, folder)
    for feed in FEEDS:
        world.load(feed, rows_of(feed, [f"first-{course}"], course=course)[:1])
    attach_everywhere(connection, "t")
    # From before anybody completed anything.
    world.check()
    return world


@pytest.fixture
def world(settings: Settings, connection: Connection, tmp_path: Path) -> World:
    return world_in(settings, connection, tmp_path, "one")


def people(name: str, count: int = MANY) -> list[str]:
    return [f"{name}-{n}" for n in range(count)]


def test_what_came_before_its_users_is_held_and_let_go_once_they_are_there(world: World) -> None:
    late = people("late")
    world.load("enrolments", rows_of("enrolments", late, course="one"))
    world.load("progress", rows_of("progress", late, course="one"))
    assert world.failed() == ["enrolments"]
    world.load("users", rows_of("users", late[:10], course="one"))
    assert world.statuses() == {("one", "held"): 10}
    world.load("users", rows_of("users", late[10:], course="one"))
    assert world.failed() == []
    assert world.statuses() == {("one", "pending"): MANY}
    (hold,) = list_holds(world.connection)
    assert (hold.state, hold.decided_by) == ("healed", "quality check")
    arrived, passed = world.counted()
    assert arrived == passed
    assert world.pipeline.issue_chunk(limit=3, run_id=None).issued == 3


def test_who_let_it_go_is_in_the_record_of_changes(world: World) -> None:
    late = people("late")
    world.load("enrolments", rows_of("enrolments", late, course="one"))
    world.load("progress", rows_of("progress", late, course="one"))
    world.load("users", rows_of("users", late, course="one"))
    recorded = world.connection.execute(
        "select username, channel, action, before ->> 'state', after ->> 'state' from registry.changes "
        "where subject_kind = 'hold'"
    ).fetchall()
    assert recorded == [("quality check", "platform", "healed", "waiting", "healed")]


def test_what_is_bad_still_stays_held(world: World) -> None:
    strangers = people("stranger")
    world.load("enrolments", rows_of("enrolments", strangers, course="one"))
    world.load("progress", rows_of("progress", strangers, course="one"))
    for known in (strangers[:10], people("other")):
        world.load("users", rows_of("users", known, course="one"))
    assert world.failed() == ["enrolments"]
    assert world.statuses() == {("one", "held"): 10}
    assert [hold.state for hold in list_holds(world.connection)] == ["waiting"]


def test_of_two_loads_only_what_the_bad_one_brought_stays_held(world: World) -> None:
    late, strangers = people("late"), people("stranger")
    for some in (late, strangers):
        world.load("enrolments", rows_of("enrolments", some, course="one"))
        world.load("progress", rows_of("progress", some, course="one"))
    world.load("users", rows_of("users", [*late[:10], *strangers[:10]], course="one"))
    assert world.statuses() == {("one", "held"): 20}
    world.load("users", rows_of("users", late[10:], course="one"))
    assert world.failed() == ["enrolments"]
    assert world.statuses() == {("one", "held"): 10, ("one", "pending"): MANY}
    (hold,) = list_holds(world.connection)
    assert (hold.state, hold.candidates) == ("waiting", 20 + MANY - 10)


def test_what_breaks_another_rule_too_does_not_heal(world: World) -> None:
    late = people("late")
    never_set = {"enrolled_at": "1970-01-01T00:00:00Z"}
    world.load("enrolments", [row | never_set for row in rows_of("enrolments", late, course="one")])
    world.load("progress", rows_of("progress", late, course="one"))
    world.load("users", rows_of("users", late, course="one"))
    assert world.failed() == ["enrolments"]
    assert world.statuses() == {("one", "held"): MANY}


def test_what_a_person_rejected_stays_held_until_a_person_takes_it_back(world: World) -> None:
    late = people("late")
    world.load("enrolments", rows_of("enrolments", late, course="one"))
    world.load("progress", rows_of("progress", late, course="one"))
    world.load("users", rows_of("users", late[:10], course="one"))
    (hold,) = list_holds(world.connection)
    decide_hold(world.connection, hold.hold_id, "one", approve=False, by=PERSON, timezone=ZONE)
    world.load("users", rows_of("users", late[10:], course="one"))
    assert world.statuses() == {("one", "held"): 10, ("one", "pending"): MANY - 10}
    decide_hold(world.connection, hold.hold_id, "one", approve=True, by=PERSON, timezone=ZONE)
    assert world.statuses() == {("one", "pending"): MANY}
    arrived, passed = world.counted()
    assert arrived == passed


@pytest.mark.parametrize("approve", [True, False])
def test_nobody_decides_what_has_healed(world: World, approve: bool) -> None:
    late = people("late")
    for feed in ("enrolments", "progress", "users"):
        world.load(feed, rows_of(feed, late, course="one"))
    (hold,) = list_holds(world.connection)
    with pytest.raises(RegistryError, match="holds nothing any more: the quality check") as refused:
        decide_hold(world.connection, hold.hold_id, "one", approve=approve, by=PERSON, timezone=ZONE)
    assert refused.value.code == "hold_decided"


@pytest.mark.parametrize("seed", range(6))
def test_feeds_in_any_order_end_alike(session_settings: Settings, tmp_path: Path, seed: int) -> None:
    order = Random(seed).sample(FEEDS, len(FEEDS))
    with ExitStack() as stack:
        settings = stack.enter_context(empty_database(session_settings, tmp_path))
        connection = stack.enter_context(connect(database_url(settings)))
        world = world_in(settings, connection, tmp_path, "one")
        for feed in order:
            world.load(feed, rows_of(feed, people("late"), course="one"))
        assert world.failed() == []
        assert world.statuses() == {("one", "pending"): MANY}
        assert {hold.state for hold in list_holds(connection)} <= {"healed"}
        assert not is_any_verdict_open(connection)
