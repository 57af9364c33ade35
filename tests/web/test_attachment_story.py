"""The story of a course's certificate: asserted once, replaced, removed; what was earned stays as it was."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.errors import ExclusionViolation
from web_worlds import ADDRESS, ASSERTION, World, assert_problem, complete

WRITING = "/v1/courses/writing/certificate"
READING = "/v1/courses/reading/certificate"
SCORED = {**ASSERTION, "criteria": {"minimum_score": 50}}
LOCK = "select pg_advisory_lock(hashtextextended('writing', 0))"
UNLOCK = "select pg_advisory_unlock(hashtextextended('writing', 0))"


def changes(world: World, kind: str = "attachment") -> list[tuple[Any, ...]]:
    """The record of what the API changed: who, from where, what."""
    return world.connection.execute(
        "select username, channel, address, action, subject_id, tenant_id from registry.changes "
        "where subject_kind = %s and channel = 'api' order by change_id",
        (kind,),
    ).fetchall()


def versions(world: World) -> int:
    return int(world.one("select count(*) from registry.attachments"))


def test_a_published_course_without_a_certificate_gets_one(two_tenants: World) -> None:
    answer = two_tenants.api("creator_t", "POST", WRITING, json=SCORED)
    assert answer.status_code == 201
    asserted = answer.json()
    expected = {"course_id": "writing", "tenant_id": "t", "template_id": "classic", "issuer_id": "board-t",
                "issuer_version": 1, "criteria": {"minimum_score": 50.0}, "notify_recipients": False,
                "valid_to": None, "asserted_by": "creator_t", "reason": None}  # fmt: skip
    assert {name: asserted[name] for name in expected} == expected
    assert two_tenants.api("viewer_t", "GET", WRITING).json() == asserted
    offering = two_tenants.api("viewer_t", "GET", "/v1/courses?offers_certificate=true").json()["courses"]
    assert [course["course_id"] for course in offering] == ["reading", "writing"]


def test_a_course_that_has_a_certificate_is_refused_another(two_tenants: World) -> None:
    before = versions(two_tenants)
    answer = two_tenants.api("creator_t", "POST", READING, json=ASSERTION)
    assert_problem(answer, 409, "certificate_already_attached")
    assert versions(two_tenants) == before


def test_a_course_that_is_not_published_gets_none(two_tenants: World) -> None:
    path = "/v1/courses/draft/certificate"
    assert_problem(two_tenants.api("creator_t", "POST", path, json=ASSERTION), 422, "course_not_published")
    assert_problem(two_tenants.api("creator_t", "GET", path), 404, "certificate_not_attached")


def test_a_certificate_is_replaced_from_now_on(two_tenants: World) -> None:
    before = two_tenants.api("creator_t", "GET", READING).json()
    answer = two_tenants.api("creator_t", "PUT", READING, json=SCORED)
    assert answer.status_code == 200
    newest, oldest = two_tenants.api("creator_t", "GET", f"{READING}/history").json()["history"]
    assert newest == answer.json()
    assert oldest == before | {"valid_to": newest["valid_from"]}


def test_recipients_are_notified_when_it_is_asked_for_and_until_it_is_not(two_tenants: World) -> None:
    asked = {**ASSERTION, "notify_recipients": True}
    assert two_tenants.api("creator_t", "POST", WRITING, json=asked).json()["notify_recipients"] is True
    kept = two_tenants.api("creator_t", "PUT", WRITING, json=SCORED).json()
    assert (kept["notify_recipients"], kept["criteria"]) == (True, {"minimum_score": 50.0})
    assert two_tenants.api("creator_t", "PUT", WRITING, json=SCORED).json() == kept
    ended = {**SCORED, "notify_recipients": False}
    assert two_tenants.api("creator_t", "PUT", WRITING, json=ended).json()["notify_recipients"] is False
    assert two_tenants.api("viewer_t", "GET", WRITING).json()["notify_recipients"] is False


@pytest.mark.parametrize("value", ["yes", 1, [], "true"])
def test_whether_to_notify_is_yes_or_no(two_tenants: World, value: object) -> None:
    answer = two_tenants.api("creator_t", "POST", WRITING, json={**ASSERTION, "notify_recipients": value})
    assert_problem(answer, 422, "invalid_request")


def test_a_certificate_is_removed_from_now_on(two_tenants: World) -> None:
    answer = two_tenants.api("creator_t", "DELETE", READING)
    assert (answer.status_code, answer.content) == (204, b"")
    for method, body in (("GET", None), ("DELETE", None), ("PUT", ASSERTION)):
        answer = two_tenants.api("creator_t", method, READING, json=body)
        assert_problem(answer, 404, "certificate_not_attached")
    assert len(two_tenants.api("creator_t", "GET", f"{READING}/history").json()["history"]) == 1
    assert two_tenants.api("creator_t", "POST", READING, json=ASSERTION).status_code == 201


@pytest.mark.parametrize(
    ("caller", "path", "change", "refused"),
    [
        ("creator_t", "/v1/courses/nowhere/certificate", {}, (404, "course_not_found")),
        ("creator_t", WRITING, {"template_id": "none"}, (404, "template_not_found")),
        ("creator_t", WRITING, {"template_id": "../../dbt"}, (404, "template_not_found")),
        ("creator_t", WRITING, {"issuer_id": "none"}, (404, "issuer_not_found")),
        ("creator_t", WRITING, {"issuer_id": "board-s"}, (404, "issuer_not_found")),
        ("admin", WRITING, {"issuer_id": "board-s"}, (422, "issuer_of_other_tenant")),
    ],
)
def test_what_cannot_be_asserted_is_refused_by_its_code(
    caller: str, path: str, change: Mapping[str, object], refused: tuple[int, str], standing_world: World
) -> None:
    before = versions(standing_world)
    assert_problem(standing_world.api(caller, "POST", path, json={**ASSERTION, **change}), *refused)
    assert versions(standing_world) == before


@pytest.mark.parametrize(("method", "path", "statuses"), [
    ("POST", WRITING, [201, 409]),
    ("DELETE", READING, [204, 404]),
])  # fmt: skip
def test_of_two_at_the_same_time_one_is_refused(
    method: str, path: str, statuses: list[int], two_tenants: World
) -> None:
    body = ASSERTION if method == "POST" else None
    lock, unlock = (text.replace("writing", path.split("/")[3]) for text in (LOCK, UNLOCK))
    two_tenants.connection.execute(lock)
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(two_tenants.api, "creator_t", method, path, json=body) for _ in range(2)]
        wait_until_both_wait(two_tenants)
        two_tenants.connection.execute(unlock)
        assert sorted(call.result().status_code for call in calls) == statuses


def wait_until_both_wait(world: World) -> None:
    waiting = (
        "select count(*) from pg_locks where locktype = 'advisory' and not granted "
        "and database = (select oid from pg_database where datname = current_database())"
    )
    until = datetime.now(UTC) + timedelta(minutes=10)
    while world.one(waiting) < 2:
        assert datetime.now(UTC) < until


def test_two_the_same_put_at_the_same_time_make_one_version(two_tenants: World) -> None:
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(two_tenants.api, "creator_t", "PUT", READING, json=SCORED) for _ in range(4)]
        answers = {(call.result().status_code, call.result().json()["attachment_id"]) for call in calls}
    assert len(answers) == 1
    assert len(two_tenants.api("creator_t", "GET", f"{READING}/history").json()["history"]) == 2


def test_the_database_alone_refuses_a_second_certificate_in_force(two_tenants: World) -> None:
    columns = "course_id, tenant_id, template_id, template_version, issuer_id, issuer_version, asserted_by"
    with pytest.raises(ExclusionViolation, match="one_certificate_in_force"):
        two_tenants.connection.execute(
            f"insert into registry.attachments ({columns}, valid_from) "
            f"select {columns}, now() from registry.attachments where course_id = 'reading'"
        )


def test_a_replaced_certificate_keeps_what_was_completed_before(two_tenants: World) -> None:
    first = two_tenants.api("creator_t", "GET", READING).json()["attachment_id"]
    second = two_tenants.api("creator_t", "PUT", READING, json=SCORED).json()["attachment_id"]
    complete(two_tenants.connection, "chand", "reading-t", at=datetime.now(UTC))
    two_tenants.connection.execute(
        "insert into raw.users (user_id, name, tenant_id, updated_at, load_id) "
        "values ('dev', 'Dev Roy', 't', '2025-01-01', 1)"
    )
    complete(two_tenants.connection, "dev", "reading-t", at="2026-02-02T00:00:00Z")
    two_tenants.decide()
    earned = dict(
        two_tenants.connection.execute(
            "select user_id, attachment_id::text from registry.certificates where batch_id = 'reading-t'"
        ).fetchall()
    )
    assert earned == {"asha": first, "bina": first, "sita": first, "dev": first, "chand": second}


def test_what_completes_after_a_removal_earns_nothing(two_tenants: World) -> None:
    two_tenants.api("creator_t", "DELETE", READING)
    complete(two_tenants.connection, "chand", "reading-t", at=datetime.now(UTC))
    two_tenants.decide()
    earned = two_tenants.connection.execute(
        "select user_id from registry.certificates where batch_id = 'reading-t' order by 1"
    ).fetchall()
    assert earned == [("asha",), ("bina",), ("sita",)]


def test_the_same_put_twice_changes_nothing(two_tenants: World) -> None:
    first = two_tenants.api("creator_t", "PUT", READING, json=SCORED)
    before = (versions(two_tenants), changes(two_tenants))
    again = two_tenants.api("admin_t", "PUT", READING, json=SCORED)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (versions(two_tenants), changes(two_tenants)) == before


def test_every_change_is_recorded_with_who_when_whence_before_and_after(two_tenants: World) -> None:
    started = two_tenants.one("select clock_timestamp()")
    posted = two_tenants.api("creator_t", "POST", WRITING, json=ASSERTION).json()
    put = two_tenants.api("admin_t", "PUT", WRITING, json=SCORED).json()
    two_tenants.api("admin", "DELETE", WRITING)
    assert changes(two_tenants) == [
        ("creator_t", "api", ADDRESS, "asserted", "writing", "t"),
        ("admin_t", "api", ADDRESS, "replaced", "writing", "t"),
        ("admin", "api", ADDRESS, "removed", "writing", "t"),
    ]
    rows = two_tenants.connection.execute(
        "select before ->> 'attachment_id', after ->> 'attachment_id', after ->> 'valid_to', changed_at "
        "from registry.changes where channel = 'api' order by change_id"
    ).fetchall()
    first, second = posted["attachment_id"], put["attachment_id"]
    assert [row[:2] for row in rows] == [(None, first), (first, second), (second, second)]
    assert [row[2] is None for row in rows] == [True, True, False]
    instants = [started, *(row[3] for row in rows), two_tenants.one("select clock_timestamp()")]
    assert instants == sorted(instants)


def test_what_is_refused_leaves_no_record(two_tenants: World) -> None:
    for caller, method, path, body in (
        ("creator_t", "POST", READING, ASSERTION),
        ("creator_s", "PUT", READING, SCORED),
        ("viewer_t", "DELETE", READING, None),
        ("creator_t", "PUT", WRITING, SCORED),
    ):
        assert two_tenants.api(caller, method, path, json=body).status_code >= 400
    assert changes(two_tenants) == []


def test_courses_come_in_pages_and_by_name(two_tenants: World) -> None:
    def ids(query: str) -> tuple[list[str], str | None]:
        page = two_tenants.api("admin", "GET", f"/v1/courses{query}").json()
        return [course["course_id"] for course in page["courses"]], page["next_after"]

    assert ids("?limit=2") == (["counting", "draft"], "draft")
    assert ids("?limit=2&after=draft") == (["reading", "writing"], None)
    assert ids("?q=EADIN") == (["reading"], None)
    assert ids("?q=%25") == ([], None)
    assert ids("?offers_certificate=false") == (["draft", "writing"], None)
