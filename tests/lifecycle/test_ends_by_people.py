"""What people end: successors that a revocation overtakes, what a person made, what failed."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from test_lives import BY_HAND, PUBLIC, in_force, issue_again, life, printed_as, wait_until_it_waits

from pramaan.certificates.queue import open_worker
from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.lifecycle.creation import create
from pramaan.lifecycle.issuing import Failure, retry_failed
from pramaan.lifecycle.revocation import revoke
from pramaan.lifecycle.withdrawal import withdraw_by_person
from pramaan.pipeline import Pipeline
from pramaan.registry.certificates import find_certificate, get_certificate
from worlds import TESTER


def changes(connection: Connection, certificate_id: str) -> list[tuple[object, ...]]:
    return connection.execute(
        "select action, username, tenant_id from registry.changes "
        "where subject_kind = 'certificate' and subject_id = %s order by change_id",
        (certificate_id,),
    ).fetchall()


def fail(connection: Connection, certificate_id: str) -> None:
    with open_worker(connection, run_id=None) as worker:
        assert [one.certificate_id for one in worker.claim(1)] == [certificate_id]
        worker.record([], [Failure(certificate_id, "template_error", "x", None)])


def test_a_revocation_ends_the_reissue_that_was_asked_for_before(
    connection: Connection, one_issued: str
) -> None:
    successor = issue_again(connection, one_issued)
    with open_worker(connection, run_id=None) as worker:
        assert [one.certificate_id for one in worker.claim(1)] == [successor]
        revoke(connection, one_issued, reason="wrong person", by=TESTER)
        assert worker.record([printed_as(successor)], []) == set()
        assert not worker.is_recorded(printed_as(successor)), "its file is taken back"
    assert in_force(connection) == []
    assert get_certificate(connection, one_issued).status == "revoked"
    assert find_certificate(connection, successor) is None
    assert life(connection, successor) == ["created", "withdrawn"]
    assert changes(connection, successor) == [("withdrawn", "test", "t")]


def test_a_revocation_after_the_reissue_was_issued_is_refused_for_the_old_one(
    connection: Connection, one_issued: str
) -> None:
    successor = issue_again(connection, one_issued)
    with open_worker(connection, run_id=None) as worker:
        worker.claim(1)
        assert worker.record([printed_as(successor)], []) == {successor}
    with pytest.raises(RegistryError) as refused:
        revoke(connection, one_issued, reason="wrong person", by=TESTER)
    assert refused.value.code == "certificate_not_issued"
    assert in_force(connection) == [successor]


def test_a_revocation_waits_for_whoever_records_the_successor(
    connection: Connection, other: Connection, one_issued: str
) -> None:
    successor = issue_again(connection, one_issued)
    with open_worker(connection, run_id=None) as worker, ThreadPoolExecutor(1) as thread:
        worker.claim(1)
        with connection.transaction():
            assert worker.record([printed_as(successor)], []) == {successor}
            revoking = thread.submit(revoke, other, one_issued, reason="wrong person", by=TESTER)
            wait_until_it_waits(connection, other.info.backend_pid)
        with pytest.raises(RegistryError, match="is superseded"):
            revoking.result()
    assert in_force(connection) == [successor]


def test_a_reissue_that_failed_is_withdrawn_by_a_person(connection: Connection, one_issued: str) -> None:
    successor = issue_again(connection, one_issued)
    fail(connection, successor)
    withdrawn = withdraw_by_person(connection, successor, reason="not needed", by=TESTER)
    assert (withdrawn.certificate_id, withdrawn.status) == (successor, "failed")
    assert find_certificate(connection, successor) is None
    assert in_force(connection) == [one_issued]
    assert life(connection, successor) == ["created", "failed", "withdrawn"]
    assert changes(connection, successor) == [("withdrawn", "test", "t")]


@pytest.mark.usefixtures("one_waiting")
def test_a_person_withdraws_one_and_no_other(connection: Connection) -> None:
    assert create(connection, BY_HAND, public_url=PUBLIC, run_id=None) == 1
    assert create(connection, BY_HAND.replace("by-hand", "other").replace("'b2'", "'b3'"), public_url=PUBLIC,
                  run_id=None) == 1  # fmt: skip
    with connection.transaction():
        withdraw_by_person(connection, "by-hand", reason="by mistake", by=TESTER)
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation), connection.transaction():
            connection.execute("delete from registry.certificates where certificate_id = 'other'")
    assert find_certificate(connection, "by-hand") is None
    assert get_certificate(connection, "other").status == "pending"


def test_a_person_withdraws_neither_what_the_rules_made_nor_what_was_issued(
    pipeline: Pipeline, connection: Connection, one_waiting: str
) -> None:
    for code in ("certificate_of_rules", "certificate_was_issued"):
        with pytest.raises(RegistryError) as refused:
            withdraw_by_person(connection, one_waiting, reason="x", by=TESTER)
        assert refused.value.code == code
        pipeline.issue_chunk(limit=1, run_id=None)
    assert in_force(connection) == [one_waiting]


def test_chosen_failed_ones_are_tried_again(connection: Connection, one_waiting: str) -> None:
    fail(connection, one_waiting)
    assert retry_failed(connection, by=TESTER, certificate_ids=["none"]) == set()
    assert get_certificate(connection, one_waiting).status == "failed"
    assert retry_failed(connection, by=TESTER, certificate_ids=[one_waiting]) == {one_waiting}
    assert retry_failed(connection, by=TESTER, certificate_ids=[one_waiting]) == set(), "it is pending"
    assert changes(connection, one_waiting) == [("retried", "test", "t")]
    assert life(connection, one_waiting) == ["created", "failed", "retried"]
