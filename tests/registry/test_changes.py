"""The record of changes: with each change or not at all, and never rewritten."""

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from registry_worlds import BOARD, add_course, attach_to, offer_certificate

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry.attachment_changes import detach
from pramaan.registry.changes import Actor, record_change
from pramaan.registry.issuers import Issuer, record_issuer
from worlds import TESTER

CLERK = Actor("clerk", "api", "203.0.113.9")


def actions(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select action, subject_kind, subject_id, tenant_id from registry.changes order by change_id"
    ).fetchall()


@pytest.fixture
def one_change(connection: Connection) -> Connection:
    """Somebody added an issuer."""
    record_issuer(connection, BOARD, by=CLERK)
    return connection


def test_a_change_says_who_when_whence_and_what(one_change: Connection) -> None:
    row = one_change.execute(
        "select username, channel, address, action, subject_kind, subject_id, tenant_id, before, "
        "after ->> 'name', changed_at from registry.changes"
    ).fetchone()
    assert row is not None
    assert row[:9] == (
        "clerk", "api", "203.0.113.9", "added", "issuer", "board", "t", None, "The Board"
    )  # fmt: skip
    assert abs((datetime.now(UTC) - row[9]).total_seconds()) < 60


REWRITES = (
    "update registry.changes set username = 'somebody else'",
    "update registry.changes set after = null where false",
    "delete from registry.changes",
    "delete from registry.changes where false",
    "truncate registry.changes",
    "truncate registry.changes cascade",
    """
    insert into registry.changes (change_id, username, channel, action, subject_kind, subject_id)
    overriding system value
    select change_id, 'x', 'cli', 'added', 'issuer', 'x' from registry.changes
    on conflict (change_id) do update set username = 'x'
    """,
)


def test_what_is_on_record_is_never_rewritten(one_change: Connection) -> None:
    before = one_change.execute("select * from registry.changes").fetchall()
    for statement in REWRITES:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
            one_change.execute(statement)
    assert one_change.execute("select * from registry.changes").fetchall() == before


def test_a_change_that_fails_is_not_on_record(connection: Connection) -> None:
    offer_certificate(connection)
    before = actions(connection)

    def rename_and_fail() -> None:
        with connection.transaction():
            record_issuer(connection, Issuer("board", "t", "Renamed"), by=CLERK)
            raise RuntimeError("the world ends")

    with pytest.raises(RuntimeError):
        rename_and_fail()
    with pytest.raises(RegistryError):
        attach_to(connection, "nowhere")
    assert actions(connection) == before


def test_a_change_that_cannot_be_recorded_does_not_happen(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation):
        record_issuer(connection, BOARD, by=Actor("clerk", None))  # type: ignore[arg-type]
    row = connection.execute("select count(*) from registry.issuers").fetchone()
    assert row == (0,)


def test_every_kind_of_change_to_a_certificate_is_on_record(connection: Connection) -> None:
    offer_certificate(connection)
    record_issuer(connection, Issuer("board", "t", "Renamed"), by=TESTER)
    detach(connection, "c", by=TESTER)
    assert actions(connection) == [
        ("added", "issuer", "board", "t"),
        ("asserted", "attachment", "c", "t"),
        ("succeeded", "attachment", "c", "t"),
        ("changed", "issuer", "board", "t"),
        ("removed", "attachment", "c", "t"),
    ]


def test_what_changes_nothing_is_not_on_record(connection: Connection) -> None:
    add_course(connection)
    record_issuer(connection, BOARD, by=TESTER)
    record_issuer(connection, BOARD, by=CLERK)
    assert len(actions(connection)) == 1


def test_instants_ids_and_letters_of_every_script_are_kept(connection: Connection) -> None:
    instant = datetime(2026, 2, 1, tzinfo=UTC)
    record_change(
        connection,
        "asserted",
        by=CLERK,
        kind="attachment",
        subject_id="पठन",
        tenant_id=None,
        before=None,
        after={"at": instant, "id": UUID(int=7), "name": "मंडल"},
    )
    row = connection.execute("select subject_id, before, after from registry.changes").fetchone()
    assert row == ("पठन", None, {"at": str(instant), "id": str(UUID(int=7)), "name": "मंडल"})
