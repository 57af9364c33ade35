"""Who may call what: every call of the API by every caller, and what nobody may learn from a error_notice."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from web_worlds import ASSERTION, CALLERS, Api, World, assert_problem, by_cookie, open_api

from pramaan.settings import PREFIX
from pramaan.web.app import create_app
from pramaan.web.pages import STYLESHEET
from pramaan.web.reports import LINKS

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'
BOARD_T = {
    "name": "Board of T",
    "url": "https://t.example",
    "email": "board@t.example",
    "signatory": {"name": "Dr Rao", "designation": "Registrar"},
}
ASHA = "?user_id=asha&course_id=reading&batch_id=reading-t"

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "GET /v1/courses": ("/v1/courses", {}),
    "GET /v1/courses/{course_id}/certificate": ("/v1/courses/reading/certificate", {}),
    "GET /v1/courses/{course_id}/certificate/history": ("/v1/courses/reading/certificate/history", {}),
    "POST /v1/courses/{course_id}/certificate": ("/v1/courses/reading/certificate", {"json": ASSERTION}),
    "PUT /v1/courses/{course_id}/certificate": ("/v1/courses/reading/certificate", {"json": ASSERTION}),
    "DELETE /v1/courses/{course_id}/certificate": ("/v1/courses/writing/certificate", {}),
    "POST /v1/courses/{course_id}/certificate/preview": (
        "/v1/courses/writing/certificate/preview",
        {"json": ASSERTION},
    ),
    "GET /v1/issuers": ("/v1/issuers", {}),
    "POST /v1/issuers": ("/v1/issuers", {"json": {"id": "board-t", "tenant_id": "t", "name": "T"}}),
    "GET /v1/issuers/{issuer_id}": ("/v1/issuers/board-t", {}),
    "PUT /v1/issuers/{issuer_id}": ("/v1/issuers/board-t", {"json": BOARD_T}),
    "PUT /v1/issuers/{issuer_id}/signature": (
        "/v1/issuers/board-t/signature",
        {"content": SVG + b" " * 200_000, "headers": {"content-type": "image/svg+xml"}},
    ),
    "GET /v1/issuers/{issuer_id}/signature": ("/v1/issuers/board-t/signature", {}),
    "GET /v1/templates": ("/v1/templates", {}),
    "GET /v1/templates/{template_id}/preview.pdf": ("/v1/templates/classic/preview.pdf", {}),
    "GET /v1/decisions": (f"/v1/decisions{ASHA}", {}),
    "GET /v1/users/{user_id}/certificates": ("/v1/users/asha/certificates", {}),
    "POST /v1/certificates/{certificate_id}/revoke": (
        "/v1/certificates/{bina}/revoke",
        {"json": {"reason": "issued in error"}},
    ),
    "GET /v1/labels/{language}": ("/v1/labels/hi", {}),
    "POST /v1/batches/{batch_id}/reports": (
        "/v1/batches/reading-t/reports",
        {"json": {"format": "csv", "email": "somebody@t.example", "language": "xx"}},
    ),
    "GET /v1/reports": ("/v1/reports", {}),
    "GET /v1/reports/{request_id}": (f"/v1/reports/{UUID(int=0)}", {}),
    "GET /quality/{page}": ("/quality/index.html", {}),
}
"""A request of every call that changes nothing, whoever makes it: of the same thing again, or of what is not
to be had."""

MATRIX = """
call                                              admin  admin_t creator_t creator_s viewer_t mentor_t portal_t nobody
GET /v1/courses                                    200    200     200       200       200      200      200      200
GET /v1/courses/{course_id}/certificate            200    200     200       course    200      200      200      course
GET /v1/courses/{course_id}/certificate/history    200    200     200       course    200      200      200      course
POST /v1/courses/{course_id}/certificate           taken  taken   taken     course    403      403      403      course
PUT /v1/courses/{course_id}/certificate            200    200     200       course    403      403      403      course
DELETE /v1/courses/{course_id}/certificate         none   none    none      course    403      403      403      course
POST /v1/courses/{course_id}/certificate/preview   200    200     200       course    403      403      403      course
GET /v1/issuers                                    200    200     200       200       200      200      200      200
POST /v1/issuers                                   taken2 taken2  taken2    tenant    403      403      403      tenant
GET /v1/issuers/{issuer_id}                        200    200     200       issuer    200      200      200      issuer
PUT /v1/issuers/{issuer_id}                        200    200     200       issuer    403      403      403      issuer
PUT /v1/issuers/{issuer_id}/signature              413    413     413       issuer    403      403      403      issuer
GET /v1/issuers/{issuer_id}/signature              image  image   image     issuer    image    image    image    issuer
GET /v1/templates                                  200    200     200       200       200      200      200      403
GET /v1/templates/{template_id}/preview.pdf        200    200     200       200       200      200      200      403
GET /v1/decisions                                  200    200     200       enrolment enrolment 200     200      enrolment
GET /v1/users/{user_id}/certificates               200    200     user      user      user     user     200      user
POST /v1/certificates/{certificate_id}/revoke      early  early   403       cert      403      403      403      cert
GET /v1/labels/{language}                          200    200     200       200       200      200      200      200
POST /v1/batches/{batch_id}/reports                tongue tongue  batch     batch     batch    tongue   batch    batch
GET /v1/reports                                    200    200     200       200       200      200      200      200
GET /v1/reports/{request_id}                       report report  report    report    report   report   report   report
GET /quality/{page}                                200    200     page      page      page     page     page     page
"""  # noqa: E501 - a table
"""What each caller is answered; a word stands for a status with its code."""

WORDS = {
    "200": (200, None),
    "403": (403, "forbidden"),
    "413": (413, "signature_too_large"),
    "course": (404, "course_not_found"),
    "issuer": (404, "issuer_not_found"),
    "tenant": (404, "tenant_not_found"),
    "user": (404, "user_not_found"),
    "cert": (404, "certificate_not_found"),
    "enrolment": (404, "enrolment_not_found"),
    "page": (404, "page_not_found"),
    "batch": (404, "batch_not_found"),
    "report": (404, "report_not_found"),
    "tongue": (422, "unknown_language"),
    "image": (404, "signature_not_found"),
    "none": (404, "certificate_not_attached"),
    "taken": (409, "certificate_already_attached"),
    "taken2": (409, "issuer_already_exists"),
    "early": (409, "certificate_not_issued"),
}


def matrix() -> dict[str, dict[str, str]]:
    """By call, what each caller is answered."""
    head, *lines = [line.split() for line in MATRIX.strip().splitlines()]
    return {" ".join(line[:2]): dict(zip(head[1:], line[2:], strict=True)) for line in lines}


def described_calls(api: Api) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every call of the OpenAPI document."""
    for path, methods in api(None, "GET", "/openapi.json").json()["paths"].items():
        for method, call in methods.items():
            yield f"{method.upper()} {path}", call


