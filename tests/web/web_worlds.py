"""States of the world that the API's tests start from: two tenants, people who may do different things."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from starlette.requests import Request
from starlette.testclient import TestClient

from pramaan.certificates.queue import open_worker
from pramaan.database.connect import Connection
from pramaan.lifecycle.issuing import Issued, make_due
from pramaan.pipeline import Pipeline
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.grants import Grant, add_grant
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.registry.roles import Role
from pramaan.settings import PREFIX, Settings
from pramaan.web.app import create_app
from pramaan.web.database import MOST_CONNECTIONS
from pramaan.web.serve import mounted
from pramaan.web.sign_in import SignedIn, SignIn
from pramaan.web.tokens import BearerTokens, KeySource, issue_token
from worlds import LONG_AGO, TESTER, database_url, load_and_decide

__all__ = [
    "ADDRESS",
    "ASSERTION",
    "BOARDS",
    "CALLERS",
    "Api",
    "World",
    "all_rows",
    "assert_problem",
    "by_cookie",
    "complete",
    "fill_two_tenants",
    "issue_without_printing",
    "open_api",
]

ADDRESS = "203.0.113.9"
"""Where every test's caller sits."""

CALLERS: dict[str, tuple[tuple[Role, str | None], ...]] = {
    "admin": (("admin", None),),
    "admin_t": (("admin", "t"),),
    "creator_t": (("badge_creator", "t"),),
    "creator_s": (("badge_creator", "s"),),
    "viewer_t": (("viewer", "t"),),
    "mentor_t": (("mentor", "t"),),
    "portal_t": (("portal", "t"),),
    "nobody": (),
}
"""Each caller's roles, and where. Somebody signed in with none is a caller, too."""

BOARDS = (
    Issuer("board-t", "t", "Board of T", "https://t.example", "board@t.example", "Dr Rao", "Registrar"),
    Issuer("board-s", "s", "Board of S", signatory_name="Dr Sen", signatory_designation="Dean"),
)
ASSERTION: dict[str, object] = {"template_id": "classic", "issuer_id": "board-t"}

_FACTS = """
    insert into raw.courses
        (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id)
    values
        ('reading', 'Reading', 't', 'Live', 2, '2025-01-01', '2025-01-01', 1),
        ('writing', 'Writing', 't', 'Live', 2, '2025-01-01', '2025-01-01', 1),
        ('draft', 'Drafted', 't', 'Draft', 2, null, '2025-01-01', 1),
        ('counting', 'Counting', 's', 'Live', 2, '2025-01-01', '2025-01-01', 1);
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id)
    select batch_id, course_id, tenant_id, 'Batch', 'open', '{}', '2025-01-01', 1
    from (values
        ('reading-t', 'reading', 't'), ('reading-s', 'reading', 's'),
        ('writing-t', 'writing', 't'), ('writing-s', 'writing', 's'), ('counting-s', 'counting', 's')
    ) as batches (batch_id, course_id, tenant_id);
    insert into raw.users (user_id, name, tenant_id, language, updated_at, load_id)
    values
        ('asha', 'Asha Rao', 't', 'hi', '2025-01-01', 1), ('bina', 'Bina Das', 't', 'en', '2025-01-01', 1),
        ('chand', 'Chand Lal', 't', 'en', '2025-01-01', 1), ('sita', 'Sita Sen', 's', 'en', '2025-01-01', 1)
"""
_ENROL = """
    insert into raw.enrolments (user_id, batch_id, course_id, enrolled_at, active, updated_at, load_id)
    values (%(user_id)s, %(batch_id)s, %(course_id)s, '2026-01-01', true, '2026-01-01', 1)
    on conflict do nothing
"""
_FINISH = """
    insert into raw.progress
        (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
    select %(user_id)s, %(batch_id)s, 'k' || n, %(course_id)s, 2, 60, %(at)s, %(at)s, 1
    from generate_series(1, %(contents)s) as n
    on conflict do nothing
"""
_CHANGED = """
    insert into ops.changed_keys (kind, user_id, batch_id)
    values ('enrolment', %(user_id)s, %(batch_id)s)
"""


_WRITTEN = ("registry.attachments", "registry.issuers", "registry.issuer_versions", "registry.images",
            "registry.template_versions", "registry.changes", "registry.certificates", "registry.grants",
            "ops.changed_keys", "ops.report_requests", "ops.report_schedules",
            "ops.report_downloads")  # fmt: skip


class Api:
    """The app over HTTP, called as one of CALLERS with a real token, or as nobody signed in."""

    def __init__(self, client: TestClient, token: Callable[[str], str]) -> None:
        self.client = client
        self._token = token

    def __call__(self, caller: str | None, method: str, path: str, **request: Any) -> Any:
        """The answer to a call; `caller` None sends no token."""
        headers = dict(request.pop("headers", {}))
        if caller is not None:
            headers["authorization"] = f"Bearer {self._token(caller)}"
        return self.client.request(
            method, f"{PREFIX}{path}", headers=headers, follow_redirects=False, **request
        )


