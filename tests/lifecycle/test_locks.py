"""How the life of a certificate finds and locks its rows: by the key, in the order of ids."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString, cast

import pytest
from test_lives import KEY, PUBLIC, printed_as, wait_until_it_waits

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.certificates.queue import open_worker
from pramaan.database.connect import Connection
from pramaan.lifecycle import issuing
from pramaan.lifecycle.creation import reissue
from pramaan.lifecycle.holding import hold, release_hold
from pramaan.lifecycle.issuing import Failure
from pramaan.lifecycle.revocation import revoke
from pramaan.lifecycle.transitions import lock_certificates
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import TESTER, finishers_waiting, open_hold

_OF_WHAT_WAITS = ("certificates_waiting", "certificates_held", "one_certificate_to_come")
_CROWD = """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status,
         render_input, badge_recipient, issued_at, pdf_path, pdf_sha256, pdf_bytes, engine_version,
         sequence, origin, created_by, supersedes)
    select md5(n::text), 'people' || n / 2, course_id, batch_id, attachment_id, recipient_name, completed_at,
        case n % 2 when 0 then 'superseded' else 'issued' end, render_input, badge_recipient, now(),
        'certificates/00/x.pdf', 'x', 1, 'x', 1 + n % 2,
        case n % 2 when 0 then 'rules' else 'reissue' end, 'asha',
        case n % 2 when 1 then md5((n - 1)::text) end
    from registry.certificates cross join generate_series(2, 20001) as n
"""


@pytest.fixture
def one_of_many(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> str:
    """The id of one that is pending, among thousands that were issued."""
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
    row = connection.execute("select certificate_id from registry.certificates").fetchone()
    assert row is not None
    with unguarded_registry(connection):
        connection.execute(_CROWD)
    connection.execute("analyze registry.certificates")
    return str(row[0])


class Explaining:
    """A connection that has every statement on certificates explained before it runs it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[dict[str, object]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statement: LiteralString, values: object = None) -> object:
        if "registry.certificates" in statement:
            row = self._connection.execute(f"explain (format json) {statement}", values).fetchone()  # type: ignore[arg-type]
            assert row is not None
            self.plans.append(row[0][0]["Plan"])
        return self._connection.execute(statement, values)  # type: ignore[arg-type]


def nodes(plan: dict[str, object]) -> Iterator[dict[str, object]]:
    yield plan
    for below in cast(list[dict[str, object]], plan.get("Plans", [])):
        yield from nodes(below)


def reads_all(node: dict[str, object]) -> bool:
    """Whether a part of a plan goes through certificates without a key, and not along what waits only."""
    return node.get("Relation Name") == "certificates" and (
        node["Node Type"] == "Seq Scan"
        or (
            "Scan" in str(node["Node Type"])
            and not {"Index Cond", "Recheck Cond"} & node.keys()
            and node.get("Index Name") not in _OF_WHAT_WAITS
        )
    )


def test_no_statement_reads_all_certificates(connection: Connection, one_of_many: str) -> None:
    explaining = Explaining(connection)
    spied = cast(Connection, explaining)
    hold_id = open_hold(connection, "c")
    hold(spied, f"select '{one_of_many}' as certificate_id, {hold_id} as hold_id")
    release_hold(spied, hold_id, "c")
    with open_worker(connection, run_id=None) as worker:
        number = worker._number
        assert issuing.claim(spied, holder=number, limit=1, due_by=None)
        issuing.give_back(spied, [one_of_many], holder=number)
        issuing.make_due(spied)
        assert issuing.claim_poison(spied, holder=number, due_by=None) is None
        assert issuing.claim(spied, holder=number, limit=1, due_by=None)
        failure = Failure(one_of_many, "bug", "x", None)
        issuing.record(spied, [], [failure], holder=number, run_id=None)
        assert issuing.retry_failed(spied, by=TESTER) == {one_of_many}
        assert issuing.claim(spied, holder=number, limit=1, due_by=None)
        assert issuing.record(spied, [printed_as(one_of_many)], [], holder=number, run_id=None)
    reissue(spied, one_of_many, key=KEY, public_url=PUBLIC, reason="x", by=TESTER)
    revoke(spied, one_of_many, reason="x", by=TESTER)
    assert len(explaining.plans) > 20
    assert [node for plan in explaining.plans for node in nodes(plan) if reads_all(node)] == []
    assert "hashed SubPlan" not in json.dumps(explaining.plans), "who lives is looked up again, row by row"


def test_the_look_at_plans_finds_what_reads_all(connection: Connection, one_of_many: str) -> None:
    explaining = Explaining(connection)
    explaining.execute(
        "select from registry.certificates where certificate_id = any(%s) "
        "or certificate_id in (select supersedes from registry.certificates where supersedes is not null)",
        ([one_of_many],),
    )
    assert [node for node in nodes(explaining.plans[0]) if reads_all(node)]


@pytest.mark.parametrize("work", ["make_due", "give_back"])
def test_what_changes_many_locks_them_in_the_order_of_ids(  # noqa: PLR0917 - fixtures
    settings: Settings,
    pipeline: Pipeline,
    connection: Connection,
    other: Connection,
    tmp_path: Path,
    work: str,
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=2)
    with ThreadPoolExecutor(1) as thread, open_worker(other, run_id=None) as worker:
        claims = worker.claim(2)
        first, last = (claim.certificate_id for claim in claims)
        # The last one lies, and is due, before the first one: whoever reads in another order locks it first.
        for position, one in enumerate((last, first), start=1):
            connection.execute(
                "update registry.certificates set next_attempt_at = now() + %s * interval '1 hour' "
                "where certificate_id = %s",
                (position, one),
            )
        with connection.transaction():
            lock_certificates(connection, [first])
            if work == "make_due":
                waiting = thread.submit(issuing.make_due, other)
            else:
                waiting = thread.submit(worker.release, claims)  # type: ignore[arg-type]
            wait_until_it_waits(connection, other.info.backend_pid)
            connection.execute(
                "select from registry.certificates where certificate_id = %s for update nowait", (last,)
            )
        waiting.result()
    changed = "next_attempt_at <= now()" if work == "make_due" else "lease_id is null"
    query: LiteralString = f"select from registry.certificates where {changed}"
    assert connection.execute(query).rowcount == 2
