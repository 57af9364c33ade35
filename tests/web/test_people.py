"""One person's certificates and why they did or did not get one; and a certificate taken back for good."""

from datetime import UTC, datetime

import pytest
from web_worlds import ADDRESS, World, assert_problem, complete, issue_without_printing

from pramaan.bench.registry_rows import unguarded_registry
from worlds import open_hold

REASON = {"reason": "issued to the wrong person"}
NAMELESS = "update raw.users set name = 'undefined' where user_id = 'asha'"


def profile(world: World, user_id: str = "asha", caller: str = "portal_t") -> list[dict[str, object]]:
    answer = world.api(caller, "GET", f"/v1/users/{user_id}/certificates")
    assert answer.status_code == 200, answer.text
    assert answer.json()["user_id"] == user_id
    return list(answer.json()["certificates"])


def revoke(world: World, certificate_id: str, caller: str = "admin_t", body: object = REASON) -> object:
    return world.api(caller, "POST", f"/v1/certificates/{certificate_id}/revoke", json=body)


def test_a_profile_shows_an_issued_certificate_with_its_links(standing_world: World) -> None:
    certificate_id = standing_world.certificate_id("asha")
    base = standing_world.settings.public_base_url
    (shown,) = profile(standing_world)
    issued_at = datetime.fromisoformat(str(shown.pop("issued_at")))
    assert issued_at.tzinfo is not None
    assert shown == {
        "certificate_id": certificate_id,
        "course_id": "reading",
        "course_name": "Reading",
        "batch_id": "reading-t",
        "status": "issued",
        "completed_at": "2026-02-01T00:00:00Z",
        "revoked_at": None,
        "download_url": f"{base}/v1/certificates/{certificate_id}/pdf",
        "verify_url": f"{base}/verify/{certificate_id}",
    }


def test_a_pending_certificate_has_nothing_to_download_yet(standing_world: World) -> None:
    (shown,) = profile(standing_world, "bina")
    assert (shown["status"], shown["issued_at"], shown["download_url"]) == ("pending", None, None)


def test_a_profile_without_certificates_is_empty(standing_world: World) -> None:
    assert profile(standing_world, "chand") == []


def test_a_profile_shows_the_newest_completion_first_and_no_superseded_one(issued_world: World) -> None:
    world = issued_world
    world.api("creator_t", "POST", "/v1/courses/writing/certificate",
              json={"template_id": "classic", "issuer_id": "board-t"})  # fmt: skip
    complete(world.connection, "asha", "writing-t", at=datetime.now(UTC))
    world.decide()
    assert [one["course_id"] for one in profile(world)] == ["writing", "reading"]
    with unguarded_registry(world.connection):
        world.connection.execute(
            "update registry.certificates set status = 'superseded' where user_id = 'asha' "
            "and batch_id = 'reading-t'"
        )
    assert [one["course_id"] for one in profile(world)] == ["writing"]


def test_a_certificate_of_another_tenant_s_course_stands_on_the_user_s_profile(standing_world: World) -> None:
    courses = sorted(str(one["course_id"]) for one in profile(standing_world, "sita", "admin"))
    assert courses == ["counting", "reading"]


def test_a_revoked_certificate_says_so_at_once(issued_world: World) -> None:
    certificate_id = issued_world.certificate_id("asha")
    answer = revoke(issued_world, certificate_id, body={"reason": "  wrong person  "})
    assert answer.status_code == 200
    said = answer.json()
    revoked_at = said.pop("revoked_at")
    assert said == {"certificate_id": certificate_id, "status": "revoked", "revoked_by": "admin_t",
                    "reason": "wrong person"}  # fmt: skip
    (shown,) = profile(issued_world)
    assert (shown["status"], shown["revoked_at"], shown["download_url"]) == ("revoked", revoked_at, None)


def test_a_certificate_is_revoked_once(issued_world: World) -> None:
    certificate_id = issued_world.certificate_id("asha")
    first = revoke(issued_world, certificate_id).json()
    assert_problem(revoke(issued_world, certificate_id), 409, "certificate_already_revoked")
    assert profile(issued_world)[0]["revoked_at"] == first["revoked_at"]
    recorded = issued_world.connection.execute(
        "select username, channel, address, action, tenant_id, after ->> 'reason' from registry.changes "
        "where subject_kind = 'certificate' and subject_id = %s",
        (certificate_id,),
    ).fetchall()
    assert recorded == [("admin_t", "api", ADDRESS, "revoked", "t", REASON["reason"])]


@pytest.mark.parametrize("reason", ["", "   ", None, 7, "x" * 501, "line\nbreak", ["why"]])
def test_a_revocation_says_why(reason: object, standing_world: World) -> None:
    certificate_id = standing_world.certificate_id("asha")
    assert_problem(revoke(standing_world, certificate_id, body={"reason": reason}), 422, "invalid_request")
    assert profile(standing_world)[0]["status"] == "issued"


def test_only_an_issued_certificate_is_revoked_over_http_too(issued_world: World) -> None:
    row = issued_world.connection.execute(
        "select course_id from registry.certificates where user_id = 'bina'"
    ).fetchone()
    assert row is not None
    hold_id = open_hold(issued_world.connection, str(row[0]))
    for status in ("pending", "failed", "held", "superseded"):
        with unguarded_registry(issued_world.connection):
            issued_world.connection.execute(
                "update registry.certificates set status = %s, error_class = 'x', hold_id = %s "
                "where user_id = 'bina'",
                (status, hold_id),
            )
        answer = revoke(issued_world, issued_world.certificate_id("bina"))
        assert status in assert_problem(answer, 409, "certificate_not_issued")["detail"]


