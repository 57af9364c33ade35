"""What may be said in an assertion: every field known, every number one, nothing written of what is not."""

import json

import pytest
from web_worlds import ASSERTION, World, all_rows, assert_problem

WRITING = "/v1/courses/writing/certificate"
JSON = {"content-type": "application/json"}
ISSUER = {"id": "new", "tenant_id": "t", "name": "New"}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", WRITING, {**ASSERTION, "colour": 1}, "colour"),
        ("POST", WRITING, {**ASSERTION, "criteria": {"minimum_scor": 50}}, "criteria.minimum_scor"),
        (
            "POST",
            WRITING,
            {**ASSERTION, "criteria": {"recipient_tenant": ["t"]}},
            "criteria.recipient_tenant",
        ),
        ("PUT", "/v1/courses/reading/certificate", {**ASSERTION, "valid_from": "2020-01-01"}, "valid_from"),
        ("POST", f"{WRITING}/preview", {"colour": None}, "colour"),
        ("POST", "/v1/issuers", {**ISSUER, "colour": 1}, "colour"),
        ("POST", "/v1/issuers", {**ISSUER, "signatory": {"name": "A", "title": "B"}}, "signatory.title"),
        ("PUT", "/v1/issuers/board-t", {"name": "Board", "tenant_id": "s"}, "tenant_id"),
        ("POST", "/v1/certificates/none/revoke", {"reason": "Error", "by": "me"}, "by"),
    ],
)
def test_an_unknown_field_is_refused_by_name_and_nothing_is_written(
    method: str, path: str, body: object, field: str, standing_world: World
) -> None:
    before = all_rows(standing_world.connection)
    problem = assert_problem(standing_world.api("admin_t", method, path, json=body), 422, "unknown_field")
    assert problem["errors"] == [{"field": field, "message": "is not a known field"}]
    assert field in problem["detail"]
    assert all_rows(standing_world.connection) == before


def test_an_unknown_field_is_told_among_others_that_are_wrong(standing_world: World) -> None:
    body = {"issuer_id": 7, "colour": 1, "criteria": {"minimum_score": "high"}}
    problem = assert_problem(
        standing_world.api("creator_t", "POST", WRITING, json=body), 422, "unknown_field"
    )
    fields = [error["field"] for error in problem["errors"]]
    assert sorted(fields) == ["colour", "criteria.minimum_score", "issuer_id", "template_id"]


REFUSED = {
    "not a number": '{"minimum_score": NaN}',
    "infinity": '{"minimum_score": Infinity}',
    "minus infinity": '{"minimum_score": -Infinity}',
    "beyond a double": '{"minimum_score": 1e400}',
    "a huge integer": '{"minimum_score": 1' + "0" * 400 + "}",
    "just above": '{"minimum_score": 100.0000001}',
    "just below": '{"minimum_score": -0.0000001}',
    "a string": '{"minimum_score": "50"}',
    "a boolean": '{"minimum_score": true}',
    "a list": '{"minimum_score": [50]}',
    "an object": '{"minimum_score": {"ge": 50}}',
    "no tenants": '{"recipient_tenants": []}',
    "a tenant twice": '{"recipient_tenants": ["t", "s", "t"]}',
    "one tenant": '{"recipient_tenants": "t"}',
    "a tenant without a name": '{"recipient_tenants": [""]}',
    "a tenant of spaces": '{"recipient_tenants": ["t", " "]}',
    "a number for a tenant": '{"recipient_tenants": [1]}',
    "null for a tenant": '{"recipient_tenants": [null]}',
    "a control character": '{"recipient_tenants": ["t\\u0000"]}',
    "half a character": '{"recipient_tenants": ["\\ud800"]}',
    "too many tenants": json.dumps({"recipient_tenants": [f"t{n}" for n in range(1001)]}),
    "no criteria": "null",
    "a list of criteria": "[]",
    "text": '"minimum_score"',
}


@pytest.mark.parametrize("case", REFUSED)
def test_criteria_that_cannot_be_used_are_refused(case: str, standing_world: World) -> None:
    for method, path in (("POST", WRITING), ("PUT", "/v1/courses/reading/certificate"),
                         ("POST", f"{WRITING}/preview")):  # fmt: skip
        content = f'{{"template_id": "classic", "issuer_id": "board-t", "criteria": {REFUSED[case]}}}'
        answer = standing_world.api("creator_t", method, path, content=content.encode(), headers=JSON)
        assert answer.status_code in (400, 422), answer.text
        code = answer.json()["code"]
        assert_problem(answer, answer.status_code, code)
        assert code in {"invalid_request", "invalid_criteria", "invalid_json"}


KEPT = {
    "nothing": ("{}", {}),
    "null score": ('{"minimum_score": null}', {}),
    "null tenants": ('{"recipient_tenants": null, "minimum_score": null}', {}),
    "nought": ('{"minimum_score": 0}', {"minimum_score": 0}),
    "minus nought": ('{"minimum_score": -0.0}', {"minimum_score": 0}),
    "a hundred": ('{"minimum_score": 100}', {"minimum_score": 100}),
    "a fraction": ('{"minimum_score": 33.333333333333336}', {"minimum_score": 33.333333333333336}),
    "a tiny one": ('{"minimum_score": 5e-324}', {"minimum_score": 5e-324}),
    "tenants in order": ('{"recipient_tenants": ["t", "s"]}', {"recipient_tenants": ["s", "t"]}),
    "a tenant nobody knows": ('{"recipient_tenants": ["\u0909"]}', {"recipient_tenants": ["\u0909"]}),
}


def test_criteria_are_kept_as_they_were_meant(two_tenants: World) -> None:
    for case, (sent, kept) in KEPT.items():
        content = f'{{"template_id": "classic", "issuer_id": "board-t", "criteria": {sent}}}'.encode()
        answer = two_tenants.api("creator_t", "POST", WRITING, content=content, headers=JSON)
        assert answer.status_code == 201, (case, answer.text)
        assert answer.json()["criteria"] == kept, case
        assert two_tenants.api("creator_t", "GET", WRITING).json() == answer.json()
        again = two_tenants.api("creator_t", "PUT", WRITING, content=content, headers=JSON)
        assert (again.status_code, again.json()) == (200, answer.json()), case
        two_tenants.decide()
        assert two_tenants.api("creator_t", "DELETE", WRITING).status_code == 204


@pytest.mark.parametrize("name", ["template_id", "issuer_id"])
@pytest.mark.parametrize("value", [None, "", 1, ["classic"], "a" * 201, "classic\n"])
def test_an_id_is_a_short_text(name: str, value: object, standing_world: World) -> None:
    answer = standing_world.api("creator_t", "POST", WRITING, json={**ASSERTION, name: value})
    problem = assert_problem(answer, 422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [name]
