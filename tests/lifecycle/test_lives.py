"""Lives of certificates, from creation to revocation or withdrawal, and the outcome that each step leaves."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from pramaan.certificates.gate import lock_gate
from pramaan.certificates.holds import decide_hold, list_holds
from pramaan.certificates.queue import open_worker
from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.lifecycle.creation import create, reissue
from pramaan.lifecycle.holding import hold, release
from pramaan.lifecycle.identity import IdentityKey
from pramaan.lifecycle.issuing import Failure, Issued, retry_failed
from pramaan.lifecycle.revocation import revoke
from pramaan.lifecycle.transitions import lock_certificates
from pramaan.pipeline import Pipeline
from pramaan.registry.certificates import find_certificate, get_certificate
from pramaan.settings import Settings
from worlds import TESTER, drop_rows, finishers_waiting, load_and_decide, open_hold

KEY = IdentityKey(b"k" * 32)
PUBLIC = "https://certificates.example/pramaan"

LEFT_BEFORE_FINISHING = {
    "user_id": "u00000", "course_id": "c", "batch_id": "b", "enrolled_at": "2026-01-01T00:00:00Z",
    "active": False, "updated_at": "2026-01-02T00:00:00Z",
}  # fmt: skip


def life(connection: Connection, certificate_id: str) -> list[str]:
    """What became of a certificate, in order."""
    rows = connection.execute(
        "select status from ops.outcomes where certificate_id = %s order by outcome_id", (certificate_id,)
    ).fetchall()
    return [str(status) for (status,) in rows]


def in_force(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select certificate_id from registry.certificates where status = 'issued'"
    ).fetchall()
    return [str(one) for (one,) in rows]


def issue_again(connection: Connection, certificate_id: str) -> str:
    return reissue(
        connection, certificate_id, key=KEY, public_url=PUBLIC, reason="a better print", by=TESTER
    ).certificate_id


def printed_as(name: str) -> Issued:
    return Issued(name, f"certificates/{name[:2]}/{name}.pdf", "0" * 64, 1, "test")


def test_each_transition_leaves_an_outcome(
    connection: Connection, pipeline: Pipeline, one_waiting: str
) -> None:
    hold_id = open_hold(connection, "c")
    assert hold(connection, f"select '{one_waiting}' as certificate_id, {hold_id} as hold_id") == 1
    assert release(connection, f"select '{one_waiting}' as certificate_id") == 1
    with open_worker(connection, run_id=None) as worker:
        for failure in (
            Failure(one_waiting, "away", "x", timedelta(0)),
            Failure(one_waiting, "bug", "x", None),
        ):
            assert [one.certificate_id for one in worker.claim(1)] == [one_waiting]
            worker.record([], [failure])
    assert retry_failed(connection, by=TESTER) == {one_waiting}
    assert pipeline.issue_chunk(limit=1, run_id=None).issued == 1
    revoke(connection, one_waiting, reason="wrong person", by=TESTER)
    assert life(connection, one_waiting) == [
        "created", "held", "released", "retried", "failed", "retried", "issued", "revoked",
    ]  # fmt: skip


def test_a_withdrawn_certificate_is_not_forgotten(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path, one_waiting: str
) -> None:
    drop_rows(settings, tmp_path, "enrolments", [LEFT_BEFORE_FINISHING])
    assert load_and_decide(pipeline, connection).enqueued.withdrawn == 1
    assert find_certificate(connection, one_waiting) is None
    assert life(connection, one_waiting) == ["created", "withdrawn"]


def test_at_no_instant_between_a_certificate_and_its_reissue_is_none_in_force(
    connection: Connection, other: Connection, one_issued: str
) -> None:
    successor = issue_again(connection, one_issued)
    assert (in_force(other), get_certificate(other, successor).status) == ([one_issued], "pending")
    with open_worker(connection, run_id=None) as worker:
        assert [one.certificate_id for one in worker.claim(1)] == [successor]
        with connection.transaction():
            assert worker.record([printed_as(successor)], []) == {successor}
            assert in_force(other) == [one_issued]
            assert in_force(connection) == [successor]
    assert in_force(other) == [successor]
    assert get_certificate(other, one_issued).status == "superseded"
    assert life(connection, one_issued) == ["created", "issued", "superseded"]
    assert life(connection, successor) == ["created", "issued"]


def test_a_reissue_that_fails_leaves_the_old_one_in_force(connection: Connection, one_issued: str) -> None:
    successor = issue_again(connection, one_issued)
    with open_worker(connection, run_id=None) as worker:
        worker.claim(1)
        worker.record([], [Failure(successor, "template_error", "x", None)])
    assert in_force(connection) == [one_issued]
    again = issue_again(connection, one_issued)
    assert again != successor
    assert find_certificate(connection, successor) is None
    assert life(connection, successor) == ["created", "failed", "withdrawn"]
    with pytest.raises(RegistryError) as refused:
        issue_again(connection, one_issued)
    assert refused.value.code == "reissue_under_way"
    assert get_certificate(connection, again).status == "pending"


def test_a_reissue_prints_what_was_printed_under_an_id_of_its_own(
    pipeline: Pipeline, connection: Connection, one_issued: str
) -> None:
    successor = issue_again(connection, one_issued)
    query = "select render_input, badge_recipient from registry.certificates where certificate_id = %s"
    old, new = (connection.execute(query, (one,)).fetchone() for one in (one_issued, successor))
    assert old is not None
    assert new is not None
    assert new[0] == old[0] | {  # type: ignore[operator]
        "certificate_id": successor, "verify_url": f"{PUBLIC}/verify/{successor}",
    }  # fmt: skip
    assert new[1]["salt"] == successor  # type: ignore[index]
    found = get_certificate(connection, successor)
    assert (found.origin, found.supersedes) == ("reissue", one_issued)
    assert pipeline.issue_chunk(limit=1, run_id=None).issued == 1
    assert in_force(connection) == [successor]


def test_a_revoked_certificate_is_made_again_by_a_person_only(
    pipeline: Pipeline, connection: Connection, one_issued: str
) -> None:
    revoke(connection, one_issued, reason="wrong name", by=TESTER)
    assert pipeline.enqueue_missing(connection).pending == 0
    successor = issue_again(connection, one_issued)
    pipeline.issue_chunk(limit=1, run_id=None)
    old = get_certificate(connection, one_issued)
    assert (old.status, old.revocation_reason) == ("superseded", "wrong name")
    assert in_force(connection) == [successor]


def test_only_what_was_issued_is_made_again(connection: Connection, one_waiting: str) -> None:
    for certificate_id, code in ((one_waiting, "certificate_not_issued"), ("none", "certificate_not_found")):
        with pytest.raises(RegistryError) as refused:
            issue_again(connection, certificate_id)
        assert refused.value.code == code


BY_HAND = """
    select
        'by-hand' as certificate_id, user_id, course_id, 'b2' as batch_id, 1 as sequence,
        'person' as origin, 'asha' as created_by, null::text as supersedes, attachment_id, completed_at,
        null::bigint as hold_id, render_input, signature_sha256, badge_recipient
    from registry.certificates limit 1
