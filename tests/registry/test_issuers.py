"""Issuers: each detail versioned, and what a new version does to the certificates that are offered."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from registry_worlds import (
    BOARD,
    add_course,
    attach_to,
    changed_courses,
    day,
    image_bytes,
    offer_certificate,
    signature,
)

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry.attachment_changes import detach
from pramaan.registry.changes import Actor
from pramaan.registry.issuers import Issuer, record_issuer, signature_image
from pramaan.signatures.images import check_signature
from worlds import TESTER

RENAMED = Issuer("board", "t", "The New Board")


def in_force(connection: Connection) -> list[tuple[object, ...]]:
    """Each attachment: course, issuer version, whether open, in the order of their beginnings."""
    return connection.execute(
        "select course_id, issuer_version, valid_to is null from registry.attachments "
        "order by course_id, valid_from"
    ).fetchall()


def test_the_first_details_are_version_one(connection: Connection) -> None:
    assert record_issuer(connection, BOARD, by=TESTER).version == 1
    row = connection.execute(
        "select name, url, email, signatory_name, signatory_designation, signature_sha256, recorded_by "
        "from registry.issuer_versions"
    ).fetchone()
    assert row == (
        "The Board",
        "https://board.example",
        "board@board.example",
        "Dr Rao",
        "Registrar",
        None,
        "test",
    )


def test_the_same_details_change_nothing(connection: Connection) -> None:
    offer_certificate(connection)
    connection.execute("truncate ops.changed_keys")
    before = in_force(connection)
    assert record_issuer(connection, BOARD, by=Actor("another", "cli")).version == 1
    assert in_force(connection) == before
    assert changed_courses(connection) == []
    assert connection.execute("select count(*) from registry.issuer_versions").fetchone() == (1,)


def test_each_changed_detail_makes_a_version(connection: Connection) -> None:
    versions = [
        BOARD,
        Issuer("board", "t", "B"),
        Issuer("board", "t", "B", "https://b.example"),
        Issuer("board", "t", "B", "https://b.example", "b@b.example"),
        Issuer("board", "t", "B", "https://b.example", "b@b.example", "Rao"),
        Issuer("board", "t", "B", "https://b.example", "b@b.example", "Rao", "Dean"),
        Issuer("board", "t", "B", "https://b.example", "b@b.example", "Rao", "Dean", signature()),
        Issuer("board", "t", "B", "https://b.example", "b@b.example", "Rao", "Dean", signature(41)),
        BOARD,
    ]
    made = [record_issuer(connection, issuer, by=TESTER).version for issuer in versions]
    assert made == list(range(1, len(versions) + 1))


def test_an_issuer_of_another_tenant_is_refused(connection: Connection) -> None:
    record_issuer(connection, BOARD, by=TESTER)
    with pytest.raises(RegistryError) as refused:
        record_issuer(connection, Issuer("board", "s", "Board"), by=TESTER)
    assert refused.value.code == "issuer_of_other_tenant"
    assert connection.execute("select count(*) from registry.issuer_versions").fetchone() == (1,)


def test_a_new_version_succeeds_every_open_attachment_at_one_instant(connection: Connection) -> None:
    offer_certificate(connection)
    for course_id in ("c2", "c3"):
        add_course(connection, course_id)
        attach_to(connection, course_id)
    detach(connection, "c3", valid_to=day(9), by=TESTER)
    connection.execute("truncate ops.changed_keys")
    connection.execute("update registry.attachments set notify_recipients = course_id = 'c'")
    assert record_issuer(connection, RENAMED, by=Actor("another", "cli")).version == 2
    assert in_force(connection) == [
        ("c", 1, False),
        ("c", 2, True),
        ("c2", 1, False),
        ("c2", 2, True),
        ("c3", 1, False),
    ]
    assert sorted(changed_courses(connection)) == ["c", "c2"]
    instants = connection.execute(
        "select distinct coalesce(valid_to, valid_from) from registry.attachments where course_id <> 'c3'"
    ).fetchall()
    assert len(instants) == 1
    successor = connection.execute(
        "select template_id, template_version, criteria, notify_recipients, asserted_by, reason "
        "from registry.attachments where issuer_version = 2 and course_id = 'c'"
    ).fetchone()
    assert successor == ("classic", "1", {}, True, "another", "issuer version 2")


def test_a_new_version_that_fails_leaves_everything_as_it_was(connection: Connection) -> None:
    offer_certificate(connection)
    before = in_force(connection)

    def record_and_fail() -> None:
        with connection.transaction():
            record_issuer(connection, RENAMED, by=TESTER)
            raise RuntimeError("the world ends")

    with pytest.raises(RuntimeError):
        record_and_fail()
    assert in_force(connection) == before
    assert connection.execute("select count(*) from registry.issuer_versions").fetchone() == (1,)


def test_an_attachment_still_to_begin_takes_the_new_version(connection: Connection) -> None:
    add_course(connection)
    record_issuer(connection, BOARD, by=TESTER)
    tomorrow = connection.execute("select now() + interval '1 day'").fetchone()
    assert tomorrow is not None
    attach_to(connection, valid_from=tomorrow[0])
    record_issuer(connection, RENAMED, by=TESTER)
    assert sorted(in_force(connection)) == [("c", 1, False), ("c", 2, True)]


def test_two_versions_in_one_transaction_leave_one_in_force(connection: Connection) -> None:
    offer_certificate(connection)
    with connection.transaction():
        record_issuer(connection, RENAMED, by=TESTER)
        record_issuer(connection, BOARD, by=TESTER)
    still_open = connection.execute(
        "select issuer_version from registry.attachments where valid_to is null"
    ).fetchall()
    assert still_open == [(3,)]


def test_what_was_completed_before_keeps_the_old_version(connection: Connection) -> None:
    first = offer_certificate(connection)
    record_issuer(connection, RENAMED, by=TESTER)

    def attachment_at(instant: str) -> UUID:
        row = connection.execute(
            "select attachment_id from staging.stg_attachments "
            "where course_id = 'c' and valid_from <= %s::timestamptz and %s::timestamptz < valid_to",
            (instant, instant),
        ).fetchone()
        assert row is not None
        return row[0]  # type: ignore[return-value]

    assert attachment_at("2024-03-05") == first
    assert attachment_at("now") != first


@pytest.mark.parametrize(("fmt", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_a_signature_is_kept_once_by_its_hash(connection: Connection, fmt: str, media_type: str) -> None:
    one = signature(fmt=fmt)
    for issuer_id in ("board", "other"):
        record_issuer(connection, Issuer(issuer_id, "t", "Board", signature=one), by=TESTER)
    kept = connection.execute("select sha256, media_type from registry.images").fetchall()
    assert kept == [(one.sha256, media_type)]
    assert signature_image(connection, one.sha256) == (one.media_type, one.content)
    with pytest.raises(KeyError):
        signature_image(connection, "0" * 64)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "signature_not_an_image"),
        (b"\x89PNG\r\n\x1a\n", "signature_not_an_image"),
        (image_bytes()[:40], "signature_not_an_image"),
        (image_bytes(fmt="GIF"), "signature_not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "signature_not_an_image"),
        (b"\x00" * 200_001, "signature_too_large"),
        (image_bytes(2_001, 2_000), "signature_too_large"),
    ],
    ids=["empty", "header_only", "truncated", "gif", "svg", "bytes", "pixels"],
)
def test_a_signature_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(RegistryError) as refused:
        check_signature(content)
    assert refused.value.code == code


def test_a_signature_at_the_limit_is_accepted() -> None:
    assert check_signature(image_bytes(2_000, 2_000)).media_type == "image/png"


@given(st.data())
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_damaged_signature_is_refused_or_read_but_never_breaks(data: st.DataObject) -> None:
    content = bytearray(image_bytes(fmt=data.draw(st.sampled_from(("PNG", "JPEG")))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_signature(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except RegistryError as refused:
        assert refused.code in {"signature_not_an_image", "signature_too_large"}  # noqa: PT017 - either is right
