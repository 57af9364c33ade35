"""Where two operators, or a file made to harm, meet the registry."""

import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from PIL import Image
from registry_worlds import BOARD, add_course, attach_to, day, offer_certificate

from pramaan.database.connect import Connection, connect
from pramaan.errors import RegistryError
from pramaan.registry.attachments import detach
from pramaan.registry.issuers import Issuer, check_signature, record_issuer
from pramaan.settings import Settings

RENAMED = Issuer("board", "t", "The New Board")


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def wait_until_blocked(connection: Connection) -> None:
    """Until another session of this database waits for a lock."""
    for _ in range(500):
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
    record_issuer(connection, BOARD, recorded_by="test")

    def attach_elsewhere() -> None:
        with connect(url) as other:
            attach_to(other, valid_from=day(1))

    with ThreadPoolExecutor(1) as threads:
        with connection.transaction():
            record_issuer(connection, RENAMED, recorded_by="test")
            attaching = threads.submit(attach_elsewhere)
            wait_until_blocked(connection)
        attaching.result(timeout=10)
    assert connection.execute("select issuer_version from registry.attachments").fetchall() == [(2,)]


def test_detached_while_the_issuer_changes_the_successor_ends(connection: Connection, url: str) -> None:
    offer_certificate(connection)

    def detach_elsewhere() -> None:
        with connect(url) as other:
            row = other.execute("select clock_timestamp() + interval '1 minute'").fetchone()
            assert row is not None
            detach(other, "c", valid_to=row[0])  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as threads:
        with connection.transaction():
            record_issuer(connection, RENAMED, recorded_by="test")
            detaching = threads.submit(detach_elsewhere)
            wait_until_blocked(connection)
        detaching.result(timeout=10)
    assert connection.execute(
        "select count(*) from registry.attachments where valid_to is null"
    ).fetchone() == (0,)


def test_a_detachment_that_is_still_to_come_can_be_brought_forward(connection: Connection) -> None:
    offer_certificate(connection)
    row = connection.execute("select now()").fetchone()
    assert row is not None
    now = row[0]
    detach(connection, "c", valid_to=now + timedelta(days=9))  # type: ignore[operator]
    detach(connection, "c", valid_to=now)  # type: ignore[arg-type]
    assert connection.execute("select valid_to from registry.attachments").fetchall() == [(now,)]


def test_what_has_ended_is_never_shortened(connection: Connection) -> None:
    offer_certificate(connection)
    record_issuer(connection, RENAMED, recorded_by="test")
    before = connection.execute(
        "select attachment_id, valid_to from registry.attachments order by 1"
    ).fetchall()
    with pytest.raises(RegistryError) as refused:
        detach(connection, "c", valid_to=day(9))
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


def test_svg_is_refused_by_its_name() -> None:
    with pytest.raises(RegistryError, match="SVG"):
        check_signature(b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>")
