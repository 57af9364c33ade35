"""Who would get a certificate asserted now is what the reference says, and asking changes nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import pytest
import yaml
from histories import Fact, Step, histories
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.errors import ReadOnlySqlTransaction
from rule_tables import attachments, printable
from test_decide import ATTACHED, EMPTY, FEEDS, World, add_issuers, one_finisher, operate, progress

from pramaan.database.connect import PIPELINE_LOCK, RULES_LOCK, Connection, connect
from pramaan.errors import DatabaseError
from pramaan.pipeline import Pipeline
from pramaan.registry.attachments import Criteria
from pramaan.settings import Settings
from pramaan.warehouse.dbt import DBT_PROJECT
from pramaan.warehouse.decide import decide_changed_keys
from pramaan.warehouse.decisions import DECISIONS
from pramaan.warehouse.preview import Group, Person, preview_assertion
from pramaan.warehouse.what_if import assumption
from reference import REASONS, Attachment, Decision, Facts, Progress, decide, gather_facts
from worlds import database_url

ASSUMED = "the one assumed"
ANYBODY = Criteria().as_json()
LANDED = {"updated_at": datetime(2024, 3, 1, tzinfo=UTC), "load_id": 1}
BATCH: dict[str, object] = {"name": "Batch", "enrolment_type": "open", "mentor_ids": []}
WATCHED = (
    ("raw", "enrolments"),
    ("raw", "progress"),
    ("registry", "attachments"),
    ("registry", "certificates"),
    ("intermediate", "int_enrolment_progress"),
    ("marts", "fct_completions"),
    ("marts", "fct_certificate_decisions"),
    ("ops", "changed_keys"),
    ("ops", "rule_statements"),
)
PEOPLE = """
    insert into raw.users (user_id, name, tenant_id, updated_at, load_id)
    select 'u' || n, 'Asha', 't', '2024-01-01', 1 from generate_series(1, 5000) as n;
    insert into raw.courses
        (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id)
    select 'c' || n, 'Course', 't', 'Live', 3, '2024-01-01', '2024-01-01', 1
    from generate_series(0, 19) as n;
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id)
    select 'b' || n, 'c' || n, 't', 'Batch', 'open', '{}', '2024-01-01', 1
    from generate_series(0, 19) as n;
    insert into raw.enrolments (user_id, batch_id, course_id, enrolled_at, active, updated_at, load_id)
    select 'u' || n, 'b' || n % 20, 'c' || n % 20, '2024-01-01', n % 200 > 0, '2024-01-01', 1
    from generate_series(1, 5100) as n;
    insert into raw.progress
        (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
    select 'u' || n, 'b' || n % 20, 'k' || content, 'c' || n % 20, 2, 40 + n % 3 * 10,
        '2024-02-01', '2024-02-01', 1
    from generate_series(1, 5100) as n, generate_series(1, 3) as content
    where content < 3 or n % 100 = 0;
    insert into ops.changed_keys (kind, user_id, batch_id)
    select 'enrolment', user_id, batch_id from raw.enrolments
"""
"""Course c0 has u20, u40 .. u5100: each hundredth is complete, of which every other has left; from u5001 on
nobody knows who they are. Scores are 40, 50 and 60, in turns."""


@pytest.fixture
def world(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> World:
    return World(settings, pipeline, connection, tmp_path)


@pytest.fixture
def people(connection: Connection) -> Connection:
    """A course of a few hundred among many others, all decided; none offers a certificate."""
    connection.execute(PEOPLE)
    with connection.transaction():
        decide_changed_keys(connection)
    connection.execute("analyze")
    return connection


@pytest.fixture
def url(settings: Settings) -> str:
    return database_url(settings)


def live_through(connection: Connection, history: list[list[Step]]) -> Facts:
    """What the history comes to, all of it decided: put where the feeds would, which is proven elsewhere."""
    steps = [step for steps in history for step in steps]
    rows: dict[str, list[dict[str, Any]]] = {feed: [] for feed in FEEDS}
    for step in steps:
        if isinstance(step, Fact):
            rows[step.feed].append(step.row)
    facts = gather_facts(rows, attachments=[], printable=printable(connection))
    connection.execute(EMPTY)
    add_issuers(connection)
    with connection.transaction():
        _put(connection, facts)
    for step in steps:
        operate(connection, step)
    with connection.transaction():
        decide_changed_keys(connection)
    return replace(facts, attachments=attachments(connection))


def _put(connection: Connection, facts: Facts) -> None:
    versions = [each for versions in facts.courses.values() for each in versions]
    progress_rows = [
        {"user_id": user_id, "batch_id": batch_id, **asdict(each)}
        for (user_id, batch_id), contents in facts.progress.items()
        for each in contents
    ]
    _insert(connection, "users", [{**asdict(each), **LANDED} for each in facts.users.values()])
    _insert(connection, "courses", [{**asdict(each), "name": "Course", "load_id": 1} for each in versions])
    _insert(connection, "batches", [{**asdict(each), **BATCH, **LANDED} for each in facts.batches.values()])
    of_none = {"course_id": "of no account", "load_id": 1}
    _insert(connection, "enrolments", [{**asdict(each), **of_none} for each in facts.enrolments.values()])
    _insert(connection, "progress", [{**row, **LANDED} for row in progress_rows])
    connection.execute(
        "insert into ops.changed_keys (kind, user_id, batch_id) "
        "select 'enrolment', user_id, batch_id from raw.enrolments"
    )


def _insert(connection: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0]) if rows else []
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier("raw", table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def enrolled(facts: Facts, course_id: str) -> set[tuple[str, str, str]]:
    return {
        (user_id, course_id, batch_id)
        for user_id, batch_id in facts.enrolments
        if batch_id in facts.batches and facts.batches[batch_id].course_id == course_id
    }


def completing(facts: Facts, keys: set[tuple[str, str, str]], *, at: datetime) -> Facts:
    """The same, but those who are not complete do at that instant as many contents as the course has."""
    progress = dict(facts.progress)
    for user_id, course_id, batch_id in keys - decide(facts).keys():
        extra = [
            Progress(f"assumed {number}", course_id, 2, None, at)
            for number in range(facts.courses[course_id][-1].leaf_count)
        ]
        progress[user_id, batch_id] = [*facts.progress.get((user_id, batch_id), ()), *extra]
    return replace(facts, progress=progress)


def asserting(facts: Facts, course_id: str, criteria: Criteria, *, at: datetime) -> Facts:
    """The same, but a certificate is asserted at that instant, in the place of the one in force."""
    earlier = [
        replace(each, valid_to=at)
        if each.course_id == course_id and (each.valid_to is None or each.valid_to > at)
        else each
        for each in facts.attachments
    ]
    tenants = frozenset(criteria.recipient_tenants) or None
    assumed = Attachment(ASSUMED, course_id, at, None, tenants, criteria.minimum_score)
    return replace(facts, attachments=[*earlier, assumed])


def told(group: Group) -> dict[tuple[str, str], str]:
    return {
        (person.user_id, person.batch_id): each.decision for each in group.decisions for person in each.listed
    }


def counted(group: Group) -> dict[str, int]:
    return {each.decision: each.people for each in group.decisions if each.people}


def assert_as(group: Group, expected: dict[tuple[str, str, str], Decision]) -> None:
    entitled = [made for made in expected.values() if made.decision == "entitled"]
    assert told(group) == {(user, batch): made.decision for (user, _, batch), made in expected.items()}
    assert group.total == sum(each.people for each in group.decisions) == len(expected)
    assert group.would_get == sum(made.attachment_id == ASSUMED for made in entitled)
    assert group.entitled_otherwise == len(entitled) - group.would_get


@contextmanager
def nothing_changes(connection: Connection) -> Iterator[None]:
    """Every row stays where it is, in the version that it is."""
    before = [_versions(connection, *table) for table in WATCHED]
    yield
    assert [_versions(connection, *table) for table in WATCHED] == before


def _versions(connection: Connection, schema: str, table: str) -> object:
    query = sql.SQL("select ctid::text, xmin::text, xmax::text from {}").format(sql.Identifier(schema, table))
    return sorted(connection.execute(query).fetchall())


@contextmanager
def batch_under_way(url: str) -> Iterator[None]:
    """A batch holds both locks and has decided, but not committed."""
    with connect(url) as batch, batch.transaction(force_rollback=True):
        batch.execute("select pg_advisory_lock(%s), pg_advisory_xact_lock(%s)", (PIPELINE_LOCK, RULES_LOCK))
        batch.execute("insert into ops.changed_keys (kind, user_id) select 'user', user_id from raw.users")
        assert decide_changed_keys(batch).keys
        yield


@given(
    history=histories(),
    criteria=st.builds(
        Criteria, st.sampled_from(((), ("t",), ("s", "x"))), st.sampled_from((None, 0.0, 60.0, 80.0))
    ),
)
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_preview_is_what_the_reference_says(
    connection: Connection, history: list[list[Step]], criteria: Criteria
) -> None:
    facts = live_through(connection, history)
    for course_id in facts.courses:
        with nothing_changes(connection):
            preview = preview_assertion(connection, course_id, criteria_json=criteria.as_json())
        at = preview.assumed_at
        keys, complete = enrolled(facts, course_id), decide(facts).keys()
        asserted = asserting(facts, course_id, criteria, at=at)
        decided = decide(completing(asserted, keys, at=at))
        assert_as(preview.completed, {key: decided[key] for key in keys & complete})
        assert_as(preview.in_progress, {key: decided[key] for key in keys - complete})
        assert preview.completed.would_get == 0


def test_a_crowd_is_counted_and_its_first_are_listed(people: Connection) -> None:
    preview = preview_assertion(people, "c0", criteria_json=Criteria(minimum_score=50.0).as_json(), listed=3)
    numbers = [n for n in range(20, 5101, 20) if n % 100]
    known = [n for n in numbers if n <= 5000]
    good = [n for n in known if n % 3]
    assert [each.decision for each in preview.in_progress.decisions] == list(REASONS)
    assert counted(preview.completed) == {
        "recipient_unknown": 1,
        "enrolment_inactive": 25,
        "no_certificate_at_completion": 25,
    }
    assert counted(preview.in_progress) == {
        "recipient_unknown": len(numbers) - len(known),
        "below_minimum_score": len(known) - len(good),
        "entitled": len(good),
    }
    assert preview.in_progress.would_get == len(good)
    listed = {each.decision: each.listed for each in preview.in_progress.decisions}
    assert listed["entitled"] == tuple(
        Person(user_id, "b0", "t", "t", "Asha") for user_id in sorted(f"u{n}" for n in good)[:3]
    )
    assert listed["recipient_unknown"][0] == Person("u5020", "b0", "t", None, None)


def test_none_are_listed_when_none_are_asked_for(people: Connection) -> None:
    preview = preview_assertion(people, "c0", criteria_json=ANYBODY, listed=0)
    assert preview.in_progress.would_get == 200
    assert told(preview.in_progress) == {}


def test_a_course_that_is_not_known_has_nobody(people: Connection) -> None:
    preview = preview_assertion(people, "unknown", criteria_json=ANYBODY)
    assert (preview.completed.total, preview.in_progress.total) == (0, 0)


def test_no_history_is_read_through(people: Connection) -> None:
    history = ["users", "enrolments", "progress"]
    read = (
        "select relname, seq_tup_read from pg_stat_xact_user_tables "
        "where schemaname = 'raw' and relname = any(%s) order by relname"
    )
    with people.transaction():
        before = people.execute(read, (history,)).fetchall()
        preview_assertion(people, "c0", criteria_json=ANYBODY)
        assert people.execute(read, (history,)).fetchall() == before
    assert len(before) == len(history)


def test_what_was_earned_before_is_kept(world: World) -> None:
    world.live_through([[*one_finisher(), ATTACHED]])
    preview = preview_assertion(world.connection, "c1", criteria_json=Criteria(("x",)).as_json())
    assert (preview.completed.would_get, preview.completed.entitled_otherwise) == (0, 1)
    assert counted(preview.completed) == {"entitled": 1}


def test_a_completion_ahead_of_our_clock_falls_under_what_begins_now(world: World) -> None:
    """As it would: the instants of a feed may be up to a day ahead."""
    ahead = datetime.now(UTC) + timedelta(hours=20)
    story = [step for step in one_finisher() if not (isinstance(step, Fact) and step.feed == "progress")]
    world.live_through([[*story, ATTACHED, Fact("progress", progress(completed_at=ahead))]])
    preview = preview_assertion(world.connection, "c1", criteria_json=ANYBODY)
    assert (preview.completed.would_get, preview.completed.entitled_otherwise) == (1, 0)


def test_an_attachment_known_to_begin_later_is_no_obstacle(world: World) -> None:
    later = replace(ATTACHED, day=datetime.now(UTC) + timedelta(days=3))
    unfinished = [Fact("progress", progress(status=1, completed_at=None))]
    world.live_through([[*one_finisher()[:-1], *unfinished, later]])
    preview = preview_assertion(world.connection, "c1", criteria_json=ANYBODY)
    assert (preview.in_progress.total, preview.in_progress.would_get) == (1, 1)


def test_a_batch_under_way_is_not_waited_for(people: Connection, url: str) -> None:
    before = preview_assertion(people, "c0", criteria_json=ANYBODY)
    with batch_under_way(url):
        people.execute("set lock_timeout = '1s'")
        meanwhile = preview_assertion(people, "c0", criteria_json=ANYBODY)
    assert (meanwhile.completed, meanwhile.in_progress) == (before.completed, before.in_progress)


def test_two_at_once_do_not_meet(people: Connection, url: str) -> None:
    def ask(course_id: str) -> int:
        with connect(url) as own:
            return preview_assertion(own, course_id, criteria_json=ANYBODY).in_progress.would_get

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, ["c0", "c1"] * 4)) == [200, 250] * 4
    assert people.execute(
        "select count(*) from pg_class where relname = 'assumed_completions'"
    ).fetchone() == (0,)


def test_nothing_can_be_written_and_nothing_is_left(connection: Connection) -> None:
    timeout = connection.execute("show statement_timeout").fetchone()
    write: LiteralString = "insert into ops.changed_keys (kind, course_id) values ('course', 'c')"
    with pytest.raises(ReadOnlySqlTransaction), assumption(connection):
        connection.execute(write)
    with assumption(connection):
        connection.execute("insert into pg_temp.keys_in_scope values ('u', 'b')")
    assert connection.execute("select to_regclass('pg_temp.keys_in_scope')").fetchone() == (None,)
    assert connection.execute("show statement_timeout").fetchone() == timeout
    connection.execute(write)


def test_what_takes_too_long_is_given_up(connection: Connection) -> None:
    with pytest.raises(DatabaseError, match="no answer within"), assumption(connection):
        _outlast(connection)


def _outlast(connection: Connection) -> None:
    connection.execute("set local statement_timeout = '20ms'")
    connection.execute("select pg_sleep(5)")


CHANGED = {
    "completions": ("fct_completions", "fct_finishes", r"do not read .*fct_completions"),
    "attachments": ("stg_attachments", "int_attachments", r"do not read .*stg_attachments"),
    "decision": ("entitled", "earned", "decide earned, which is not in"),
    "relation": ("stg_users", "stg_people", "is missing"),
    "column": ("tenant_id", "state_id", "is missing"),
}


@pytest.mark.parametrize(("old", "new", "message"), CHANGED.values(), ids=CHANGED)
def test_a_changed_model_is_noticed(people: Connection, old: str, new: str, message: str) -> None:
    people.execute("update ops.rule_statements set statement = replace(statement, %s, %s)", (old, new))
    with pytest.raises(DatabaseError, match=message):
        preview_assertion(people, "c0", criteria_json=ANYBODY)


def test_rules_that_dbt_has_not_deployed_are_named(people: Connection) -> None:
    people.execute("delete from ops.rule_statements")
    with pytest.raises(DatabaseError, match="dbt has not deployed fct_certificate_decisions"):
        preview_assertion(people, "c0", criteria_json=ANYBODY)


def test_the_decisions_are_those_of_the_model() -> None:
    models = yaml.safe_load((DBT_PROJECT / "models" / "marts" / "marts.yml").read_text())["models"]
    columns = next(model["columns"] for model in models if model["name"] == "fct_certificate_decisions")
    (tests,) = (column["data_tests"] for column in columns if column["name"] == "decision")
    (accepted,) = (test["accepted_values"]["arguments"]["values"] for test in tests if isinstance(test, dict))
    assert list(DECISIONS) == accepted == list(REASONS)
