"""The API against its own description: what is generated from the OpenAPI document, good and bad, is answered
as the document says, and every error_notice has the one shape.
"""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
import uvicorn
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from web_report_worlds import asked, give_addresses
from web_worlds import ASSERTION, World

from pramaan.settings import PREFIX
from pramaan.web.app import create_app
from pramaan.web.serve import mounted
from pramaan.web.tokens import BearerTokens, KeySource, issue_token
from worlds import database_url

NEW_ISSUER = {"id": "board-u", "tenant_id": "t", "name": "Board of U"}
EXAMPLES = 16
"""Of every call and each kind of data, good and bad, after all boundaries of its description."""


@schemathesis.check
def every_refusal_is_a_problem(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """RFC 9457, with our codes, and without a trace of what broke."""
    assert response.status_code < 500
    if response.status_code >= 400 and case.method.upper() != "HEAD":
        assert response.headers["content-type"] == ["application/problem+json"]
        body = json.loads(response.content)
        assert set(body) == {"type", "title", "status", "code", "detail", "errors"}
        assert body["status"] == response.status_code
        assert all((body["type"], body["title"], body["code"], body["detail"]))
        assert b"Traceback" not in response.content


@pytest.fixture
def served(issued_world: World) -> Iterator[str]:
    """The API on a port of its own, in a world where there is something to be found."""
    settings = issued_world.settings
    app = create_app(
        BearerTokens(KeySource.of(settings)),
        settings=lambda: settings,
        database_url=lambda: database_url(settings),
    )
    config = uvicorn.Config(
        mounted(app), host="127.0.0.1", port=0, log_level="critical", access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{PREFIX}"
    server.should_exit = True
    thread.join()


def known_ids(world: World) -> dict[str, list[str]]:
    """What there is, so that more than the first check of every call is reached."""
    return {
        "course_id": ["reading", "writing"],
        "issuer_id": ["board-t"],
        "template_id": ["classic"],
        "user_id": ["asha", "bina", "chand", "sita"],
        "batch_id": ["reading-t", "reading-s", "counting-s"],
        "certificate_id": [world.certificate_id(user_id) for user_id in ("asha", "bina", "sita")],
        "language": ["en", "hi", "ur"],
        "tenant_id": ["t", "s"],
        "page": ["index.html"],
        "request_id": [
            world.one("select request_id::text from ops.report_requests where requested_by = 'mentor_t'")
        ],
    }


def with_examples(description: dict[str, Any], ids: Mapping[str, list[str]]) -> dict[str, Any]:
    """The document with an example for every call that can succeed; what is good and bad stays the same."""
    description["components"]["schemas"]["NewIssuer"]["examples"] = [NEW_ISSUER]
    description["components"]["schemas"]["NewAttachment"]["examples"] = [ASSERTION]
    description["components"]["schemas"]["AttachmentPreviewBody"]["examples"] = [ASSERTION]
    description["components"]["schemas"]["NewReport"]["examples"] = [{"format": "csv"}]
    for call in (call for methods in description["paths"].values() for call in methods.values()):
        for parameter in call.get("parameters", ()):
            if parameter["name"] in ids:
                parameter["example"] = ids[parameter["name"]][0]
    return description


def configuration(world: World, served: str) -> SchemathesisConfig:
    """The same data in every run."""
    ids = known_ids(world)
    token = issue_token(world.settings, "admin", valid_for=timedelta(hours=1))
    return SchemathesisConfig.from_dict({
        "base-url": served,
        "request-timeout": 120,  # the machine may be slow
        "headers": {"Authorization": f"Bearer {token}"},
        "seed": 1,
        "continue-on-failure": True,
        "warnings": False,
        "dictionaries": {name: {"values": values} for name, values in ids.items()},
        "parameters": {name: {"dictionary": name, "probability": 0.7} for name in ids},
        "generation": {
            "deterministic": True, "max-examples": EXAMPLES, "no-shrink": True, "database": "none",
        },
        "phases": {"stateful": {"generation": {"max-examples": 2 * EXAMPLES}, "max-steps": 6}},
        "operations": [
            # What was removed stays in the history.
            {
                "include-path": "/v1/courses/{course_id}/certificate/history",
                "checks": {"use_after_free": {"enabled": False}},
            }
        ],
        "checks": {
            # The document cannot say all: that an address is one, that an image shows something.
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "404", "409", "413", "415", "422"],
            },
            "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "415", "422"]},
        },
    })  # fmt: skip


@pytest.mark.slow
def test_the_api_answers_as_its_description_says(issued_world: World, served: str) -> None:
    give_addresses(issued_world)
    asked(issued_world)
    description = issued_world.api(None, "GET", "/openapi.json").json()
    schema = schemathesis.openapi.from_dict(
        with_examples(description, known_ids(issued_world)), config=configuration(issued_world, served)
    )
    failures: defaultdict[str, list[str]] = defaultdict(list)
    answers: Counter[tuple[str, int]] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            error = event.value if isinstance(event, events.NonFatalError) else event.exception
            failures["broken off"].append(repr(error)[:600])
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case_id, interaction in event.recorder.interactions.items():
            case = event.recorder.cases[case_id].value
            if interaction.response is not None:
                answers[case.operation.label, interaction.response.status_code] += 1
            for check in event.recorder.checks.get(case_id, ()):
                if check.failure_info is not None:
                    message = check.failure_info.failure.message[:300]
                    failures[f"{check.name}: {message}"].append(case.as_curl_command()[:600])
    assert [f"{failure}\n{calls[0]}" for failure, calls in failures.items()] == []
    calls = {label for label, _ in answers}
    assert len(calls) == sum(len(methods) for methods in description["paths"].values())
    for label in calls:
        assert any((label, status) in answers for status in (200, 201, 202, 204)), f"{label} never succeeded"
