"""Reports over HTTP: who may ask for which, what they are told of it, and the link that needs no sign-in."""

import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from web_report_worlds import MEERA, asked, build, give_addresses, report_service_of, request_of, sent
from web_worlds import World, assert_problem, open_api

from pramaan.reports.ledger import record_failed, record_file_removed
from pramaan.store import Store

PASSWORD = "correct-horse-9"
ASK = "/v1/batches/reading-t/reports"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def mentors(two_tenants: World) -> World:
    """Two tenants, whose mentors and admins are known with their addresses."""
    give_addresses(two_tenants)
    return two_tenants


def downloads(world: World) -> int:
    """How often a report was fetched."""
    return int(world.one("select count(*) from ops.report_downloads where channel = 'link'"))


def link_to(world: World, request_id: UUID, *, requested_by: str = "mentor_t") -> str:
    """The link as it stands in the mail."""
    token = report_service_of(world).key.link_token(request_id, requested_by=requested_by)
    return f"/reports/file?token={token}"


# Asking


def test_a_mentor_asks_for_a_report_and_is_told_its_id_at_once(mentors: World) -> None:
    before = datetime.now(UTC)
    answer = mentors.api("mentor_t", "POST", ASK, json={"format": "csv"})
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/pramaan/v1/reports/{body['request_id']}"
    requested_at = body.pop("requested_at")
    assert requested_at.endswith("Z")
    assert before <= datetime.fromisoformat(requested_at) <= datetime.now(UTC)
    assert body == {
        "request_id": body["request_id"], "batch_id": "reading-t", "requested_by": "mentor_t", "email": MEERA,
        "format": "csv", "status": "requested", "built_at": None, "handed_over_at": None, "rows": None,
        "bytes": None, "error_class": None, "error": None,
    }  # fmt: skip
    assert mentors.api("mentor_t", "GET", f"/v1/reports/{body['request_id']}").json() == {
        **body, "requested_at": requested_at
    }  # fmt: skip
    kept = request_of(mentors, UUID(body["request_id"]))
    assert (kept.channel, kept.by_operator) == ("api", False)