def send(world: World, caller: str | None, call: str, *, api: Api | None = None) -> Any:
    path, request = REQUESTS[call]
    filled = path.replace("{bina}", world.certificate_id("bina"))
    return (api or world.api)(caller, call.partition(" ")[0], filled, **request)


def test_every_call_of_the_api_stands_in_the_table(standing_world: World) -> None:
    described = {call for call, _ in described_calls(standing_world.api)}
    assert described == set(matrix()) == set(REQUESTS)
    assert all(set(row) == set(CALLERS) for row in matrix().values())


@pytest.mark.parametrize("call", matrix())
def test_each_caller_may_do_what_the_table_says(call: str, standing_world: World) -> None:
    for caller, word in matrix()[call].items():
        status, code = WORDS[word]
        answer = send(standing_world, caller, call)
        assert answer.status_code == status, (caller, answer.text[:300])
        if code is not None:
            assert_problem(answer, status, code)
        else:
            assert "problem" not in answer.headers["content-type"], caller


@pytest.mark.parametrize("call", matrix())
def test_nobody_unknown_is_answered(call: str, standing_world: World) -> None:
    answer = send(standing_world, None, call)
    assert_problem(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v1", "/v1/courses/", "/nowhere", "/openapi.json/", "/docs", "/redoc", "/v1/../openapi.jsonx",
     "/openapi.json%2f..%2fv1/courses", "/openapi.json/../v1/courses", "//openapi.json"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "PATCH"])
