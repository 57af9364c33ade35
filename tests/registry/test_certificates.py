"""Certificates as people ask for them: found, listed, and revoked once and for good."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from registry_worlds import offer_certificate

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection, connect
from pramaan.errors import RegistryError
from pramaan.lifecycle.revocation import revoke
from pramaan.registry.certificates import (
    Certificate,
    certificates_of_user,
    find_certificate,
    tenant_of_user,
)
from pramaan.registry.changes import Actor
from pramaan.settings import Settings
from worlds import TESTER, database_url, open_hold

HEAD = Actor("head", "api", "203.0.113.9")
_INSERT = """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, sequence, attachment_id, recipient_name, completed_at,
         status, render_input, issued_at, pdf_path, pdf_sha256, pdf_bytes, engine_version, error_class,
         hold_id, badge_recipient)
    select %(id)s, %(user_id)s, 'c', %(batch_id)s, %(sequence)s, attachment_id, 'Asha', %(completed_at)s,
        %(status)s, '{"course_name": "Reading"}', '2024-03-06', 'certificates/00/x.pdf', 'x', 1, 'test',
        'some_class', %(hold_id)s, '{}'
    from registry.attachments
"""


def add_certificate(connection: Connection, certificate_id: str, **changes: object) -> None:
    """A certificate of u in batch b, issued; `changes` say otherwise."""
    row = {
        "id": certificate_id,
        "user_id": "u",
        "batch_id": "b",
        "sequence": 1,
        "completed_at": datetime(2024, 3, 5, tzinfo=UTC),
        "status": "issued",
        "hold_id": None,
    }
    with unguarded_registry(connection):
        connection.execute(_INSERT, row | changes)


@pytest.fixture
def issued(connection: Connection) -> Connection:
    """One certificate, `one`, issued to u."""
    offer_certificate(connection)
    add_certificate(connection, "one")
    return connection


@pytest.fixture
def other(settings: Settings) -> Iterator[Connection]:
    """A second connection to the same world."""
    with connect(database_url(settings)) as opened:
        yield opened


def test_a_certificate_is_found_by_its_id(issued: Connection) -> None:
    assert find_certificate(issued, "none") is None
    assert find_certificate(issued, "one") == Certificate(
        certificate_id="one",
        user_id="u",
        course_id="c",
        batch_id="b",
        tenant_id="t",
        course_name="Reading",
        verify_url=None,
        status="issued",
        origin="rules",
        supersedes=None,
        completed_at=datetime(2024, 3, 5, tzinfo=UTC),
        issued_at=datetime(2024, 3, 6, tzinfo=UTC),
        revoked_at=None,
        revoked_by=None,
        revocation_reason=None,
    )


def test_a_user_s_certificates_come_newest_first_without_the_superseded(issued: Connection) -> None:
    newest = {"batch_id": "b2", "completed_at": datetime(2024, 5, 1, tzinfo=UTC)}
    add_certificate(issued, "superseded", **newest, status="superseded")
    add_certificate(issued, "reissued", **newest, sequence=2, status="pending")
    add_certificate(issued, "same time", batch_id="b3")
    add_certificate(issued, "another's", user_id="v")
    found = certificates_of_user(issued, "u")
    assert [one.certificate_id for one in found] == ["reissued", "one", "same time"]
    assert certificates_of_user(issued, "nobody") == []


def test_a_user_s_tenant_is_known_once_the_user_is(connection: Connection) -> None:
    assert tenant_of_user(connection, "u") is None
    connection.execute(
        "insert into raw.users (user_id, name, tenant_id, updated_at, load_id) "
        "values ('u', 'Asha', 't', '2024-01-01', 1)"
    )
    assert tenant_of_user(connection, "u") == "t"


def test_a_revocation_says_by_whom_when_and_why(issued: Connection) -> None:
    revoked = revoke(issued, "one", reason="  wrong person ", by=HEAD)
    assert (revoked.status, revoked.revoked_by, revoked.revocation_reason) == (
        "revoked",
        "head",
        "wrong person",
    )
    assert revoked.revoked_at is not None
    assert find_certificate(issued, "one") == revoked
    assert certificates_of_user(issued, "u") == [revoked]
    recorded = issued.execute(
        "select username, address, action, tenant_id, before, after ->> 'reason' from registry.changes "
        "where subject_kind = 'certificate' and subject_id = 'one'"
    ).fetchall()
    assert recorded == [("head", "203.0.113.9", "revoked", "t", {"status": "issued"}, "wrong person")]


def test_a_revocation_without_a_reason_is_refused(issued: Connection) -> None:
    for reason in ("", " \n", "x" * 501):
        with pytest.raises(RegistryError) as refused:
            revoke(issued, "one", reason=reason, by=TESTER)
        assert refused.value.code == "invalid_reason"


def test_only_an_issued_certificate_is_revoked(issued: Connection) -> None:
    for status in ("pending", "held", "failed", "superseded"):
        hold_id = open_hold(issued, "c") if status == "held" else None
        add_certificate(issued, status, batch_id=f"b-{status}", status=status, hold_id=hold_id)
        with pytest.raises(RegistryError, match=f"{status} is {status}") as refused:
            revoke(issued, status, reason="error", by=TESTER)
        assert refused.value.code == "certificate_not_issued"
        found = find_certificate(issued, status)
        assert found is not None
        assert found.status == status


def test_a_certificate_that_is_not_there_is_not_revoked(issued: Connection) -> None:
    with pytest.raises(RegistryError) as refused:
        revoke(issued, "none", reason="error", by=TESTER)
    assert refused.value.code == "certificate_not_found"


def test_of_two_revocations_at_once_one_counts(issued: Connection, other: Connection) -> None:
    def attempt(connection: Connection, username: str) -> str:
        try:
            return revoke(connection, "one", reason="error", by=Actor(username, "cli")).status
        except RegistryError as error:
            return error.code

    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(attempt, (issued, other), ("first", "second")))
    assert sorted(ended) == ["certificate_already_revoked", "revoked"]
    row = issued.execute("select count(*) from registry.changes where action = 'revoked'").fetchone()
    assert row == (1,)


def test_the_database_refuses_half_a_revocation(issued: Connection) -> None:
    for change in (
        "status = 'revoked'",
        "status = 'revoked', revoked_at = now()",
        "status = 'revoked', revoked_at = now(), revoked_by = 'x'",
        "revoked_at = now(), revoked_by = 'x', revocation_reason = 'x'",
    ):
        with unguarded_registry(issued), pytest.raises(psycopg.errors.CheckViolation):
            issued.execute(f"update registry.certificates set {change}")
