"""Requests that no honest client sends: each is refused plainly, and nothing of it is written."""

import json
from collections.abc import Iterator

import pytest
from web_worlds import ASSERTION, World, assert_problem

from pramaan.settings import PREFIX
from pramaan.web.middleware import LARGEST_BODY_BYTES

WRITING = "/v1/courses/writing/certificate"
JSON = {"content-type": "application/json"}
GOOD = json.dumps(ASSERTION).encode()

IDS = {
    "up": "..%2f..%2f..%2fetc%2fpasswd",
    "up twice encoded": "%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "up with dots encoded": "%2e%2e%2f%2e%2e%2fetc",
    "backslashes": "..%5c..%5cwindows",
    "nul": "reading%00",
    "line break": "reading%0aX-Injected:%20yes",
    "carriage return": "reading%0d",
    "escape": "%1b%5b31m",
    "delete": "reading%7f",
    "overlong utf-8": "%c0%ae%c0%ae%c0%af",
    "half a character": "%ed%a0%80",
    "broken utf-8": "%ff%fe",
    "quotes": "reading'%20or%20'1'%3d'1",
    "a comment": "reading';drop%20table%20registry.changes;--",
    "markup": "%3cscript%3ealert(1)%3c%2fscript%3e",
    "a template": "%7b%7b7*7%7d%7d",
    "a format": "%25s%25n%(x)s",
    "spaces": "%20%20",
    "too long": "a" * 20_000,
    "right to left": "%e2%80%ae",
    "emoji": "%f0%9f%98%80",
}
PATHS = (
    "/v1/courses/{}/certificate",
    "/v1/courses/{}/certificate/history",
    "/v1/issuers/{}",
    "/v1/issuers/{}/signature",
    "/v1/templates/{}/preview.pdf",
    "/v1/users/{}/certificates",
    "/v1/labels/{}",
    "/v1/decisions?user_id={}&course_id={}&batch_id={}",
)


@pytest.mark.parametrize("case", IDS)
def test_a_hostile_id_is_of_nothing(case: str, standing_world: World) -> None:
    for path in PATHS:
        answer = standing_world.api("admin", "GET", path.replace("{}", IDS[case]))
        assert answer.status_code in (404, 422), (path, answer.text[:200])
        problem = assert_problem(answer, answer.status_code, answer.json()["code"])
        assert len(answer.content) < 2_000
        assert "root:" not in answer.text
        assert "x-injected" not in answer.headers
        assert problem["detail"].isprintable() or case in {"right to left", "escape", "delete"}
    searched = standing_world.api("admin", "GET", f"/v1/courses?q={IDS[case]}")
    assert searched.status_code in (200, 422)
    found = [course["course_id"] for course in searched.json().get("courses", ())]
    assert found == (["reading"] if case == "carriage return" else [])


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "invalid_request"),
    "no json": (b"{", 400, "invalid_json"),
    "words": (b"hello", 400, "invalid_json"),
    "json and more": (GOOD + b"{}", 400, "invalid_json"),
    "single quotes": (b"{'template_id': 'classic'}", 400, "invalid_json"),
    "a comma too many": (b'{"template_id": "classic",}', 400, "invalid_json"),
    "broken utf-8": (b'{"template_id": "\xff\xfe"}', 400, "invalid_request"),
    "a list": (b"[]", 422, "invalid_request"),
    "a text": (b'"template_id"', 422, "invalid_request"),
    "null": (b"null", 422, "invalid_request"),
    "half a character": (b'{"template_id": "\\ud800", "issuer_id": "board-t"}', 422, "invalid_request"),
    "half a character for a name": (b'{"\\ud800": 1}', 422, "invalid_request"),
    "a nul": (b'{"template_id": "classic\\u0000", "issuer_id": "board-t"}', 422, "invalid_request"),
    "a huge integer": (b'{"template_id": 1' + b"0" * 5_000 + b"}", 400, "invalid_request"),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, 400, "invalid_request"),
    "deep objects": (b'{"criteria":' * 20_000 + b"1" + b"}" * 20_000, 400, "invalid_request"),
    "many unknown fields": (
        json.dumps({f"field{n}": n for n in range(20_000)}).encode(), 422, "unknown_field"
    ),
    "a long unknown field": (b'{"' + b"a" * 100_000 + b'": 1}', 422, "unknown_field"),
    "a prototype": (b'{"__proto__": {"admin": true}, "__class__": 1}', 422, "unknown_field"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
def test_a_hostile_body_is_refused(case: str, standing_world: World) -> None:
    content, status, code = BODIES[case]
    answer = standing_world.api("creator_t", "POST", WRITING, content=content, headers=JSON)
    assert_problem(answer, status, code)
    assert len(answer.content) < 20_000


def test_of_a_key_that_stands_twice_the_last_counts(two_tenants: World) -> None:
    content = b'{"template_id": "none", "issuer_id": "board-t", "template_id": "classic"}'
    answer = two_tenants.api("creator_t", "POST", WRITING, content=content, headers=JSON)
    assert (answer.status_code, answer.json()["template_id"]) == (201, "classic")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png",
     "application/json2", "json", "application/;", "\x7f"],
)  # fmt: skip
def test_a_body_that_is_not_said_to_be_json_is_refused(content_type: str, standing_world: World) -> None:
    headers = {"content-type": content_type}
    answer = standing_world.api("creator_t", "POST", WRITING, content=GOOD, headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


def test_a_body_without_a_content_type_is_refused(standing_world: World) -> None:
    def chunks() -> Iterator[bytes]:
        yield GOOD

    answer = standing_world.api("creator_t", "POST", WRITING, content=chunks())
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_is_json_however_it_is_written(content_type: str, standing_world: World) -> None:
    headers = {"content-type": content_type}
    answer = standing_world.api("creator_t", "POST", f"{WRITING}/preview", content=GOOD, headers=headers)
    assert answer.status_code == 200


TOO_LARGE = 10_000_000


@pytest.mark.parametrize("path", [WRITING, "/v1/issuers/board-t/signature", "/v1/courses", "/nowhere"])
@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
def test_a_body_that_is_announced_too_large_is_refused_unread(
    method: str, path: str, standing_world: World
) -> None:
    answer = standing_world.api("creator_t", method, path, content=b" " * TOO_LARGE, headers=JSON)
    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    ("path", "content_type"), [(WRITING, "application/json"), ("/v1/issuers/board-t/signature", "image/png")]
)
def test_a_body_that_grows_too_large_is_refused(path: str, content_type: str, standing_world: World) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        while sent < TOO_LARGE:
            sent += 100_000
            yield b" " * 100_000

    headers = {"content-type": content_type}
    answer = standing_world.api("creator_t", "PUT", path, content=chunks(), headers=headers)
    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "length", ["-1", "many", "1e9", "\xb2", "", str(LARGEST_BODY_BYTES + 1), "9" * 5_000]
)
def test_a_length_that_is_none_is_refused(length: str, standing_world: World) -> None:
    headers = {**JSON, "content-length": length.encode("latin-1")}
    answer = standing_world.api("creator_t", "POST", WRITING, content=GOOD, headers=headers)
    assert_problem(answer, 413, "body_too_large")