def test_no_other_path_is_open(path: str, method: str, standing_world: World) -> None:
    raw = f"http://testserver{PREFIX}{path}"
    answer = standing_world.api.client.request(method, raw, follow_redirects=False)
    leads_to = answer.headers.get("location", "").removeprefix(f"http://testserver{PREFIX}")
    assert answer.status_code in (401, 404) or leads_to in {"/", "/openapi.json"}


def test_no_route_is_open_that_is_not_meant_to_be(standing_world: World) -> None:
    app = create_app(by_cookie("admin"), settings=lambda: standing_world.settings, database_url=str)
    open_routes = set()
    for route in app.routes:
        path = re.sub(r"\{[^}]*\}", "x", getattr(route, "path", "/x"))
        for method in getattr(route, "methods", None) or ("GET",):
            if standing_world.api(None, method, path).status_code != 401:
                open_routes.add(path)
    assert open_routes == {"/openapi.json", STYLESHEET, f"{LINKS}/file"}
    assert len(app.routes) > len(matrix())


def test_only_the_description_of_the_calls_is_public(standing_world: World) -> None:
    answer = standing_world.api(None, "GET", "/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["security"] == [{"token": []}]
    assert all("security" not in call for _, call in described_calls(standing_world.api))


def test_lists_hold_the_caller_s_tenants_only(standing_world: World) -> None:
    def listed(caller: str, path: str, name: str, key: str) -> list[str]:
        return [one[key] for one in standing_world.api(caller, "GET", path).json()[name]]

    for caller, courses, boards in (
        ("admin", ["counting", "draft", "reading", "writing"], ["board-s", "board-t"]),
        ("viewer_t", ["draft", "reading", "writing"], ["board-t"]),
        ("creator_s", ["counting"], ["board-s"]),
        ("nobody", [], []),
    ):
        assert listed(caller, "/v1/courses", "courses", "course_id") == courses
        assert listed(caller, "/v1/issuers", "issuers", "issuer_id") == boards
    assert listed("viewer_t", "/v1/courses?q=counting", "courses", "course_id") == []
    assert listed("viewer_t", "/v1/courses?after=a", "courses", "course_id")[0] == "draft"


@pytest.fixture
def by_session(standing_world: World) -> Iterator[Api]:
    """The API as a browser reaches it that an admin signed in with: by a cookie alone."""
    with open_api(standing_world.settings, by_cookie("admin")) as opened:
        yield opened


def test_a_write_that_only_a_cookie_vouches_for_is_refused(by_session: Api, standing_world: World) -> None:
    writes = [call for call in matrix() if not call.startswith("GET ")]
    assert len(writes) >= 8
    for call in writes:
        assert_problem(send(standing_world, None, call, api=by_session), 403, "cookie_not_accepted")
    for method, path in (("POST", "/nowhere"), ("PATCH", "/v1/courses"), ("DELETE", "/openapi.jsonx")):
        assert_problem(by_session(None, method, path), 403, "cookie_not_accepted")


def test_a_cookie_reads(by_session: Api, standing_world: World) -> None:
    for call, row in matrix().items():
        if call.startswith("GET "):
            answer = send(standing_world, None, call, api=by_session)
            assert answer.status_code == WORDS[row["admin"]][0]


def test_every_answer_says_what_a_browser_may_do_with_it(standing_world: World) -> None:
    for caller, path in (("admin", "/v1/courses"), (None, "/v1/courses"), ("admin", "/nowhere"),
                         ("admin", "/v1/templates/classic/preview.pdf")):  # fmt: skip
        headers = standing_world.api(caller, "GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
