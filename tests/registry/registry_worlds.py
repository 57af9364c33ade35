"""What the registry's tests start from: a published course, its board, a certificate in force."""

import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from PIL import Image

from pramaan.database.connect import Connection
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.registry.templates import KeptTemplate
from pramaan.signatures.images import Signature, check_signature
from worlds import TESTER

TEMPLATE = KeptTemplate("classic", "1", b"archive")
BOARD = Issuer(
    "board", "t", "The Board", "https://board.example", "board@board.example", "Dr Rao", "Registrar"
)


def day(number: int) -> datetime:
    """An instant in March 2024."""
    return datetime(2024, 3, number, tzinfo=UTC)


def add_course(connection: Connection, course_id: str = "c", **changes: object) -> None:
    """A version of a live course of tenant t, published in January."""
    row = {
        "course_id": course_id,
        "name": "Course",
        "tenant_id": "t",
        "status": "Live",
        "leaf_count": 1,
        "published_at": datetime(2024, 1, 1, tzinfo=UTC),
        "updated_at": day(1),
        "load_id": 1,
    } | changes
    connection.execute(
        "insert into raw.courses "
        "(course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id) "
        "values (%(course_id)s, %(name)s, %(tenant_id)s, %(status)s, %(leaf_count)s, %(published_at)s, "
        "%(updated_at)s, %(load_id)s)",
        row,
    )


def attach_to(connection: Connection, course_id: str = "c", **changes: Any) -> UUID:
    """Assert the board's certificate to a course from 1 March on."""
    terms = {
        "template": TEMPLATE,
        "issuer_id": "board",
        "criteria": Criteria(),
        "valid_from": day(1),
        "by": TESTER,
    }
    return attach(connection, course_id, **(terms | changes)).attachment_id


def offer_certificate(connection: Connection) -> UUID:
    """A published course whose certificate has been in force since 1 March."""
    add_course(connection)
    record_issuer(connection, BOARD, by=TESTER)
    return attach_to(connection)


def signature(width: int = 40, height: int = 20, fmt: str = "PNG") -> Signature:
    """A signature image, checked."""
    return check_signature(image_bytes(width, height, fmt))


def image_bytes(width: int = 40, height: int = 20, fmt: str = "PNG") -> bytes:
    """A white image."""
    out = io.BytesIO()
    Image.new("L", (width, height), 255).save(out, fmt)
    return out.getvalue()


def changed_courses(connection: Connection) -> list[str]:
    """The courses whose attachments changed and whose decisions are still to be made again."""
    rows = connection.execute(
        "select course_id from ops.changed_keys where kind = 'attachment' order by change_id"
    ).fetchall()
    return [str(row[0]) for row in rows]
