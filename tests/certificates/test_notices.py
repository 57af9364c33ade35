"""Telling the teacher: a mail for each certificate issued under an attachment that says so."""

from pathlib import Path

import pytest

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.certificates.notices import queue_issue_notices
from pramaan.database.connect import Connection
from pramaan.mail.addresses import Sender
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import finishers_waiting

SENDER = Sender("", "certificates@example.org")

_ISSUE = """
    update registry.certificates
    set status = 'issued', issued_at = now(), pdf_path = 'certificates/00/x.pdf', pdf_sha256 = 'x',
        pdf_bytes = 1, engine_version = 'x'
    where status = 'pending' returning certificate_id
"""


@pytest.fixture
def just_issued(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> list[str]:
    """Certificates of six people, of whom the first four have an address; nobody is to be told yet."""
    finishers_waiting(settings, pipeline, connection, tmp_path, count=6)
    for number, (email, language) in enumerate(
        [("a@x.org", "ta"), (" b@x.org ", "ur-PK"), ("as***@x.org", "en"), ("not one", "en")]
    ):
        connection.execute("update raw.users set email = %s where user_id = %s", (email, f"u{number:05}"))
        with unguarded_registry(connection):
            connection.execute(
                "update registry.certificates set render_input = render_input "
                "|| jsonb_build_object('language', %s::text) where user_id = %s",
                (language, f"u{number:05}"),
            )
    return [str(row[0]) for row in connection.execute(_ISSUE).fetchall()]


def test_nobody_is_told_unless_the_attachment_says_so(connection: Connection, just_issued: list[str]) -> None:
    assert queue_issue_notices(connection, just_issued, sender=SENDER) == 0


def test_whoever_has_an_address_is_told_once_in_their_language(
    connection: Connection, just_issued: list[str]
) -> None:
    connection.execute("update registry.attachments set notify_recipients = true")
    connection.execute("update registry.issuer_versions set email = 'board@x.org'")

    assert queue_issue_notices(connection, just_issued, sender=SENDER) == 2
    assert queue_issue_notices(connection, [*just_issued, "unknown"], sender=SENDER) == 0

    mails = connection.execute(
        "select kind, subject_key, recipients, language, content from ops.mails order by recipients"
    ).fetchall()
    certificates = connection.execute(
        "select certificate_id, recipient_name from registry.certificates order by user_id limit 2"
    ).fetchall()
    assert mails == [
        (
            "certificate_issued",
            certificate_id,
            [address],
            language,
            {
                "recipient_name": name,
                "course_name": "Reading",
                "issuer_name": "The Board",
                "issuer_email": "board@x.org",
                "certificate_id": certificate_id,
            },
        )
        for (certificate_id, name), address, language in zip(
            certificates, ["a@x.org", "b@x.org"], ["ta", "ur-PK"], strict=True
        )
    ]


def test_a_certificate_that_is_not_issued_is_not_told_of(
    connection: Connection, just_issued: list[str]
) -> None:
    connection.execute("update registry.attachments set notify_recipients = true")
    with unguarded_registry(connection):
        connection.execute("update registry.certificates set status = 'pending'")

    assert queue_issue_notices(connection, just_issued, sender=SENDER) == 0
    assert queue_issue_notices(connection, [], sender=SENDER) == 0


def test_issuing_tells_who_is_to_be_told_once(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=3)
    connection.execute("update registry.attachments set notify_recipients = true")
    connection.execute("update raw.users set email = 'a@x.org' where user_id = 'u00001'")
    for _ in range(2):
        pipeline.issue_chunk(limit=10, run_id=None)
    mails = connection.execute(
        "select certificates.user_id, mails.status from ops.mails "
        "inner join registry.certificates on subject_key = certificate_id"
    ).fetchall()
    assert mails == [("u00001", "queued")]
