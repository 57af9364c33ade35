"""The table of transitions: every pair of statuses walked, through the code and through the database."""

import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from test_lives import KEY, PUBLIC, printed_as

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.lifecycle import issuing
from pramaan.lifecycle.creation import reissue, withdraw
from pramaan.lifecycle.holding import hold, release
from pramaan.lifecycle.issuing import Failure, retry_failed
from pramaan.lifecycle.revocation import revoke
from pramaan.lifecycle.transitions import STATUSES, TRANSITIONS
from pramaan.lifecycle.withdrawal import withdraw_by_person
from worlds import TESTER, open_hold

PACKAGE = Path(__file__).resolve().parents[2] / "include" / "pramaan"
STAYS = [(status, status) for status in STATUSES]
PAIRS = [pair for pair in product((None, *STATUSES), repeat=2) if pair not in STAYS and pair != (None, None)]

_BECOMES = """
    update registry.certificates
    set status = %(status)s, issued_at = now(), pdf_path = 'certificates/00/x.pdf', pdf_sha256 = 'x',
        pdf_bytes = 1, engine_version = 'x', error_class = 'x', hold_id = %(hold_id)s,
        revoked_at = case when %(status)s = 'revoked' then now() else revoked_at end, revoked_by = 'x',
        revocation_reason = 'x'
"""
_AGAIN = """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status,
         hold_id, render_input, badge_recipient, issued_at, pdf_path, pdf_sha256, pdf_bytes, engine_version,
         error_class, revoked_at, revoked_by, revocation_reason)
    select 'another', 'another', course_id, batch_id, attachment_id, recipient_name, completed_at, %(status)s,
        %(hold_id)s, render_input, badge_recipient, now(), 'certificates/00/x.pdf', 'x', 1, 'x',
        'x',
        case when %(status)s = 'revoked' then now() end, 'x', 'x'
    from registry.certificates
"""


@pytest.fixture
def one_certificate(one_waiting: str, connection: Connection) -> dict[str, object]:
    assert one_waiting
    return {"hold_id": open_hold(connection, "c")}


def test_the_database_allows_what_the_table_allows_and_nothing_else(
    connection: Connection, one_certificate: dict[str, object]
) -> None:
    for before, after in PAIRS:
        with connection.transaction(force_rollback=True):
            if before is not None:
                with unguarded_registry(connection):
                    connection.execute(_BECOMES, one_certificate | {"status": before})
            values = one_certificate | {"status": after}
            if before is None:
                step = (_AGAIN, values)
            elif after is None:
                step = ("delete from registry.certificates", {})
            else:
                step = (_BECOMES, values)
            try:
                with connection.transaction():
                    connection.execute(*step)
                happened = True
            except psycopg.errors.IntegrityConstraintViolation:
                happened = False
        allowed = any(before in each.before and after == each.after for each in TRANSITIONS)
        assert happened == allowed, f"from {before} to {after}"


_HOLDER = 7
_STATE = """
    update registry.certificates
    set status = %(status)s, lease_id = %(holder)s, lease_expires_at = now() + interval '1 hour',
        attempts = 1, origin = %(origin)s, created_by = 'asha', hold_id = %(hold_id)s, error_class = 'x',
        revoked_at = case when %(status)s = 'revoked' then now() end, revoked_by = 'x',
        revocation_reason = 'x'
"""
_STORED = """
    update registry.certificates set issued_at = now(), pdf_path = 'certificates/00/x.pdf', pdf_sha256 = 'x',
        pdf_bytes = 1, engine_version = 'x'
"""
_ALL_BUT_CLAIMS = """
    select certificate_id, status, issued_at, pdf_path, error_class, hold_id, revoked_at, next_attempt_at,
        lease_id, attempts
    from registry.certificates order by created_at, certificate_id
"""
Work = Callable[[Connection, str, int], object]
Walk = tuple[str, Work, str | None, tuple[str, ...], str | None]
_BY_ID: LiteralString = "select certificate_id from registry.certificates"


def _record_failed(connection: Connection, certificate_id: str, wait: timedelta | None) -> None:
    failure = Failure(certificate_id, "bug", "x", wait)
    issuing.record(connection, [], [failure], holder=_HOLDER, run_id=None)


