"""What a caller learns of another tenant: nothing, not even that something is there."""

import re
from typing import Any

import pytest
from web_worlds import ASSERTION, World, assert_problem, complete

from pramaan.web import previews

READING = "/v1/courses/reading/certificate"
WRITING = "/v1/courses/writing/certificate"

HIDDEN: list[tuple[str, str, str, str, dict[str, Any]]] = [
    ("creator_s", "GET", "/v1/courses/{}/certificate", "reading", {}),
    ("creator_s", "GET", "/v1/courses/{}/certificate/history", "reading", {}),
    ("creator_s", "POST", "/v1/courses/{}/certificate", "writing", {"json": ASSERTION}),
    ("creator_s", "POST", "/v1/courses/{}/certificate", "draft", {"json": ASSERTION}),
    ("creator_s", "PUT", "/v1/courses/{}/certificate", "reading", {"json": ASSERTION}),
    ("creator_s", "DELETE", "/v1/courses/{}/certificate", "reading", {}),
    ("creator_s", "POST", "/v1/courses/{}/certificate/preview", "reading", {"json": {}}),
    ("creator_s", "GET", "/v1/issuers/{}", "board-t", {}),
    ("creator_s", "PUT", "/v1/issuers/{}", "board-t", {"json": {"name": "Mine now"}}),
    ("creator_s", "GET", "/v1/issuers/{}/signature", "board-t", {}),
    ("creator_s", "PUT", "/v1/issuers/{}/signature", "board-t",
     {"content": b"\x89PNG\r\n\x1a\n", "headers": {"content-type": "image/png"}}),
    ("creator_s", "POST", "/v1/issuers", "t", {"json": {"id": "fresh", "tenant_id": "{}", "name": "B"}}),
    ("creator_t", "POST", WRITING, "board-s", {"json": {"template_id": "classic", "issuer_id": "{}"}}),
    ("creator_t", "POST", f"{WRITING}/preview", "board-s", {"json": {"issuer_id": "{}"}}),
    ("portal_t", "GET", "/v1/users/{}/certificates", "sita", {}),
    ("admin_t", "GET", "/v1/users/{}/certificates", "sita", {}),
    ("mentor_t", "GET", "/v1/decisions?user_id=sita&course_id=counting&batch_id={}", "counting-s", {}),
    ("mentor_t", "GET", "/v1/decisions?user_id=chand&course_id=reading&batch_id={}", "reading-s", {}),
    ("mentor_t", "GET", "/v1/decisions?user_id={}&course_id=counting&batch_id=counting-s", "sita", {}),
    ("admin_t", "POST", "/v1/certificates/{}/revoke", "sita's", {"json": {"reason": "error"}}),
    ("creator_t", "POST", "/v1/certificates/{}/revoke", "sita's", {"json": {"reason": "error"}}),
]  # fmt: skip


@pytest.mark.parametrize("case", HIDDEN, ids=lambda case: f"{case[1]} {case[2]} {case[3]}")
def test_what_is_another_tenant_s_is_answered_like_what_does_not_exist(
    case: tuple[str, str, str, str, dict[str, Any]], standing_world: World
) -> None:
    caller, method, path, theirs, request = case
    if theirs == "sita's":
        theirs = standing_world.certificate_id("sita", "counting-s")
    nothing = "x" * len(theirs)

    def answer(key: str) -> tuple[object, ...]:
        sent = {name: fill(value, key) for name, value in request.items()}
        got = standing_world.api(caller, method, path.replace("{}", key), **sent)
        body = assert_problem(got, 404, got.json()["code"])
        detail = re.sub(rf"\b{re.escape(key)}\b", "ID", body["detail"])
        return {**body, "detail": detail}, dict(got.headers)

    assert answer(theirs) == answer(nothing)


def fill(value: Any, key: str) -> Any:
    """The same request of another key."""
    if isinstance(value, dict):
        return {name: fill(one, key) for name, one in value.items()}
    return value.replace("{}", key) if isinstance(value, str) else value


def test_a_decision_hides_the_tenants_that_are_not_the_caller_s(standing_world: World) -> None:
    def tenants(caller: str, user_id: str, batch_id: str) -> tuple[object, ...]:
        query = f"user_id={user_id}&course_id=reading&batch_id={batch_id}"
        answer = standing_world.api(caller, "GET", f"/v1/decisions?{query}")
        assert answer.status_code == 200
        facts = answer.json()["facts"]
        return facts["recipient_tenant_id"], facts["course_tenant_id"], facts["batch_tenant_id"]

    assert tenants("admin", "sita", "reading-t") == ("s", "t", "t")
    for caller in ("mentor_t", "creator_t", "portal_t", "admin_t"):
        assert tenants(caller, "sita", "reading-t") == (None, "t", "t")
    assert tenants("creator_s", "chand", "reading-s") == (None, None, "s")