@pytest.mark.parametrize(
    ("body", "header", "kept"),
    [
        ({}, "hi-IN, en;q=0.5", "hi"),
        ({}, None, "en"),
        ({"language": None}, "ta", "ta"),
        ({"language": "ur"}, "hi", "ur"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_browsers(
    mentors: World, body: dict[str, Any], header: str | None, kept: str
) -> None:
    headers = {"accept-language": header} if header else {"accept-language": ""}
    answer = mentors.api("mentor_t", "POST", ASK, json={"format": "xlsx", **body}, headers=headers)
    assert request_of(mentors, UUID(answer.json()["request_id"])).language == kept


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "nobody"}, 422, "email_not_usable"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, 422, "email_not_usable"),
        ({"email": "a@b.example, c@d.example"}, 422, "email_not_usable"),
        ({"language": "xx"}, 422, "unknown_language"),
        ({"language": ""}, 422, "unknown_language"),
        ({"password": "short"}, 422, "password_not_usable"),
        ({"password": ""}, 422, "password_not_usable"),
        ({"password": "with\nline break"}, 422, "password_not_usable"),
        ({"format": "pdf"}, 422, "invalid_request"),
        ({"format": None}, 422, "invalid_request"),
        ({"emial": MEERA}, 422, "unknown_field"),
        ({"tenants": ["s"]}, 422, "unknown_field"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    mentors: World, body: dict[str, Any], status: int, code: str
) -> None:
    answer = mentors.api("mentor_t", "POST", ASK, json={"format": "csv", **body})
    assert_problem(answer, status, code)
    assert mentors.one("select count(*) from ops.report_requests") == 0


def test_whose_address_is_not_known_says_where_it_goes(two_tenants: World) -> None:
    answer = two_tenants.api("mentor_t", "POST", ASK, json={"format": "csv"})
    assert_problem(answer, 422, "email_needed")
    assert request_of(two_tenants, asked(two_tenants, email=MEERA)).email == MEERA


def test_with_domains_configured_it_goes_there_or_to_oneself_only(mentors: World) -> None:
    settings = mentors.settings.model_copy(update={"report_domains": "office.example"})
    with open_api(settings) as api:
        refused = api("mentor_t", "POST", ASK, json={"format": "csv", "email": "x@elsewhere.example"})
        assert_problem(refused, 422, "email_not_allowed")
        assert "elsewhere" not in refused.text
        for batch_id, email in (("reading-t", "x@OFFICE.example"), ("writing-t", MEERA)):
            path = f"/v1/batches/{batch_id}/reports"
            assert api("mentor_t", "POST", path, json={"format": "csv", "email": email}).status_code == 202


@pytest.mark.parametrize("batch_id", ["nothing", "counting-s", "%20", "a%2Fb", "x" * 200])
def test_a_batch_that_is_not_there_or_of_another_tenant_is_answered_alike(
    mentors: World, batch_id: str
) -> None:
    answer = mentors.api("mentor_t", "POST", f"/v1/batches/{batch_id}/reports", json={"format": "csv"})
    body = assert_problem(answer, 404, "batch_not_found" if "%2F" not in batch_id else "route_not_found")
    assert "tenant" not in body["detail"]


def test_the_same_report_again_is_refused_while_it_is_under_way(mentors: World) -> None:
    first = asked(mentors)
    assert_problem(
        mentors.api("mentor_t", "POST", ASK, json={"format": "xlsx"}), 409, "report_already_running"
    )
    asked(mentors, "admin_t")
    asked(mentors, batch_id="writing-t")
    sent(mentors, first)
    assert asked(mentors) != first


def test_too_many_within_an_hour_are_refused_with_when_to_come_back(mentors: World) -> None:
    settings = mentors.settings.model_copy(update={"reports_per_hour": 1})
    with open_api(settings) as api:
        assert api("mentor_t", "POST", ASK, json={"format": "csv"}).status_code == 202
        answer = api("mentor_t", "POST", "/v1/batches/writing-t/reports", json={"format": "csv"})
        assert_problem(answer, 429, "too_many_reports")
        assert int(answer.headers["retry-after"]) > 0
        assert api("admin_t", "POST", ASK, json={"format": "csv"}).status_code == 202


def test_a_password_is_never_told_again(mentors: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = mentors.api("mentor_t", "POST", ASK, json={"format": "csv", "password": PASSWORD})
    assert answer.status_code == 202
    request_id = answer.json()["request_id"]
    refused = mentors.api("mentor_t", "POST", ASK, json={"format": "csv", "password": f"\t{PASSWORD}"})
    assert_problem(refused, 422, "password_not_usable")
    mistyped = mentors.api("mentor_t", "POST", ASK, json={"format": "csv", "password": [PASSWORD]})
    assert_problem(mistyped, 422, "invalid_request")
    state = mentors.api("mentor_t", "GET", f"/v1/reports/{request_id}")
    for text in (answer.text, refused.text, mistyped.text, state.text, caplog.text):
        assert PASSWORD not in text
    sealed = mentors.one("select encrypted_password from ops.report_requests")
    assert PASSWORD.encode() not in sealed
    assert report_service_of(mentors).key.decrypt(sealed) == PASSWORD


# Its state


def test_the_state_follows_the_report_until_it_is_sent(mentors: World) -> None:
    request_id = asked(mentors)
    build(mentors, request_id)
    built = mentors.api("mentor_t", "GET", f"/v1/reports/{request_id}").json()
    assert (built["status"], built["rows"], built["email"]) == ("building", 4, MEERA)
    assert built["bytes"] > 0
    assert built["built_at"].endswith("Z")
    assert "path" not in built
    sent(mentors, request_id)
    body = mentors.api("mentor_t", "GET", f"/v1/reports/{request_id}").json()
    assert (body["status"], body["email"]) == ("sent", "me***@mentors.example")
    assert body["handed_over_at"].endswith("Z")


def test_a_report_that_failed_says_why(mentors: World) -> None:
    request_id = asked(mentors)
    record_failed(mentors.connection, request_id, error_class="recipient_refused", error="550 no such user")
    body = mentors.api("mentor_t", "GET", f"/v1/reports/{request_id}").json()
    assert (body["status"], body["error_class"], body["error"]) == (
        "failed", "recipient_refused", "550 no such user"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "sees"),
    [("mentor_t", "own"), ("admin", "masked"), ("admin_t", "masked"), ("mentor_s", None), ("creator_t", None),
     ("viewer_t", None), ("portal_t", None), ("nobody", None)],
)  # fmt: skip
def test_its_requester_and_admins_of_its_tenant_see_a_report(
    mentors: World, caller: str, sees: str | None
) -> None:
    request_id = asked(mentors)
    answer = mentors.api(caller, "GET", f"/v1/reports/{request_id}")
    listed = mentors.api(caller, "GET", "/v1/reports").json()["reports"]
    if sees is None:
        assert_problem(answer, 404, "report_not_found")
    else:
        assert answer.json()["email"] == (MEERA if sees == "own" else "me***@mentors.example")
    assert [one["request_id"] for one in listed] == ([str(request_id)] if sees == "own" else [])


def test_a_report_that_never_was_is_answered_like_one_of_somebody_else(mentors: World) -> None:
    other = mentors.api("viewer_t", "GET", f"/v1/reports/{asked(mentors)}").json()
    none = mentors.api("viewer_t", "GET", f"/v1/reports/{uuid4()}").json()
    assert {**none, "detail": ""} == {**other, "detail": ""}
    assert re.sub("[0-9a-f-]{36}", "", none["detail"]) == re.sub("[0-9a-f-]{36}", "", other["detail"])
    assert_problem(mentors.api("mentor_t", "GET", "/v1/reports/1"), 422, "invalid_request")


def test_an_admin_of_another_tenant_does_not_see_it(mentors: World) -> None:
    request_id = asked(mentors, "mentor_s", "counting-s")
    assert_problem(mentors.api("admin_t", "GET", f"/v1/reports/{request_id}"), 404, "report_not_found")
    assert mentors.api("admin", "GET", f"/v1/reports/{request_id}").status_code == 200


def test_the_list_has_the_newest_first_and_a_bound(mentors: World) -> None:
    first, second = asked(mentors), asked(mentors, batch_id="writing-t")
    listed = mentors.api("mentor_t", "GET", "/v1/reports").json()["reports"]
    assert [one["request_id"] for one in listed] == [str(second), str(first)]
    assert len(mentors.api("mentor_t", "GET", "/v1/reports?limit=1").json()["reports"]) == 1
    for limit in (0, 1001, "x"):
        assert_problem(mentors.api("mentor_t", "GET", f"/v1/reports?limit={limit}"), 422, "invalid_request")


# The link


@pytest.mark.parametrize(("report_format", "media_type"), [("csv", "application/zip"), ("xlsx", XLSX)])
def test_a_link_gives_the_file_to_whoever_has_it_and_is_counted(
    mentors: World, report_format: str, media_type: str
) -> None:
    request_id = asked(mentors, format=report_format)
    path = build(mentors, request_id).path
    content = Store(mentors.settings.store_url).get(str(path))
    link = link_to(mentors, request_id)
    head = mentors.api(None, "HEAD", link)
    assert (head.status_code, head.content, downloads(mentors)) == (200, b"", 0)
    answer = mentors.api(None, "GET", link)
    assert (answer.status_code, answer.content, downloads(mentors)) == (200, content, 1)
    assert content.startswith(b"PK")
    for one in (head, answer):
        assert one.headers["content-type"] == media_type
        assert one.headers["content-length"] == str(len(content))
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["referrer-policy"] == "no-referrer"
        assert one.headers["x-content-type-options"] == "nosniff"
        suffix = "zip" if report_format == "csv" else "xlsx"
        assert re.fullmatch(
            rf'attachment; filename="[A-Za-z0-9._-]*reading-t[A-Za-z0-9._-]*\.{suffix}"',
            one.headers["content-disposition"],
        )
    sent(mentors, request_id)
    assert mentors.api(None, "GET", link).content == content
    assert downloads(mentors) == 2


def assert_leads_nowhere(world: World, link: str) -> None:
    """To a program, to a browser, and to one that only looks."""
    before = downloads(world)
    assert_problem(world.api(None, "GET", link), 404, "report_not_found")
    page = world.api(None, "GET", link, headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "links work for seven days" in page.text
    assert world.api(None, "HEAD", link).status_code == 404
    assert downloads(world) == before


def aged_token(world: World, request_id: UUID, *, days: float) -> str:
    """The token of a link as it was made so many days ago."""

    class Earlier(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - int(days * 86400)

    links = report_service_of(world).key._links()
    earlier = URLSafeTimedSerializer(
        links.secret_keys, salt=links.salt, signer=Earlier, signer_kwargs=links.signer_kwargs
    )
    return str(earlier.dumps([str(request_id), "mentor_t"]))


def test_a_link_expires_after_seven_days(mentors: World) -> None:
    request_id = asked(mentors)
    build(mentors, request_id)
    fresh, stale = (aged_token(mentors, request_id, days=days) for days in (6.99, 7.01))
    assert mentors.api(None, "GET", f"/reports/file?token={fresh}").status_code == 200
    assert_leads_nowhere(mentors, f"/reports/file?token={stale}")


def test_a_link_that_was_tampered_with_leads_nowhere(mentors: World) -> None:
    request_id = asked(mentors)
    build(mentors, request_id)
    link = link_to(mentors, request_id)
    token = link.removeprefix("/reports/file?token=")
    for other in (token[:-1], f"{token}x", f".{token}", token.upper(), "x", "%C3%A9", "a.b.c", "x" * 5000):
        assert_leads_nowhere(mentors, f"/reports/file?token={other}")
    assert_leads_nowhere(mentors, "/reports/file")
    assert_leads_nowhere(mentors, link_to(mentors, request_id, requested_by="admin_t"))
    assert_leads_nowhere(mentors, link_to(mentors, uuid4()))
    assert mentors.api(None, "GET", link).status_code == 200


def test_a_link_ends_with_the_grant_of_who_asked(mentors: World) -> None:
    request_id = asked(mentors)
    build(mentors, request_id)
    link = link_to(mentors, request_id)
    assert mentors.api(None, "GET", link).status_code == 200
    mentors.connection.execute("delete from registry.grants where username = 'mentor_t'")
    assert_leads_nowhere(mentors, link)


def test_a_report_without_its_file_leads_nowhere(mentors: World) -> None:
    waiting, failed, removed, lost = (
        asked(mentors, caller, batch_id)
        for caller in ("mentor_t", "admin_t")
        for batch_id in ("reading-t", "writing-t")
    )
    build(mentors, failed)
    record_failed(mentors.connection, failed, error_class="message_refused", error="554 no")
    build(mentors, removed)
    record_file_removed(mentors.connection, removed)
    path = Path(mentors.settings.store_url.removeprefix("file://")) / str(build(mentors, lost).path)
    path.unlink()
    for request_id in (waiting, failed, removed, lost):
        requested_by = request_of(mentors, request_id).requested_by
        token = report_service_of(mentors).key.link_token(request_id, requested_by=requested_by)
        assert_problem(mentors.api(None, "GET", f"/reports/file?token={token}"), 404, "report_not_found")
    assert downloads(mentors) == 0


def test_a_store_that_is_away_is_said_to_be_and_nothing_is_counted(mentors: World) -> None:
    request_id = asked(mentors)
    folder = Path(mentors.settings.store_url.removeprefix("file://"))
    path = folder / str(build(mentors, request_id).path)
    path.unlink()
    path.mkdir()
    answer = mentors.api(None, "GET", link_to(mentors, request_id))
    assert_problem(answer, 503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert downloads(mentors) == 0


def test_nothing_else_is_done_at_a_link(mentors: World) -> None:
    request_id = asked(mentors)
    build(mentors, request_id)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = mentors.api(None, method, link_to(mentors, request_id))
        assert_problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