# What is done, by what name its outcome goes, from which statuses, and what each becomes; of a re-issue, what
# the successor is.
WALKS: list[Walk] = [
    ("hold", lambda c, one, hold_id: hold(c, f"select '{one}' as certificate_id, {hold_id} as hold_id"),
     "held", ("pending",), "held"),
    ("release", lambda c, one, _: release(c, f"select '{one}' as certificate_id"),
     "released", ("held",), "pending"),
    ("claim", lambda c, *_: issuing.claim(c, holder=8, limit=1, due_by=None), None, ("pending",), "pending"),
    ("issue", lambda c, one, _: issuing.record(c, [printed_as(one)], [], holder=_HOLDER, run_id=None),
     "issued", ("pending",), "issued"),
    ("fail", lambda c, one, _: _record_failed(c, one, None), "failed", ("pending",), "failed"),
    ("try later", lambda c, one, _: _record_failed(c, one, timedelta(0)), "retried", ("pending",), "pending"),
    ("retry", lambda c, *_: retry_failed(c, by=TESTER), "retried", ("failed",), "pending"),
    ("withdraw", lambda c, *_: withdraw(c, _BY_ID, run_id=None),
     "withdrawn", ("pending", "held", "failed"), None),
    ("withdraw by person", lambda c, one, _: withdraw_by_person(c, one, reason="x", by=TESTER),
     "withdrawn", ("pending", "held", "failed"), None),
    ("reissue", lambda c, one, _: reissue(c, one, key=KEY, public_url=PUBLIC, reason="x", by=TESTER),
     "created", ("issued", "revoked"), "pending"),
    ("revoke", lambda c, one, _: revoke(c, one, reason="x", by=TESTER), "revoked", ("issued",), "revoked"),
]  # fmt: skip


@pytest.mark.parametrize("walk", WALKS, ids=[walk[0] for walk in WALKS])
def test_each_function_makes_its_transition_with_one_outcome_or_does_nothing(
    connection: Connection, one_certificate: dict[str, object], walk: Walk
) -> None:
    name, work, outcome, before, after = walk
    row = connection.execute(_BY_ID).fetchone()
    assert row is not None
    for status in STATUSES:
        with connection.transaction(force_rollback=True):
            origin = "person" if name == "withdraw by person" else "rules"
            _put(connection, status, one_certificate | {"origin": origin, "is_free": name == "claim"})
            was = connection.execute(_ALL_BUT_CLAIMS).fetchall()
            with contextlib.suppress(RegistryError):
                work(connection, str(row[0]), int(str(one_certificate["hold_id"])))
            became = connection.execute(_ALL_BUT_CLAIMS).fetchall()
            told = connection.execute("select status from ops.outcomes").fetchall()
            if status not in before:
                assert (became, told) == (was, []), f"{name} of what is {status}"
                continue
            assert told == ([(outcome,)] if outcome else []), f"{name} of what is {status}"
            assert became != was
            assert [one[1] for one in became if one not in was] == ([after] if after else [])


def _put(connection: Connection, status: str, values: dict[str, object]) -> None:
    """The one certificate has this status, nothing was told of it, and the holder has it, if any may."""
    with unguarded_registry(connection):
        if status in ("issued", "superseded", "revoked"):
            connection.execute(_STORED)
        connection.execute(
            _STATE, values | {"status": status, "holder": None if values["is_free"] else _HOLDER}
        )
        if values["is_free"]:
            connection.execute("update registry.certificates set lease_expires_at = null")
    connection.execute("delete from ops.outcomes")


_FINAL = (
    ("issued", "issued_at = issued_at + interval '1 day'"), ("issued", "pdf_path = 'certificates/00/y.pdf'"),
    ("issued", "pdf_sha256 = 'y'"), ("superseded", "pdf_bytes = 2"), ("revoked", "engine_version = 'y'"),
    ("revoked", "revoked_at = now() + interval '1 day'"), ("revoked", "revoked_by = 'y'"),
    ("superseded", "revocation_reason = 'y'"),
)  # fmt: skip


@pytest.mark.parametrize(("status", "change"), _FINAL)
def test_nobody_changes_what_was_recorded(
    connection: Connection, one_certificate: dict[str, object], status: str, change: LiteralString
) -> None:
    _put(connection, status, one_certificate | {"origin": "rules", "is_free": False})
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="recorded of it is final"):
        connection.execute(f"update registry.certificates set {change}")


@pytest.mark.usefixtures("one_certificate")
@pytest.mark.parametrize("tail", ["", " cascade"])
def test_nobody_empties_the_registry(connection: Connection, tail: LiteralString) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never removed all at once"):
        connection.execute(f"truncate registry.certificates{tail}")


