"""Where two operators, or a file made to harm, meet the registry."""

import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from registry_worlds import BOARD, TEMPLATE, add_course, attach_to, day, offer_certificate

from pramaan.database.connect import Connection, connect
from pramaan.errors import RegistryError
from pramaan.registry.attachment_changes import detach, replace
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuer_versioning import lock_attachments_of
from pramaan.registry.issuers import Issuer, record_issuer, update_issuer
from pramaan.registry.templates import KeptTemplate
from pramaan.settings import Settings
from pramaan.signatures.images import check_signature
from worlds import TESTER

RENAMED = Issuer("board", "t", "The New Board")


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def wait_until_blocked(connection: Connection) -> None:
    """Until another session of this database waits for a lock."""
    for _ in range(30_000):
        connection.execute("select pg_stat_clear_snapshot()")
        row = connection.execute(
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
        if row and row[0]:
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_attached_while_the_issuer_changes_it_takes_the_new_version(connection: Connection, url: str) -> None:
    add_course(connection)
    record_issuer(connection, BOARD, by=TESTER)

    def attach_elsewhere() -> None:
        with connect(url) as other:
            attach_to(other, valid_from=day(1))

    with ThreadPoolExecutor(1) as threads:
        with connection.transaction():
            record_issuer(connection, RENAMED, by=TESTER)
            attaching = threads.submit(attach_elsewhere)
            wait_until_blocked(connection)
        attaching.result()
    assert connection.execute("select issuer_version from registry.attachments").fetchall() == [(2,)]


def test_detached_while_the_issuer_changes_the_successor_ends(connection: Connection, url: str) -> None:
    offer_certificate(connection)

    def detach_elsewhere() -> None:
        with connect(url) as other:
            row = other.execute("select clock_timestamp() + interval '1 minute'").fetchone()
            assert row is not None
            detach(other, "c", valid_to=row[0], by=TESTER)  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as threads:
        with connection.transaction():
            record_issuer(connection, RENAMED, by=TESTER)
            detaching = threads.submit(detach_elsewhere)
            wait_until_blocked(connection)
        detaching.result()
    assert connection.execute(
        "select count(*) from registry.attachments where valid_to is null"
    ).fetchone() == (0,)


def test_what_ended_while_a_new_issuer_version_waited_stays_as_it_ended(
    connection: Connection, url: str
) -> None:
    offer_certificate(connection)

    def rename_elsewhere() -> None:
        with connect(url) as other:
            record_issuer(other, RENAMED, by=TESTER)

    with ThreadPoolExecutor(1) as threads:
        with connection.transaction():
            connection.execute("select from registry.attachments for update")
            renaming = threads.submit(rename_elsewhere)
            wait_until_blocked(connection)
            ended = detach(connection, "c", by=TESTER)
        renaming.result()
    assert connection.execute(
        "select issuer_version, valid_to, "
        "(select valid_from from registry.issuer_versions where version = 2) > valid_to "
        "from registry.attachments"
    ).fetchall() == [(1, ended.valid_to, True)]


def test_asserted_while_another_issuer_is_succeeded_is_refused_not_locked_out(
    connection: Connection, url: str
) -> None:
    offer_certificate(connection)
    record_issuer(connection, Issuer("other", "t", "Other", "https://other.example"), by=TESTER)

    def attach_elsewhere() -> None:
        with connect(url) as other:
            attach_to(other, issuer_id="other", valid_from=None)

    with ThreadPoolExecutor(1) as threads:
        with connection.transaction():
            # As far as succession has come between the end of the old attachment and the new one's beginning.
            connection.execute("select from registry.issuers where issuer_id = 'board' for update")
            lock_attachments_of(connection, "board")
            connection.execute("update registry.attachments set valid_to = clock_timestamp()")
            attaching = threads.submit(attach_elsewhere)
            wait_until_blocked(connection)
            connection.execute(
                "insert into registry.attachments (course_id, tenant_id, template_id, template_version, "
                "issuer_id, issuer_version, valid_from, asserted_by) "
                "select course_id, tenant_id, template_id, template_version, issuer_id, issuer_version, "
                "valid_to, 'test' from registry.attachments"
            )
        with pytest.raises(RegistryError) as refused:
            attaching.result()
    assert refused.value.code == "certificate_already_attached"


def test_an_end_that_is_set_already_outlives_a_replacement(connection: Connection) -> None:
    offer_certificate(connection)
    end = datetime.now(UTC) + timedelta(days=5)
    detach(connection, "c", valid_to=end, by=TESTER)
    after = replace(
        connection, "c", template=TEMPLATE, issuer_id="board", criteria=Criteria((), 60), by=TESTER
    )
    assert after.valid_to == end


def test_another_certificate_than_was_expected_is_not_touched(connection: Connection) -> None:
    seen = offer_certificate(connection)
    terms = {"template": TEMPLATE, "issuer_id": "board", "by": TESTER}
    now = replace(connection, "c", criteria=Criteria((), 60), expected=seen, **terms)
    with pytest.raises(RegistryError) as replaced:
        replace(connection, "c", criteria=Criteria((), 70), expected=seen, **terms)
    with pytest.raises(RegistryError) as removed:
        detach(connection, "c", by=TESTER, expected=seen)
    with pytest.raises(RegistryError) as renamed:
        update_issuer(connection, RENAMED, by=TESTER, expected_version=7)
    assert {r.value.code for r in (replaced, removed, renamed)} == {"changed_meanwhile"}
    assert detach(connection, "c", by=TESTER, expected=now.attachment_id).valid_to


def test_an_issuer_cannot_leave_out_what_a_template_in_force_requires(connection: Connection) -> None:
    add_course(connection)
    record_issuer(connection, BOARD, by=TESTER)
    attach_to(connection, template=KeptTemplate("strict", "0", b"", frozenset({"signatory_name"})))
    with pytest.raises(RegistryError) as refused:
        update_issuer(connection, Issuer("board", "t", "The Board"), by=TESTER)
    assert refused.value.code == "template_not_usable"
    assert connection.execute("select count(*) from registry.issuer_versions").fetchone() == (1,)


def test_a_detachment_that_is_still_to_come_can_be_brought_forward(connection: Connection) -> None:
    offer_certificate(connection)
    row = connection.execute("select now()").fetchone()
    assert row is not None
    now = row[0]
    detach(connection, "c", valid_to=now + timedelta(days=9), by=TESTER)  # type: ignore[operator]
    detach(connection, "c", valid_to=now, by=TESTER)  # type: ignore[arg-type]
    assert connection.execute("select valid_to from registry.attachments").fetchall() == [(now,)]


def test_what_has_ended_is_never_shortened(connection: Connection) -> None:
    offer_certificate(connection)
    record_issuer(connection, RENAMED, by=TESTER)
    before = connection.execute(
        "select attachment_id, valid_to from registry.attachments order by 1"
    ).fetchall()
    with pytest.raises(RegistryError) as refused:
        detach(connection, "c", valid_to=day(9), by=TESTER)
    assert refused.value.code == "certificate_not_attached"
    after = connection.execute(
        "select attachment_id, valid_to from registry.attachments order by 1"
    ).fetchall()
    assert after == before


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\x00" * 64)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(12_000, 10_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(width: int, height: int) -> None:
    with pytest.raises(RegistryError) as refused:
        check_signature(png_that_claims(width, height))
    assert refused.value.code == "signature_too_large"


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    out = io.BytesIO()
    white = Image.new("RGB", (40, 20), "white")
    white.save(out, "MPO", save_all=True, append_images=[white])
    assert check_signature(out.getvalue()).media_type == "image/jpeg"