@dataclass(frozen=True, slots=True)
class World:
    """The API, and the platform behind it."""

    api: Api
    settings: Settings
    pipeline: Pipeline
    connection: Connection

    def decide(self) -> None:
        """Decide what changed, and enqueue what it earns."""
        load_and_decide(self.pipeline, self.connection)

    def one(self, query: str, *parameters: object) -> Any:
        """The only value of a query's only row."""
        row = self.connection.execute(query, parameters).fetchone()
        assert row is not None, query
        return row[0]

    def certificate_id(self, user_id: str, batch_id: str = "reading-t") -> str:
        """Of a user in a batch."""
        return str(
            self.one(
                "select certificate_id from registry.certificates where user_id = %s and batch_id = %s",
                user_id,
                batch_id,
            )
        )


@contextmanager
def open_api(
    settings: Settings, sign_in: SignIn | None = None, *, most_connections: int = MOST_CONNECTIONS
) -> Iterator[Api]:
    """The app as `pramaan serve` runs it, on these settings; with `sign_in`, as if mounted elsewhere."""
    tokens: dict[str, str] = {}

    def token(username: str) -> str:
        if username not in tokens:
            tokens[username] = issue_token(settings, username, valid_for=timedelta(hours=1))
        return tokens[username]

    idle = _IDLE[most_connections]
    app = idle.pop() if idle else _App(most_connections)
    app.settings, app.sign_in = settings, sign_in or BearerTokens(KeySource.of(settings))
    with TestClient(app.served, client=(ADDRESS, 5000)) as client:
        yield Api(client, token)
    idle.append(app)


class _App:
    """The app, which takes longer to make than most tests take: started again for each world."""

    def __init__(self, most_connections: int) -> None:
        self.settings: Settings
        self.sign_in: SignIn
        self.served = mounted(
            create_app(
                self._signed_in,
                settings=lambda: self.settings,
                database_url=lambda: database_url(self.settings),
                most_connections=most_connections,
            )
        )

    async def _signed_in(self, request: Request) -> SignedIn:
        return await self.sign_in(request)


_IDLE: defaultdict[int, list[_App]] = defaultdict(list)
"""By the number of their connections, those that nobody uses now."""


def all_rows(connection: Connection) -> dict[str, str]:
    """What stands in each table that a call could write to, as a hash."""
    found = {}
    for table in _WRITTEN:
        query = f"select md5(coalesce(string_agg(one::text, ',' order by one::text), '')) from {table} as one"
        row = connection.execute(cast(Any, query)).fetchone()
        found[table] = str(row and row[0])
    return found


def by_cookie(username: str) -> SignIn:
    """A browser's session, as Airflow's auth manager would find it."""

    async def sign_in(_: Request) -> SignedIn:
        return SignedIn(username, by_cookie=True)

    return sign_in


def fill_two_tenants(connection: Connection, pipeline: Pipeline) -> None:
    """Tenants t and s, each with courses, batches, users, a board and its certificate; CALLERS' grants.

    In `reading-t` asha, bina and sita (of s) are complete, chand is half way; in `reading-s` chand is
    complete, where nothing is inherited; in `counting-s` sita. Nothing is issued yet.
    """
    connection.execute(cast(Any, _FACTS))
    for board in BOARDS:
        record_issuer(connection, board, by=TESTER)
    for course_id, issuer_id in (("reading", "board-t"), ("counting", "board-s")):
        attach(
            connection,
            course_id,
            template=kept_template("classic"),
            issuer_id=issuer_id,
            criteria=Criteria(),
            valid_from=LONG_AGO,
            by=TESTER,
            reason="import of history",
        )
    for username, grants in CALLERS.items():
        for role, tenant_id in grants:
            add_grant(connection, Grant(username, role, tenant_id), by=TESTER)
    for user_id in ("asha", "bina", "sita"):
        complete(connection, user_id, "reading-t")
    complete(connection, "chand", "reading-t", contents=1)
    complete(connection, "chand", "reading-s")
    complete(connection, "sita", "counting-s")
    load_and_decide(pipeline, connection)


def complete(
    connection: Connection,
    user_id: str,
    batch_id: str,
    *,
    contents: int = 2,
    at: object = "2026-02-01T00:00:00Z",
) -> None:
    """Somebody completes so many of a course's two contents at an instant; nothing is decided yet."""
    key = {"user_id": user_id, "batch_id": batch_id, "course_id": batch_id.partition("-")[0]}
    connection.execute(_ENROL, key)
    connection.execute(_FINISH, key | {"contents": contents, "at": at})
    connection.execute(_CHANGED, key)


def issue_without_printing(connection: Connection, *user_ids: str) -> None:
    """The pending certificates of these users (of all, when none is named) count as printed and stored."""
    with open_worker(connection, run_id=None) as worker:
        claims = worker.claim(1000, due_by=make_due(connection))
        wanted = set()
        if user_ids:
            rows = connection.execute(
                "select certificate_id from registry.certificates where user_id = any(%s)", (list(user_ids),)
            ).fetchall()
            wanted = {str(row[0]) for row in rows}
        chosen = [claim for claim in claims if not user_ids or claim.certificate_id in wanted]
        worker.record(
            [Issued(claim.certificate_id, "certificates/00/x.pdf", "0" * 64, 1, "test") for claim in chosen],
            [],
        )
        worker.release([claim for claim in claims if claim not in chosen])


def assert_problem(answer: Any, status: int, code: str) -> Mapping[str, Any]:
    """The answer is that problem, in the one shape that all problems have; returns its body."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.content)
    assert set(body) == {"type", "title", "status", "code", "detail", "errors"}
    assert (body["status"], body["code"]) == (status, code), body
    assert body["type"] == f"urn:pramaan:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body