"""


def test_what_a_person_made_the_rules_never_withdraw(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path, one_waiting: str
) -> None:
    assert create(connection, BY_HAND, public_url=PUBLIC, run_id=None) == 1
    drop_rows(settings, tmp_path, "enrolments", [LEFT_BEFORE_FINISHING])
    load_and_decide(pipeline, connection)
    pipeline.enqueue_missing(connection)
    assert find_certificate(connection, one_waiting) is None
    assert get_certificate(connection, "by-hand").status == "pending"


@pytest.mark.usefixtures("one_waiting")
def test_a_certificate_is_created_once(connection: Connection) -> None:
    assert create(connection, BY_HAND, public_url=PUBLIC, run_id=None) == 1
    assert create(connection, BY_HAND, public_url=PUBLIC, run_id=None) == 0
    assert life(connection, "by-hand") == ["created"]


def test_beside_one_in_force_only_its_successor_is_created(connection: Connection, one_issued: str) -> None:
    beside = BY_HAND.replace("'b2' as batch_id", "batch_id").replace("1 as sequence", "2 as sequence")
    assert create(connection, beside, public_url=PUBLIC, run_id=None) == 0
    assert get_certificate(connection, issue_again(connection, one_issued)).status == "pending"


def test_a_moved_store_breaks_nothing(connection: Connection, one_issued: str, tmp_path: Path) -> None:
    row = connection.execute("select pdf_path, pdf_sha256 from registry.certificates").fetchone()
    assert row is not None
    assert re.fullmatch(rf"certificates/{one_issued[:2]}/{one_issued}\.[0-9a-f]{{16}}\.pdf", str(row[0]))
    (tmp_path / "store").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / str(row[0])).read_bytes().startswith(b"%PDF")


def test_what_is_recorded_is_locked_in_the_order_of_ids(
    settings: Settings, pipeline: Pipeline, connection: Connection, other: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=2)
    with ThreadPoolExecutor(1) as thread, open_worker(other, run_id=None) as worker:
        first, last = (claim.certificate_id for claim in worker.claim(2))
        failure = Failure(last, "template_error", "x", None)
        with connection.transaction():
            # As the gate does: the lowest id first. Whoever records has not locked the other one by then.
            lock_certificates(connection, [first])
            recording = thread.submit(worker.record, [printed_as(first)], [failure])
            wait_until_it_waits(connection, other.info.backend_pid)
            connection.execute(
                "select from registry.certificates where certificate_id = %s for update nowait", (last,)
            )
        assert recording.result() == {first}
    assert get_certificate(connection, last).status == "failed"


def wait_until_it_waits(connection: Connection, session: int) -> None:
    """Until a session waits for a lock."""
    while not connection.execute("select from pg_locks where pid = %s and not granted", (session,)).rowcount:
        time.sleep(0.01)


def test_whoever_decides_a_hold_and_a_batch_at_the_gate_take_turns(
    connection: Connection, other: Connection, one_waiting: str
) -> None:
    hold_id = open_hold(connection, "c")
    hold(connection, f"select '{one_waiting}' as certificate_id, {hold_id} as hold_id")
    with ThreadPoolExecutor(1) as thread:
        with connection.transaction():
            # As a batch does: first the gate, then certificates.
            lock_gate(connection)
            decided = thread.submit(
                decide_hold, other, hold_id, "c", approve=True, by=TESTER, timezone="Asia/Kolkata"
            )
            wait_until_it_waits(connection, other.info.backend_pid)
            lock_certificates(connection, [one_waiting])
            assert list_holds(connection, state="waiting")
        assert decided.result().state == "approved"
    assert get_certificate(connection, one_waiting).status == "pending"
