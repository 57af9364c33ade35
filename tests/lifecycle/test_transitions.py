"""The table of transitions: every pair of statuses walked, through the code and through the database."""

import re
from itertools import product
from pathlib import Path

import psycopg
import pytest

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection
from pramaan.lifecycle.transitions import STATUSES, TRANSITIONS, is_allowed
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import finishers_waiting, open_hold

PACKAGE = Path(__file__).resolve().parents[2] / "include" / "pramaan"
STAYS = [(status, status) for status in STATUSES]
PAIRS = [pair for pair in product((None, *STATUSES), repeat=2) if pair not in STAYS and pair != (None, None)]

_BECOMES = """
    update registry.certificates
    set status = %(status)s, issued_at = now(), pdf_path = 'x', pdf_sha256 = 'x', pdf_bytes = 1,
        engine_version = 'x', error_class = 'x', hold_id = %(hold_id)s,
        revoked_at = case when %(status)s = 'revoked' then now() end, revoked_by = 'x',
        revocation_reason = 'x'
"""
_AGAIN = """
    insert into registry.certificates
        (certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, completed_at, status,
         hold_id, render_input, badge_recipient, issued_at, pdf_path, pdf_sha256, pdf_bytes, engine_version,
         error_class, revoked_at, revoked_by, revocation_reason)
    select 'another', 'another', course_id, batch_id, attachment_id, recipient_name, completed_at, %(status)s,
        %(hold_id)s, render_input, badge_recipient, now(), 'x', 'x', 1, 'x', 'x',
        case when %(status)s = 'revoked' then now() end, 'x', 'x'
    from registry.certificates
"""


@pytest.fixture
def one_certificate(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> dict[str, object]:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
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
        assert happened == is_allowed(before, after), f"from {before} to {after}"


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
    writes = re.compile(r"(insert into|update|delete from)\s+registry\.certificates", re.IGNORECASE)
    allowed = {"lifecycle", "bench", "migrations"}
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if writes.search(path.read_text()) and not allowed & set(path.parts)
    ]
    assert wrong == []


def test_what_is_due_only_the_database_s_clock_says() -> None:
    rooms = ("certificates", "lifecycle", "mail/ledger.py", "reports/ledger.py", "database/leases.py")
    files = [
        file for room in rooms for file in (PACKAGE / room, *(PACKAGE / room).glob("*.py")) if file.is_file()
    ]
    assert len(files) > 15
    assert [file.name for file in files if "datetime.now" in file.read_text()] == []