def test_facts_never_bring_a_revoked_certificate_back(issued_world: World) -> None:
    world = issued_world
    certificate_id = world.certificate_id("asha")
    revoke(world, certificate_id)
    for statement in (
        "update raw.users set name = 'Asha R. Rao' where user_id = 'asha'",
        "update raw.progress set completed_at = '2026-01-15' where user_id = 'asha'",
        "update raw.enrolments set active = false where user_id = 'asha'",
        "update raw.enrolments set active = true where user_id = 'asha'",
    ):
        world.connection.execute(statement)
        complete(world.connection, "asha", "reading-t")
        world.decide()
        world.pipeline.enqueue_missing(world.connection)
        issue_without_printing(world.connection)
    (shown,) = profile(world)
    assert (shown["certificate_id"], shown["status"]) == (certificate_id, "revoked")
    assert world.one("select count(*) from registry.certificates where user_id = 'asha'") == 1


def why(world: World, user_id: str, batch_id: str = "reading-t") -> dict[str, object]:
    query = f"user_id={user_id}&course_id={batch_id.partition('-')[0]}&batch_id={batch_id}"
    answer = world.api("admin", "GET", f"/v1/decisions?{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


DECIDED_SO: dict[str, list[str]] = {
    "recipient_unknown": ["delete from raw.users where user_id = 'asha'"],
    "course_not_published": [
        "update raw.courses set published_at = '2026-02-02' where course_id = 'reading'"
    ],
    "enrolment_inactive": [
        "update raw.enrolments set active = false, updated_at = '2026-01-20' where user_id = 'asha'"
    ],
    "other_tenant_batch": ["update raw.batches set tenant_id = 's' where batch_id = 'reading-t'"],
    "no_certificate_at_completion": ["update registry.attachments set valid_from = '2026-02-02'"],
    "outside_recipient_tenants": [
        'update registry.attachments set criteria = \'{"recipient_tenants": ["s"]}\''
    ],
    "below_minimum_score": ["update registry.attachments set criteria = '{\"minimum_score\": 61}'"],
    "name_unprintable": [NAMELESS],
    "entitled": [],
}


@pytest.mark.parametrize("decision", DECIDED_SO)
def test_each_decision_is_told_with_the_facts_it_rests_on(decision: str, two_tenants: World) -> None:
    for statement in DECIDED_SO[decision]:
        two_tenants.connection.execute(statement)
    two_tenants.connection.execute(
        "insert into ops.changed_keys (kind, course_id) values ('course', 'reading')"
    )
    two_tenants.decide()
    told = why(two_tenants, "asha")
    assert (told["decision"], told["complete"], told["is_being_decided"]) == (decision, True, False)
    assert (told["completed_at"], told["decision_if_completed_now"]) == ("2026-02-01T00:00:00Z", None)
    assert told["progress"] == {"contents_completed": 2, "leaf_count": 2, "contents_missing": 0,
                                "progress_pct": 100}  # fmt: skip
    assert (told["certificate"] is not None) == (decision == "entitled")
    facts = told["facts"]
    assert isinstance(facts, dict)
    deciding = {
        "recipient_unknown": ("recipient_tenant_id", None),
        "course_not_published": ("published_at", "2026-02-02T00:00:00Z"),
        "enrolment_inactive": ("is_enrolment_active", False),
        "other_tenant_batch": ("batch_tenant_id", "s"),
        "no_certificate_at_completion": ("attachment_id", None),
        "outside_recipient_tenants": ("recipient_tenant_id", "t"),
        "below_minimum_score": ("mean_score", 60.0),
        "name_unprintable": ("is_name_printable", False),
        "entitled": ("is_name_printable", True),
    }
    name, value = deciding[decision]
    assert facts[name] == value


def test_somebody_on_the_way_is_told_how_far_it_is(standing_world: World) -> None:
    told = why(standing_world, "chand")
    assert (told["complete"], told["decision"], told["completed_at"], told["facts"]) == (
        False,
        None,
        None,
        None,
    )
    assert told["decision_if_completed_now"] == "entitled"
    assert told["progress"] == {"contents_completed": 1, "leaf_count": 2, "contents_missing": 1,
                                "progress_pct": 50}  # fmt: skip


def test_facts_that_no_batch_has_seen_are_told_as_being_decided(two_tenants: World) -> None:
    two_tenants.connection.execute(NAMELESS)
    told = why(two_tenants, "asha")
    assert (told["decision"], told["is_being_decided"]) == ("entitled", True)


def test_what_became_of_it_is_told_with_it(standing_world: World) -> None:
    state = why(standing_world, "asha")["certificate"]
    assert isinstance(state, dict)
    assert (state["certificate_id"], state["status"]) == (standing_world.certificate_id("asha"), "issued")


@pytest.mark.parametrize("query", [
    "user_id=asha&course_id=reading&batch_id=nowhere", "user_id=nobody&course_id=reading&batch_id=reading-t",
    "user_id=asha&course_id=writing&batch_id=reading-t",
    "user_id=asha&course_id=counting&batch_id=counting-s",
])  # fmt: skip
def test_who_is_not_enrolled_there_has_no_decision(query: str, standing_world: World) -> None:
    answer = standing_world.api("admin", "GET", f"/v1/decisions?{query}")
    assert_problem(answer, 404, "enrolment_not_found")


@pytest.mark.parametrize("left_out", ["user_id", "course_id", "batch_id"])
def test_a_decision_is_asked_for_by_all_three_ids(left_out: str, standing_world: World) -> None:
    ids = {"user_id": "asha", "course_id": "reading", "batch_id": "reading-t"}
    answer = standing_world.api(
        "admin", "GET", "/v1/decisions", params={name: ids[name] for name in ids if name != left_out}
    )
    problem = assert_problem(answer, 422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [f"query.{left_out}"]