@pytest.mark.usefixtures("one_certificate")
@pytest.mark.parametrize(
    "path", ["/certificates/00/x.pdf", "s3://b/certificates/00/x.pdf", "certificates/x.pdf",
             "certificates/00/a/x.pdf", "certificates/../x.pdf"],
)  # fmt: skip
def test_a_pdf_lies_where_the_store_puts_it(connection: Connection, path: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="pdf_path_is_of_the_store"):
        connection.execute("update registry.certificates set pdf_path = %s", (path,))


def test_what_is_superseded_is_of_the_same_completion(
    connection: Connection, one_certificate: dict[str, object]
) -> None:
    foreign = _AGAIN.replace(
        "revocation_reason)", "revocation_reason, origin, created_by, supersedes)"
    ).replace("'x', 'x'\n    from", "'x', 'x', 'reissue', 'asha', certificate_id\n    from")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="supersedes_of_the_same_completion"):
        connection.execute(foreign, one_certificate | {"status": "pending"})


def test_every_status_is_reached_and_nothing_leads_out_of_the_registry_once_issued() -> None:
    assert {each.after for each in TRANSITIONS} == {None, *STATUSES}
    gone = next(each for each in TRANSITIONS if each.after is None)
    assert not {"issued", "superseded", "revoked"} & set(gone.before)
    assert not [each for each in TRANSITIONS if "superseded" in each.before], "it is the end"


@pytest.mark.usefixtures("one_certificate")
@pytest.mark.parametrize(
    "change",
    ["recipient_name = 'Another'", "render_input = '{}'", "completed_at = now()", "badge_recipient = '{}'",
     "signature_sha256 = null", "origin = 'rules'", "user_id = 'another'"],
)  # fmt: skip
def test_nobody_changes_what_was_frozen_at_creation(connection: Connection, change: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="frozen when it was created"):
        connection.execute(f"update registry.certificates set {change}")


@pytest.mark.usefixtures("one_certificate")
def test_what_a_person_made_is_not_deleted(connection: Connection) -> None:
    with unguarded_registry(connection):
        connection.execute("update registry.certificates set origin = 'person', created_by = 'asha'")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="pending by person"):
        connection.execute("delete from registry.certificates")


def test_only_this_room_writes_certificates() -> None:
    allowed = {"lifecycle", "bench", "migrations"}
    paths = [(path, path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")]
    writing = {place for path, place in paths if _WRITES.search(path.read_text())}
    assert {place for place in writing if not allowed & set(place.parts)} == set()
    assert {"lifecycle", "bench", "migrations"} <= {part for place in writing for part in place.parts}
    # What is written by this name is a queue's or a feed's; the queue of certificates is of this room.
    unnamed = {str(place) for path, place in paths if _WRITES_ANY.search(path.read_text())}
    assert unnamed == {"database/leases.py", "feeds/sql.py"}
    queue = re.compile(r"table=\W*registry\.certificates")
    assert {str(place) for path, place in paths if queue.search(path.read_text())} == {"lifecycle/issuing.py"}


_VERBS = r"(insert\s+into|update|delete\s+from|merge\s+into|truncate(\s+table)?|copy)\s+(only\s+)?"
_WRITES = re.compile(rf"{_VERBS}registry\.certificates\b", re.IGNORECASE)
_WRITES_ANY = re.compile(rf"{_VERBS}\{{table\}}", re.IGNORECASE)


@pytest.mark.parametrize(
    "planted",
    ["update registry.certificates set", "UPDATE  registry.certificates",
     "insert into registry.certificates (",
     "insert\n    into registry.certificates", "delete from only registry.certificates as c",
     "merge into registry.certificates", "copy registry.certificates (a) from stdin",
     "truncate registry.certificates"],
)  # fmt: skip
def test_a_write_is_found(planted: str) -> None:
    assert _WRITES.search(planted)
    assert _WRITES_ANY.search(planted.replace("registry.certificates", "{table}"))
    assert not _WRITES.search("select from registry.certificates for update of certificates")


def test_what_is_due_only_the_database_s_clock_says() -> None:
    rooms = ("certificates", "lifecycle", "mail/ledger.py", "reports/ledger.py", "database/leases.py")
    files = [
        file for room in rooms for file in (PACKAGE / room, *(PACKAGE / room).glob("*.py")) if file.is_file()
    ]
    assert len(files) > 15
    assert [file.name for file in files if "datetime.now" in file.read_text()] == []
