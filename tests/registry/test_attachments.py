"""Attachments: what is refused and why, and that at most one is in force whoever writes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from psycopg.errors import CheckViolation, ExclusionViolation
from registry_worlds import BOARD, TEMPLATE, add_course, attach_to, changed_courses, day, offer_certificate

from pramaan.database.connect import Connection, connect
from pramaan.errors import RegistryError
from pramaan.registry.attachment_changes import attach, detach
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.registry.templates import KeptTemplate, template_archive
from pramaan.settings import Settings
from worlds import TESTER

INSERT = """
    insert into registry.attachments
        (course_id, tenant_id, template_id, template_version, issuer_id, issuer_version,
         valid_from, valid_to, asserted_by)
    values ('c', 't', 'classic', '1', 'board', 1, %s, %s, 'test')
"""


@pytest.fixture
def published_course(connection: Connection) -> Connection:
    """A published course c of tenant t and its board; no certificate yet."""
    add_course(connection)
    record_issuer(connection, BOARD, by=TESTER)
    return connection


@pytest.fixture
def offered_certificate(connection: Connection) -> Connection:
    """The certificate of course c has been in force since 1 March."""
    offer_certificate(connection)
    connection.execute("truncate ops.changed_keys")
    return connection


def intervals(connection: Connection) -> list[tuple[object, object]]:
    return connection.execute(  # type: ignore[return-value]
        "select valid_from, valid_to from registry.attachments order by valid_from"
    ).fetchall()


def test_attach_writes_what_was_asked(published_course: Connection) -> None:
    attachment_id = attach_to(
        published_course, criteria=Criteria(("t", "s", "t"), 60), reason="import of history"
    )
    row = published_course.execute(
        "select course_id, tenant_id, template_id, template_version, issuer_id, issuer_version, criteria, "
        "valid_from, valid_to, asserted_by, reason from registry.attachments where attachment_id = %s",
        (attachment_id,),
    ).fetchone()
    criteria = {"recipient_tenants": ["s", "t"], "minimum_score": 60}
    assert row == ("c", "t", "classic", "1", "board", 1, criteria, day(1), None, "test", "import of history")
    assert changed_courses(published_course) == ["c"]


@pytest.mark.parametrize(
    ("criteria", "kept"),
    [
        (Criteria(), {}),
        (Criteria(("t",)), {"recipient_tenants": ["t"]}),
        (Criteria((), 0), {"minimum_score": 0}),
        (Criteria((), 59.9), {"minimum_score": 59.9}),
    ],
)
def test_only_the_criteria_that_were_asked_are_kept(
    published_course: Connection, criteria: Criteria, kept: dict[str, object]
) -> None:
    attach_to(published_course, criteria=criteria)
    assert published_course.execute("select criteria from registry.attachments").fetchone() == (kept,)


def test_a_later_course_version_says_whose_it_is(published_course: Connection) -> None:
    add_course(published_course, tenant_id="s", updated_at=day(9))
    record_issuer(published_course, Issuer("s-board", "s", "Board"), by=TESTER)
    attach_to(published_course, issuer_id="s-board")
    assert published_course.execute("select tenant_id from registry.attachments").fetchone() == ("s",)


def test_published_by_an_earlier_version_is_published(connection: Connection) -> None:
    add_course(connection)
    add_course(connection, published_at=None, updated_at=day(9))
    record_issuer(connection, BOARD, by=TESTER)
    attach_to(connection)


@pytest.mark.parametrize(
    ("course", "terms", "code"),
    [
        ({"course_id": "other"}, {}, "course_not_found"),
        ({"status": "Draft"}, {}, "course_not_published"),
        ({"published_at": None}, {}, "course_not_published"),
        ({}, {"issuer_id": "nobody"}, "issuer_not_found"),
        ({"tenant_id": "s"}, {}, "issuer_of_other_tenant"),
    ],
)
def test_attach_refuses(
    connection: Connection, course: dict[str, object], terms: dict[str, object], code: str
) -> None:
    add_course(connection, **course)  # type: ignore[arg-type]
    record_issuer(connection, BOARD, by=TESTER)
    with pytest.raises(RegistryError) as refused:
        attach_to(connection, **terms)
    assert refused.value.code == code
    assert intervals(connection) == []
    assert changed_courses(connection) == []


@pytest.mark.parametrize(
    ("tenants", "score"), [((), -1), ((), 100.1), ((), float("nan")), ((" ",), None), (("",), None)]
)
def test_criteria_that_mean_nothing_are_refused(tenants: tuple[str, ...], score: float | None) -> None:
    with pytest.raises(RegistryError) as refused:
        Criteria(tenants, score)
    assert refused.value.code == "invalid_criteria"


@pytest.mark.parametrize("valid_from", [day(1), day(9)])
def test_a_second_certificate_is_refused(offered_certificate: Connection, valid_from: datetime) -> None:
    with pytest.raises(RegistryError) as refused:
        attach_to(offered_certificate, valid_from=valid_from)
    assert refused.value.code == "certificate_already_attached"
    assert intervals(offered_certificate) == [(day(1), None)]
    assert changed_courses(offered_certificate) == []


def test_after_a_detachment_another_begins_at_that_instant(offered_certificate: Connection) -> None:
    detach(offered_certificate, "c", valid_to=day(9), by=TESTER)
    attach_to(offered_certificate, valid_from=day(9))
    assert intervals(offered_certificate) == [(day(1), day(9)), (day(9), None)]
    assert changed_courses(offered_certificate) == ["c", "c"]


@pytest.mark.parametrize("course_id", ["c", "unknown"])
def test_detach_refuses_what_is_not_attached(published_course: Connection, course_id: str) -> None:
    with pytest.raises(RegistryError) as refused:
        detach(published_course, course_id, valid_to=day(9), by=TESTER)
    assert refused.value.code == "certificate_not_attached"


def test_detach_refuses_an_instant_before_it_was_in_force(offered_certificate: Connection) -> None:
    with pytest.raises(RegistryError) as refused:
        detach(offered_certificate, "c", valid_to=datetime(2024, 2, 1, tzinfo=UTC), by=TESTER)
    assert refused.value.code == "certificate_not_attached"
    assert intervals(offered_certificate) == [(day(1), None)]


def test_detach_twice_is_refused_and_changes_nothing(offered_certificate: Connection) -> None:
    detach(offered_certificate, "c", valid_to=day(9), by=TESTER)
    with pytest.raises(RegistryError) as refused:
        detach(offered_certificate, "c", valid_to=day(10), by=TESTER)
    assert refused.value.code == "certificate_not_attached"
    assert intervals(offered_certificate) == [(day(1), day(9))]


def test_detached_at_its_first_instant_it_was_never_in_force(offered_certificate: Connection) -> None:
    detach(offered_certificate, "c", valid_to=day(1), by=TESTER)
    attach_to(offered_certificate, valid_from=day(1))
    assert intervals(offered_certificate) in (
        [(day(1), day(1)), (day(1), None)],
        [(day(1), None), (day(1), day(1))],
    )


@pytest.mark.parametrize(
    ("valid_from", "valid_to"), [(day(5), None), (day(5), day(6)), (datetime(2024, 1, 1, tzinfo=UTC), day(2))]
)
def test_the_database_itself_refuses_an_overlap(
    offered_certificate: Connection, valid_from: datetime, valid_to: datetime | None
) -> None:
    with pytest.raises(ExclusionViolation):
        offered_certificate.execute(INSERT, (valid_from, valid_to))


def test_the_database_itself_refuses_an_end_before_the_beginning(offered_certificate: Connection) -> None:
    with pytest.raises(CheckViolation):
        offered_certificate.execute(INSERT, (day(9), day(8)))


def test_the_database_itself_accepts_what_touches(offered_certificate: Connection) -> None:
    offered_certificate.execute(INSERT, (datetime(2024, 1, 1, tzinfo=UTC), day(1)))
    assert len(intervals(offered_certificate)) == 2


def test_of_two_at_once_one_wins(published_course: Connection, settings: Settings) -> None:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    together = threading.Barrier(2)

    def try_to_attach(_: int) -> str:
        with connect(url) as connection:
            together.wait()
            try:
                attach_to(connection)
            except RegistryError as refused:
                return refused.code
            return "attached"

    with ThreadPoolExecutor(2) as threads:
        ends = sorted(threads.map(try_to_attach, range(2)))
    assert ends == ["attached", "certificate_already_attached"]
    assert intervals(published_course) == [(day(1), None)]


def test_one_template_is_kept_once_by_its_hash(published_course: Connection) -> None:
    add_course(published_course, "c2")
    attach_to(published_course)
    attach_to(published_course, "c2")
    changed = KeptTemplate("classic", "2", b"changed")
    detach(published_course, "c2", valid_to=day(9), by=TESTER)
    attach_to(published_course, "c2", valid_from=day(9), template=changed)
    kept = published_course.execute("select version from registry.template_versions order by 1").fetchall()
    assert kept == [("1",), ("2",)]
    assert template_archive(published_course, "classic", "1") == TEMPLATE.archive
    assert template_archive(published_course, "classic", "2") == b"changed"
    with pytest.raises(KeyError):
        template_archive(published_course, "classic", "3")


def test_history_before_a_certificate_is_filled_up_to_it(offered_certificate: Connection) -> None:
    long_ago = datetime(2024, 1, 1, tzinfo=UTC)
    attach_to(offered_certificate, valid_from=long_ago)
    rows = offered_certificate.execute(
        "select valid_from, valid_to from registry.attachments order by valid_from"
    ).fetchall()
    assert len(rows) == 2
    assert rows[0] == (long_ago, rows[1][0])


def test_a_template_that_asks_for_what_the_issuer_lacks_is_refused(connection: Connection) -> None:
    add_course(connection)
    record_issuer(connection, Issuer("board", "t", "The Board"), by=TESTER)
    template = KeptTemplate("strict", "0", b"", frozenset({"recipient_name", "signatory_name", "motto"}))
    with pytest.raises(RegistryError, match="requires motto, signatory_name") as refused:
        attach(
            connection,
            "c",
            template=template,
            issuer_id="board",
            criteria=Criteria(),
            valid_from=day(1),
            by=TESTER,
        )
    assert refused.value.code == "template_not_usable"
