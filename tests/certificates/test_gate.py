"""The gate: what is out of the ordinary waits for a person, everybody else's certificates go on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from pramaan.certificates.holds import approve_history, decide_hold, list_holds, may_decide
from pramaan.certificates.queue import open_worker
from pramaan.certificates.verdicts import is_any_verdict_open, settle_verdicts
from pramaan.database.connect import Connection, connect
from pramaan.errors import RegistryError
from pramaan.pipeline import Decided, Pipeline
from pramaan.registry.changes import Actor
from pramaan.registry.grants import Grant, add_grant
from pramaan.settings import Settings
from worlds import TESTER, attach_everywhere, database_url, drop_rows, load_and_decide

PERSON = Actor("asha", "cli")
ZONE = "Asia/Kolkata"
NOON = datetime.now(ZoneInfo(ZONE)).replace(hour=12, minute=0, second=0, microsecond=0).astimezone(UTC)
"""Noon of the platform's day, so that days here are the platform's days, whatever day UTC has."""

COURSES = ("busy", "calm")


@dataclass
class World:
    """Two courses of one content, a batch each; people complete them on days before today."""

    settings: Settings
    pipeline: Pipeline
    connection: Connection
    folder: Path

    def complete(self, course_id: str, *, people: int, days_ago: float = 0.1, decide: bool = True) -> None:
        """That many new people complete a course, some days ago."""
        at = datetime.now(UTC) if days_ago < 1 else NOON - timedelta(days=days_ago)
        self.drop_finishers(course_id, [at] * people)
        if decide:
            self.decide()

    def drop_finishers(self, course_id: str, instants: Sequence[datetime]) -> None:
        """Drop the feeds of new people who complete a course, one at each of these instants."""
        stamps = {uuid4().hex[:12]: at.isoformat().replace("+00:00", "Z") for at in instants}
        key = {"course_id": course_id, "batch_id": f"{course_id}-1"}
        enrolled = {**key, "enrolled_at": "2020-01-01T00:00:00Z", "active": True}
        finished = {**key, "content_id": "x", "status": 2}
        feeds: dict[str, list[dict[str, object]]] = {
            "users": [{"user_id": i, "name": "Asha Rao", "tenant_id": "t"} for i in stamps],
            "enrolments": [{"user_id": i, **enrolled} for i in stamps],
            "progress": [{"user_id": i, **finished, "completed_at": at} for i, at in stamps.items()],
        }
        for feed, rows in feeds.items():
            dated = [row | {"updated_at": stamps[str(row["user_id"])]} for row in rows]
            drop_rows(self.settings, self.folder, feed, dated)

    def drop(self, feed: str, rows: Iterable[dict[str, object]], *, at: str) -> None:
        drop_rows(self.settings, self.folder, feed, [row | {"updated_at": at} for row in rows])

    def decide(self, *, history: bool = False) -> Decided:
        if not history:
            return load_and_decide(self.pipeline, self.connection)
        self.pipeline.load(self.connection)
        return self.pipeline.decide(self.connection, history=True)

    def usual_weeks(self, course_id: str = "busy", *, a_day: int = 10, days: int = 20) -> None:
        """That many people on each of the days before yesterday, all let pass."""
        past = [NOON - timedelta(days=day) for day in range(2, days + 2)]
        self.drop_finishers(course_id, [at for at in past for _ in range(a_day)])
        assert self.decide().enqueued.held == 0

    def statuses(self) -> dict[tuple[str, str], int]:
        rows = self.connection.execute(
            "select course_id, status, count(*) from registry.certificates group by 1, 2"
        ).fetchall()
        return {(str(course), str(status)): int(str(count)) for course, status, count in rows}

    def fail_newest_load(self, feed: str) -> None:
        self.connection.execute(
            "insert into ops.load_verdicts (load_id, passed, findings) "
            "select max(load_id), false, '[]' from ops.loads where feed = %s",
            (feed,),
        )


@pytest.fixture
def world(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> World:
    world = World(settings, pipeline, connection, tmp_path)
    then = "2019-01-01T00:00:00Z"
    course = {"name": "C", "tenant_id": "t", "status": "Live", "leaf_count": 1, "published_at": then}
    world.drop("courses", ({"course_id": c, **course} for c in COURSES), at=then)
    batch = {"tenant_id": "t", "name": "B", "enrolment_type": "open"}
    world.drop("batches", ({"batch_id": f"{c}-1", "course_id": c, **batch} for c in COURSES), at=then)
    world.decide()
    attach_everywhere(connection, "t")
    return world


def test_a_first_import_of_old_completions_passes(world: World) -> None:
    world.complete("busy", people=150, days_ago=900)
    world.complete("busy", people=150, days_ago=800)
    assert world.statuses() == {("busy", "pending"): 300}


def test_a_day_far_above_the_usual_is_held_and_other_courses_go_on(world: World) -> None:
    world.usual_weeks()
    world.complete("busy", people=150, decide=False)
    world.complete("calm", people=5)
    assert world.statuses() == {("busy", "pending"): 200, ("busy", "held"): 150, ("calm", "pending"): 5}
    (hold,) = list_holds(world.connection)
    assert (hold.course_id, hold.rule, hold.candidates, hold.state) == ("busy", "volume", 150, "waiting")
    assert "150 completions" in hold.why
    assert "9.5 a day are usual" in hold.why


def test_the_team_is_told_of_a_hold_once(world: World) -> None:
    world.usual_weeks()
    for _ in range(2):
        world.complete("busy", people=150)
    mails = world.connection.execute("select kind, recipients, content from ops.mails").fetchall()
    assert [(kind, to) for kind, to, _ in mails] == [("hold_notice", ["implementation-team@localhost"])]
    assert "150 completions" in str(mails[0][2])


def test_a_flood_in_small_batches_is_held_once_the_day_has_too_many(world: World) -> None:
    world.usual_weeks()
    for _ in range(4):
        world.complete("busy", people=40)
    assert world.statuses() == {("busy", "pending"): 280, ("busy", "held"): 80}
    (hold,) = list_holds(world.connection)
    assert hold.candidates == 80


def test_a_course_with_a_short_past_has_no_volume_rule(world: World) -> None:
    for day in (1, 2, 3):
        world.complete("busy", people=10, days_ago=day, decide=False)
    world.decide()
    world.complete("busy", people=200)
    assert list_holds(world.connection) == []


def test_days_that_arrive_late_count_as_their_days(world: World) -> None:
    world.usual_weeks()
    for day in range(2, 18):
        world.complete("busy", people=12, days_ago=day, decide=False)
    world.decide()
    assert list_holds(world.connection) == []


def test_a_completion_of_long_ago_holds_the_course(world: World) -> None:
    world.usual_weeks()
    world.complete("busy", people=1, days_ago=62, decide=False)
    world.complete("busy", people=2, decide=False)
    world.complete("calm", people=1, days_ago=62)
    (hold,) = list_holds(world.connection)
    assert (hold.rule, hold.candidates) == ("age", 3)
    assert "completed up to 6" in hold.why
    assert world.statuses()["calm", "pending"] == 1


def test_an_import_of_history_passes(world: World) -> None:
    world.usual_weeks()
    world.complete("busy", people=150, days_ago=300, decide=False)
    assert world.decide(history=True).enqueued.held == 0
    assert list_holds(world.connection) == []


def test_history_lets_go_what_was_held_for_it_but_not_for_its_quality(world: World) -> None:
    world.usual_weeks()
    world.complete("busy", people=3, days_ago=300)
    world.complete("calm", people=2, decide=False)
    world.pipeline.load(world.connection)
    world.fail_newest_load("progress")
    world.decide()
    assert len(approve_history(world.connection, by=PERSON, timezone=ZONE)) == 1
    assert world.statuses()["calm", "held"] == 2
    assert ("busy", "held") not in world.statuses()


def held(world: World) -> int:
    world.usual_weeks()
    world.complete("busy", people=150)
    return list_holds(world.connection)[0].hold_id


def test_what_is_approved_is_issued(world: World) -> None:
    hold_id = held(world)
    hold = decide_hold(
        world.connection,
        hold_id,
        "busy",
        approve=True,
        by=PERSON,
        timezone=ZONE,
        remark="the deadline",
    )
    assert (hold.state, hold.decided_by, hold.remark) == ("approved", "asha", "the deadline")
    assert world.statuses() == {("busy", "pending"): 350}
    noted = world.connection.execute(
        "select action, username, tenant_id from registry.changes where subject_kind = 'hold'"
    ).fetchall()
    assert noted == [("approved", "asha", "t")]


def test_what_is_rejected_stays_held_through_batch_and_night(world: World) -> None:
    hold_id = held(world)
    decide_hold(world.connection, hold_id, "busy", approve=False, by=PERSON, timezone=ZONE)
    world.pipeline.enqueue_missing(world.connection)
    world.complete("busy", people=1)
    assert world.statuses()["busy", "held"] >= 150
    decide_hold(world.connection, hold_id, "busy", approve=True, by=PERSON, timezone=ZONE)
    assert world.statuses()["busy", "pending"] >= 350


def test_an_approval_is_not_taken_back(world: World) -> None:
    hold_id = held(world)
    decide_hold(world.connection, hold_id, "busy", approve=True, by=PERSON, timezone=ZONE)
    with pytest.raises(RegistryError, match="was approved by asha") as refused:
        decide_hold(world.connection, hold_id, "busy", approve=False, by=PERSON, timezone=ZONE)
    assert refused.value.code == "hold_decided"
    with pytest.raises(RegistryError, match="there is no hold"):
        decide_hold(world.connection, hold_id + 99, "busy", approve=True, by=PERSON, timezone=ZONE)


def rename_all(world: World, name: str = "Meera Iyer") -> None:
    ids = world.connection.execute(
        "select user_id from marts.fct_completions where completed_at > now() - interval '1 day'"
    )
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    rows = [{"user_id": i, "name": name, "tenant_id": "t"} for (i,) in ids.fetchall()]
    world.drop("users", rows, at=now)


@pytest.mark.parametrize(
    ("approve", "expected"), [(None, "held"), (False, "held"), (True, "pending")], ids=str
)
def test_a_correction_does_not_slip_out_of_its_hold(
    world: World, approve: bool | None, expected: str
) -> None:
    hold_id = held(world)
    if approve is not None:
        decide_hold(world.connection, hold_id, "busy", approve=approve, by=PERSON, timezone=ZONE)
    rename_all(world)
    world.decide()
    of_hold = world.connection.execute(
        "select status, recipient_name, count(*) from registry.certificates "
        "where completed_at > now() - interval '1 day' group by 1, 2"
    ).fetchall()
    assert of_hold == [(expected, "Meera Iyer", 150)]
    assert len(list_holds(world.connection)) == 1


@pytest.mark.parametrize("feed", ["users", "enrolments", "progress"])
def test_facts_of_a_failed_load_hold_who_depends_on_them(world: World, feed: str) -> None:
    world.complete("busy", people=2)
    world.complete("busy", people=3, decide=False)
    world.pipeline.load(world.connection)
    world.complete("calm", people=4, decide=False)
    world.pipeline.load(world.connection)
    world.fail_newest_load(feed)
    world.decide()
    assert world.statuses() == {("busy", "pending"): 5, ("calm", "held"): 4}
    (hold,) = list_holds(world.connection)
    assert (hold.rule, hold.course_id, hold.candidates) == ("quality", "calm", 4)


def test_a_verdict_that_comes_late_holds_what_is_not_issued_yet(world: World) -> None:
    world.complete("busy", people=2)
    world.complete("calm", people=3)
    world.fail_newest_load("progress")
    assert world.pipeline.hold_what_follows(world.connection) == 3
    assert world.pipeline.hold_what_follows(world.connection) == 0
    assert world.statuses() == {("busy", "pending"): 2, ("calm", "held"): 3}
    (hold,) = list_holds(world.connection)
    decide_hold(world.connection, hold.hold_id, "calm", approve=True, by=PERSON, timezone=ZONE)
    assert world.pipeline.hold_what_follows(world.connection) == 0
    rename_all(world)
    world.decide()
    assert world.statuses() == {("busy", "pending"): 2, ("calm", "pending"): 3}


def test_workers_go_on_with_the_rest_while_the_gate_judges(world: World) -> None:
    world.complete("busy", people=2)
    world.complete("calm", people=3)
    world.fail_newest_load("progress")
    with (
        connect(database_url(world.settings)) as other,
        open_worker(other, run_id=None) as worker,
        world.connection.transaction(),
    ):
        assert world.pipeline.hold_what_follows(world.connection) == 3
        assert len(worker.claim(10)) == 2


def test_quality_and_volume_of_one_course_are_two_questions(world: World) -> None:
    world.usual_weeks()
    for people in (130, 20):
        world.complete("busy", people=people, decide=False)
        world.pipeline.load(world.connection)
    world.fail_newest_load("progress")
    world.decide()
    found = {hold.rule: hold.candidates for hold in list_holds(world.connection)}
    assert found == {"quality": 20, "volume": 130}


@pytest.mark.parametrize(
    ("grant", "may"),
    [
        (Grant("asha", "admin"), True),
        (Grant("asha", "admin", "t"), True),
        (Grant("asha", "badge_creator", "t"), True),
        (Grant("asha", "admin", "other"), False),
        (Grant("asha", "mentor", "t"), False),
        (Grant("somebody", "admin"), False),
    ],
    ids=str,
)
def test_who_may_decide(connection: Connection, grant: Grant, may: bool) -> None:
    add_grant(connection, grant, by=TESTER)
    assert may_decide(connection, "asha", tenant_id="t") is may


def test_after_an_approval_the_day_is_not_asked_about_again(world: World) -> None:
    hold_id = held(world)
    decide_hold(world.connection, hold_id, "busy", approve=True, by=PERSON, timezone=ZONE)
    world.complete("busy", people=1)
    world.complete("busy", people=200)
    assert ("busy", "held") not in world.statuses()


def test_more_than_was_asked_about_is_not_approved(world: World) -> None:
    hold_id = held(world)
    world.complete("busy", people=30)
    with pytest.raises(
        RegistryError, match="holds 180 certificates by now, and 150 were asked about"
    ) as refused:
        decide_hold(world.connection, hold_id, "busy", approve=True, by=PERSON, timezone=ZONE, expected=150)
    assert refused.value.code == "hold_grew"
    decide_hold(world.connection, hold_id, "busy", approve=True, by=PERSON, timezone=ZONE, expected=180)


@pytest.mark.parametrize("reject", [False, True])
def test_facts_that_come_and_go_do_not_shake_a_hold_off(world: World, reject: bool) -> None:
    hold_id = held(world)
    if reject:
        decide_hold(world.connection, hold_id, "busy", approve=False, by=PERSON, timezone=ZONE)
    rename_all(world, "null")
    world.decide()
    assert ("busy", "held") not in world.statuses()
    rename_all(world, "Meera Iyer")
    world.decide()
    assert world.statuses()["busy", "held"] == 150


def test_facts_sent_again_by_a_good_load_let_go_what_the_bad_one_held(world: World) -> None:
    world.complete("calm", people=3, decide=False)
    world.pipeline.load(world.connection)
    world.fail_newest_load("users")
    world.decide()
    assert world.statuses() == {("calm", "held"): 3}
    rename_all(world, "Asha Rao")
    world.decide()
    world.pipeline.hold_what_follows(world.connection)
    assert world.statuses() == {("calm", "pending"): 3}


def test_a_load_that_only_repeats_a_bad_one_does_not_clear_it(world: World) -> None:
    world.complete("calm", people=3, decide=False)
    world.pipeline.load(world.connection)
    world.fail_newest_load("progress")
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    rows = world.connection.execute(
        "select json_build_object('user_id', user_id, 'course_id', course_id, 'batch_id', batch_id, "
        "'content_id', content_id, 'status', 2, 'completed_at', completed_at) from raw.progress"
    ).fetchall()
    world.drop("progress", [dict(row[0]) for row in rows], at=now)
    world.decide()
    assert world.statuses() == {("calm", "held"): 3}


def failed_load(world: World, feed: str) -> None:
    """Three people's certificates are held on facts of a failed load of this feed, and nobody else's."""
    world.complete("calm", people=3, decide=False)
    world.pipeline.load(world.connection)
    world.fail_newest_load(feed)
    world.decide()
    assert world.statuses() == {("calm", "held"): 3}
    assert settle_verdicts(world.connection) == 0
    assert is_any_verdict_open(world.connection)


def test_a_failed_load_whose_rows_were_all_sent_again_is_asked_about_no_more(world: World) -> None:
    failed_load(world, "users")
    rename_all(world, "Asha Rao")
    world.pipeline.load(world.connection)
    assert settle_verdicts(world.connection) == 1
    assert not is_any_verdict_open(world.connection)
    world.pipeline.hold_what_follows(world.connection)
    assert world.statuses() == {("calm", "pending"): 3}


@pytest.mark.parametrize("feed", ["enrolments", "progress"])
def test_a_failed_load_that_a_person_let_pass_is_asked_about_no_more(world: World, feed: str) -> None:
    failed_load(world, feed)
    (hold,) = list_holds(world.connection)
    decide_hold(world.connection, hold.hold_id, "calm", approve=True, by=PERSON, timezone=ZONE)
    assert settle_verdicts(world.connection) == 1
    assert not is_any_verdict_open(world.connection)


def test_a_failed_load_whose_certificates_were_issued_before_is_asked_about_no_more(world: World) -> None:
    world.complete("calm", people=3)
    world.pipeline.issue_chunk(limit=2, run_id=None)
    world.fail_newest_load("progress")
    assert settle_verdicts(world.connection) == 0
    world.pipeline.issue_chunk(limit=1, run_id=None)
    assert settle_verdicts(world.connection) == 1
    assert not is_any_verdict_open(world.connection)


def test_a_failed_load_of_what_decides_nothing_is_not_asked_about(world: World) -> None:
    event = {"eid": "IMPRESSION", "ets": 1_764_000_000_000, "ver": "3.0", "mid": "m", "actor": {"id": "u"}}
    drop_rows(world.settings, world.folder, "telemetry", [event])
    world.pipeline.load(world.connection)
    world.fail_newest_load("telemetry")
    assert settle_verdicts(world.connection) == 1


def test_what_was_held_for_its_volume_is_judged_by_quality_once_approved(world: World) -> None:
    hold_id = held(world)
    world.fail_newest_load("progress")
    assert world.pipeline.hold_what_follows(world.connection) == 0
    decide_hold(world.connection, hold_id, "busy", approve=True, by=PERSON, timezone=ZONE)
    assert world.statuses() == {("busy", "pending"): 200, ("busy", "held"): 150}
    rules = [hold.rule for hold in list_holds(world.connection, state="waiting")]
    assert rules == ["quality"]


def test_a_correction_of_what_was_let_pass_is_not_counted_twice(world: World) -> None:
    world.usual_weeks()
    world.complete("busy", people=70)
    rename_all(world, "Meera Iyer")
    world.decide()
    assert ("busy", "held") not in world.statuses()
    assert world.statuses()["busy", "pending"] == 270


def test_a_notice_that_cannot_be_written_undoes_no_decision(world: World) -> None:
    add_grant(world.connection, Grant("head", "admin"), by=TESTER)
    # As grants were taken once.
    world.connection.execute("update registry.grants set email = 'jörg at home'")
    held(world)
    row = world.connection.execute("select recipients from ops.mails").fetchone()
    assert row == (["implementation-team@localhost"],)