@pytest.fixture
def mixed_course(two_tenants: World) -> World:
    """`writing` offers nothing yet. In t's batch bina of t and sita of s are at it, and somebody nobody
    knows; in s's batch asha of t and sita of s.
    """
    for user_id, batch_id in (
        ("bina", "writing-t"),
        ("sita", "writing-t"),
        ("ghost", "writing-t"),
        ("asha", "writing-s"),
        ("sita", "writing-s"),
    ):
        complete(two_tenants.connection, user_id, batch_id, contents=1)
    two_tenants.decide()
    return two_tenants


def listed(world: World, caller: str, body: dict[str, object]) -> dict[str, list[tuple[Any, ...]]]:
    """By decision, the people in progress whom a preview of `writing` names."""
    answer = world.api(caller, "POST", f"{WRITING}/preview", json=body)
    assert answer.status_code == 200, answer.text
    return {
        met["decision"]: [(one["user_id"], one["batch_id"], one["name"]) for one in met["listed"]]
        for met in answer.json()["in_progress"]["decisions"]
    }


def test_a_preview_names_nobody_else_s_users_and_nobody_in_their_batches(mixed_course: World) -> None:
    assert listed(mixed_course, "creator_t", ASSERTION) == {
        "recipient_unknown": [("ghost", "writing-t", None)],
        "other_tenant_batch": [],
        "entitled": [("bina", "writing-t", "Bina Das")],
    }
    assert listed(mixed_course, "admin", ASSERTION) == {
        "recipient_unknown": [("ghost", "writing-t", None)],
        "other_tenant_batch": [("asha", "writing-s", "Asha Rao"), ("sita", "writing-s", "Sita Sen")],
        "entitled": [("bina", "writing-t", "Bina Das"), ("sita", "writing-t", "Sita Sen")],
    }


def test_a_preview_counts_everybody_by_reason_and_changes_nothing(mixed_course: World) -> None:
    tables = ("registry.attachments", "registry.changes", "registry.certificates", "ops.changed_keys")
    counts = [mixed_course.one(f"select count(*) from {table}") for table in tables]
    criteria = {"recipient_tenants": ["t"], "minimum_score": 60}
    seen = mixed_course.api("creator_t", "POST", f"{WRITING}/preview", json={"criteria": criteria}).json()
    group = seen["in_progress"]
    assert (group["total"], group["would_get"], group["would_not_get"]) == (5, 1, 4)
    people = {met["decision"]: met["people"] for met in group["decisions"]}
    assert people == {"recipient_unknown": 1, "other_tenant_batch": 2, "outside_recipient_tenants": 1,
                      "entitled": 1}  # fmt: skip
    assert seen["completed"]["total"] == 0
    assert [mixed_course.one(f"select count(*) from {table}") for table in tables] == counts


def test_a_preview_while_others_are_made_asks_to_come_back(two_tenants: World) -> None:
    with previews.preview_slots, previews.preview_slots:
        answer = two_tenants.api("creator_t", "POST", f"{WRITING}/preview", json={})
    assert_problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "5"
    assert two_tenants.api("creator_t", "POST", f"{WRITING}/preview", json={}).status_code == 200


def test_a_preview_says_that_those_already_complete_get_nothing_from_it(two_tenants: World) -> None:
    complete(two_tenants.connection, "bina", "writing-t")
    two_tenants.decide()
    seen = two_tenants.api("creator_t", "POST", f"{WRITING}/preview", json=ASSERTION).json()
    assert (seen["completed"]["total"], seen["completed"]["would_get"]) == (1, 0)
    assert [met["decision"] for met in seen["completed"]["decisions"]] == ["no_certificate_at_completion"]


def test_an_issuer_id_that_another_tenant_has_is_only_said_to_be_taken(standing_world: World) -> None:
    def refused(caller: str, tenant_id: str, issuer_id: str) -> str:
        body = {"id": issuer_id, "tenant_id": tenant_id, "name": "Another"}
        answer = standing_world.api(caller, "POST", "/v1/issuers", json=body)
        return str(assert_problem(answer, 409, "issuer_already_exists")["detail"]).replace(issuer_id, "ID")

    assert refused("creator_t", "t", "board-s") == refused("creator_s", "s", "board-s")
    assert "tenant" not in refused("creator_t", "t", "board-s")
