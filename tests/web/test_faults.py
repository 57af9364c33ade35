"""What caller and log are told when Postgres is away, or when the fault is ours: nothing of anybody's."""

import json
import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from web_worlds import ASSERTION, Api, World, assert_problem, open_api

from pramaan.errors import HostError
from pramaan.web.sign_in import SignedIn

WRITING = "/v1/courses/writing/certificate"


@pytest.fixture
def without_postgres(standing_world: World) -> Iterator[Api]:
    """The API, whose database answers on no port; its URL holds a password."""
    url = "postgresql://pramaan:s3cr3t-password@127.0.0.1:1/nowhere?connect_timeout=1"
    settings = standing_world.settings.model_copy(update={"database_url": SecretStr(url)})
    with open_api(settings) as opened:
        yield opened


@pytest.mark.slow
def test_without_postgres_a_caller_is_asked_to_come_back(
    without_postgres: Api, caplog: pytest.LogCaptureFixture
) -> None:
    answer = without_postgres("admin", "GET", "/v1/courses")
    assert_problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "s3cr3t" not in answer.text
    assert "s3cr3t" not in caplog.text
    assert "127.0.0.1" not in answer.text
    assert without_postgres("admin", "GET", "/v1/labels/en").status_code == 200


def test_a_connection_that_postgres_ends_is_replaced(two_tenants: World) -> None:
    assert two_tenants.api("admin", "GET", "/v1/courses").status_code == 200
    ended = two_tenants.one(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where application_name = 'pramaan web' and datname = current_database()"
    )
    assert ended >= 1
    assert two_tenants.api("admin", "GET", "/v1/courses").status_code == 200


def test_a_fault_of_ours_tells_nothing_to_the_caller_nor_to_the_log(
    standing_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    name = "asha rao".title()

    async def broken(_: Request) -> SignedIn:
        raise KeyError(name)

    with open_api(standing_world.settings, broken) as api:
        answer = api(None, "GET", "/v1/courses")
    problem = assert_problem(answer, 500, "internal_error")
    assert name not in answer.text
    assert "KeyError" not in json.dumps(problem)
    assert name not in caplog.text
    assert "KeyError" in caplog.text
    assert "test_faults.py" in caplog.text


def test_a_fault_inside_a_route_tells_nothing_either(
    two_tenants: World, caplog: pytest.LogCaptureFixture
) -> None:
    two_tenants.connection.execute("alter table registry.changes rename column username to asha_rao")
    with caplog.at_level(logging.INFO):
        answer = two_tenants.api("creator_t", "POST", WRITING, json=ASSERTION)
    assert_problem(answer, 500, "internal_error")
    for told in (answer.text, caplog.text):
        assert "asha_rao" not in told
        assert "does not exist" not in told
    assert two_tenants.api("creator_t", "GET", WRITING).status_code == 404


def test_a_home_that_is_misset_is_a_fault_and_not_a_leak(standing_world: World) -> None:
    async def broken(_: Request) -> SignedIn:
        raise HostError("cannot use /root/secret: Permission denied")

    with open_api(standing_world.settings, broken) as api:
        answer = api(None, "GET", "/v1/courses")
    assert_problem(answer, 500, "internal_error")
    assert "/root" not in answer.text