def test_nobody_unknown_learns_how_much_may_be_sent_or_what_there_is(standing_world: World) -> None:
    for method, path in (("GET", "/nowhere"), ("PATCH", WRITING), ("POST", WRITING)):
        answer = standing_world.api(None, method, path, content=b"{" * 1_000, headers=JSON)
        assert_problem(answer, 401, "not_signed_in")


@pytest.mark.parametrize("language", ["xx", "EN", "en-GB", "e", "english", "%e0%a4%b9"])
def test_a_language_we_do_not_speak_is_not_found(language: str, standing_world: World) -> None:
    answer = standing_world.api("admin", "GET", f"/v1/labels/{language}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"language_not_found", "route_not_found"}


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/courses/reading", "/v2/courses", "/v1/Courses",
                                  "/v1//courses", "/v1/courses/reading/certificate/"])  # fmt: skip
def test_an_unknown_path_is_not_found(path: str, standing_world: World) -> None:
    answer = standing_world.api("admin", "GET", path)
    if answer.status_code == 307:
        assert answer.headers["location"].endswith("/v1/courses/reading/certificate")
        return
    assert_problem(answer, 404, "route_not_found")


@pytest.mark.parametrize("path", ["/", "/nowhere", f"{PREFIX}x", f"{PREFIX}%0a/v1/courses", "//etc"])
def test_what_is_not_ours_is_not_found(path: str, standing_world: World) -> None:
    assert_problem(standing_world.api.client.get(f"http://testserver{path}"), 404, "route_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/courses/reading/certificate", "DELETE, GET, POST, PUT"),
        ("POST", "/v1/courses", "GET"),
        ("DELETE", "/v1/issuers", "GET, POST"),
        ("TRACE", "/v1/issuers/board-t", "GET, PUT"),
        ("OPTIONS", "/v1/issuers/board-t/signature", "GET, PUT"),
        ("FROB", "/v1/certificates/x/revoke", "POST"),
        ("HEAD", "/v1/courses", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_refused_with_those_that_it_does(
    method: str, path: str, allowed: str, standing_world: World
) -> None:
    answer = standing_world.api("admin", method, path)
    assert answer.status_code == 405
    if method != "HEAD":
        assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1e3", "limit=", "q=", "after=",
                                   "limit=99999999999999999999", "offers_certificate=perhaps",
                                   "q=%00", "limit=1&limit=x"])  # fmt: skip
def test_a_query_that_cannot_be_used_is_refused(query: str, standing_world: World) -> None:
    answer = standing_world.api("admin", "GET", f"/v1/courses?{query}")
    assert_problem(answer, 422, "invalid_request")
