"""A slow vetting, preview or store keeps nobody else from the database: with one connection in all, whoever
needs it is answered while they are under way.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import pytest
from web_report_worlds import asked, build, give_addresses, report_service_of
from web_worlds import ASSERTION, Api, World, open_api

from pramaan.checking import check
from pramaan.web import previews, reports

PATIENCE_SECONDS = 900.0
AT_ONCE = 3

Slow = Callable[[], Any]


class Turnstile:
    """Stands where something takes long: tells who has come, and lets nobody through until it is opened."""

    def __init__(self) -> None:
        self._come = threading.Semaphore(0)
        self._open = threading.Event()

    def pass_through(self) -> None:
        self._come.release()
        assert self._open.wait(PATIENCE_SECONDS)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._come.acquire(timeout=PATIENCE_SECONDS)

    def open(self) -> None:
        self._open.set()

    def __enter__(self) -> None:
        self.pass_through()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def acquire(self, *, timeout: float) -> bool:
        del timeout
        self.pass_through()
        return True

    def release(self) -> None:
        """Nothing is held."""


@pytest.fixture
def one_connection(two_tenants: World) -> Iterator[World]:
    """Two tenants, and an API with one connection to Postgres."""
    give_addresses(two_tenants)
    with open_api(two_tenants.settings, most_connections=1) as api:
        yield World(api, two_tenants.settings, two_tenants.pipeline, two_tenants.connection)


@pytest.fixture
def turnstile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turnstile]:
    """Stands before the vetting child, the previews and the store."""
    turnstile = Turnstile()
    monkeypatch.setattr(check, "_vetted", set())
    monkeypatch.setattr(check, "_one_child", turnstile)
    monkeypatch.setattr(previews, "preview_slots", turnstile)
    opened = reports._open

    def open_slowly(*arguments: Any) -> Any:
        turnstile.pass_through()
        return opened(*arguments)

    monkeypatch.setattr(reports, "_open", open_slowly)
    yield turnstile
    turnstile.open()


def vetting(world: World) -> Slow:
    body = ASSERTION | {"template_id": "modern"}
    return lambda: world.api("creator_t", "PUT", "/v1/courses/reading/certificate", json=body)


def preview(world: World) -> Slow:
    return lambda: world.api("creator_t", "POST", "/v1/courses/reading/certificate/preview", json={})


def store_read(world: World) -> Slow:
    request_id = asked(world)
    build(world, request_id)
    token = report_service_of(world).key.link_token(request_id, requested_by="mentor_t")
    return lambda: world.api(None, "GET", f"/reports/file?token={token}")


@pytest.mark.parametrize("slow", [vetting, preview, store_read])
def test_who_needs_the_database_is_answered_while_others_take_long(
    one_connection: World, turnstile: Turnstile, slow: Callable[[World], Slow]
) -> None:
    call = slow(one_connection)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        under_way: list[Future[Any]] = [threads.submit(call) for _ in range(AT_ONCE)]
        try:
            turnstile.wait_for(AT_ONCE)
            assert _courses(one_connection.api) == 200
            assert not any(one.done() for one in under_way)
        finally:
            turnstile.open()
        assert {one.result().status_code for one in under_way} == {200}


def _courses(api: Api) -> int:
    return int(api("creator_t", "GET", "/v1/courses").status_code)
