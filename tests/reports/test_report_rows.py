"""A report's rows: every column by the contract, in order, of one instant."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from report_people import (
    COURSE,
    add_batch,
    add_nasty_people,
    add_person,
    add_progress,
    as_told,
    opened,
    rows_of,
)

from pramaan.bench.registry_rows import unguarded_registry
from pramaan.database.connect import Connection, connect
from pramaan.errors import ReportError
from pramaan.pipeline import Pipeline
from pramaan.reports.rows import MOST_SCORED_CONTENTS, Totals
from pramaan.settings import Settings
from worlds import database_url, finishers_waiting, open_hold

_STORED = """
    update registry.certificates set issued_at = now(), pdf_path = 'certificates/00/x.pdf',
        pdf_sha256 = 'x', pdf_bytes = 1, engine_version = 'x', error_class = 'x'
"""

_ANOTHER_CERTIFICATE = """
    insert into registry.certificates (certificate_id, user_id, course_id, batch_id, sequence, attachment_id,
        recipient_name, completed_at, status, render_input, issued_at, pdf_path, pdf_sha256, pdf_bytes,
        engine_version, badge_recipient)
    select certificate_id || %(batch_id)s, user_id, course_id, %(batch_id)s, 2, attachment_id,
        recipient_name, completed_at, case when %(is_issued)s then 'issued' else 'pending' end, render_input,
        case when %(is_issued)s then issued_at + interval '1 day' end, pdf_path, pdf_sha256, pdf_bytes,
        engine_version, badge_recipient
    from registry.certificates
    where batch_id = 'b' and user_id = any(%(user_ids)s)
"""


@pytest.fixture(autouse=True)
def _any_status_at_will(connection: Connection) -> Iterator[None]:
    """Certificates here are given whatever status a report is to show."""
    with unguarded_registry(connection):
        yield


@pytest.fixture
def one_batch(connection: Connection) -> None:
    add_batch(connection)


@pytest.mark.usefixtures("one_batch")
def test_a_row_says_all_that_is_known_of_a_person(connection: Connection) -> None:
    add_person(connection, "u1", completed_at="2026-02-01T20:00:00Z")
    add_progress(connection, "u1", ("do_2", 2, 71.5), ("do_1", 2, None), ("do_3", 1, 60.0))
    assert rows_of(connection) == [
        {
            "collection_id": COURSE,
            "collection_name": "Reading",
            "batch_id": "b",
            "batch_name": "January",
            "user_id": "u1",
            "user_name": "Asha Rao",
            "email": "as***@example.org",
            "mobile": "10",
            "state": "Bihar",
            "district": "Gaya",
            "org_name": "Board",
            "school_id": "S1",
            "school_name": "Girls High",
            "block_name": "Bodh Gaya",
            "cluster_name": "North",
            "user_type": "teacher",
            "user_sub_type": "head",
            "declared_board": "CBSE",
            "enrolment_date": date(2026, 1, 5),
            "completion_date": date(2026, 2, 2),
            "certificate_status": None,
            "progress": 100,
            "total_score": 65.8,
            "score_0": 71.5,
            "score_1": 60.0,
        }
    ]


@pytest.mark.usefixtures("one_batch")
def test_who_people_of_other_tenants_are_is_left_out(connection: Connection) -> None:
    add_person(connection, "ours")
    add_person(connection, "theirs", tenant_id="other", name="Zoya")
    connection.execute(
        "insert into raw.enrolments values ('unknown', 'b', %s, now(), true, now(), 1)", (COURSE,)
    )
    hidden = ("user_name", "email", "mobile", "school_id", "school_name", "block_name")
    rows = {row["user_id"]: row for row in rows_of(connection, tenants=["t"])}
    assert set(rows) == {"ours", "theirs", "unknown"}
    assert [rows["theirs"][name] for name in hidden] == [None] * len(hidden)
    assert (rows["theirs"]["district"], rows["theirs"]["cluster_name"]) == ("Gaya", "North")
    assert None not in [rows["ours"][name] for name in hidden]
    assert {row["user_name"] for row in rows_of(connection)} == {"Asha Rao", "Zoya", None}
    assert {row["user_name"] for row in rows_of(connection, tenants=[])} == {None}


@pytest.mark.usefixtures("one_batch")
def test_nobody_sees_by_their_order_how_hidden_people_are_called(connection: Connection) -> None:
    for user_id, name in (("1", "Zoya"), ("2", "Asha"), ("3", "Meena")):
        add_person(connection, user_id, name=name, tenant_id="other")
    assert [row["user_id"] for row in rows_of(connection, tenants=["t"])] == ["1", "2", "3"]


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("asha@example.org", "as***@example.org"),
        ("as@example.org", "as***@example.org"),
        ("a@example.org", "a***@example.org"),
        ('"a@b"@example.org', '"a***@example.org'),
        ("आशा@example.org", "आश***@example.org"),
        ("no address", None),
        ("@example.org", None),
        ("asha@", None),
        (None, None),
    ],
)
def test_an_address_is_masked(connection: Connection, email: str | None, masked: str | None) -> None:
    add_person(connection, "u1", email=email)
    assert rows_of(connection)[0]["email"] == masked


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize(
    ("phone", "shown"),
    [("9876543210", "10"), ("+91 98765-4320 7 ", "07"), ("7", "7"), ("none", None), (None, None)],
)
def test_of_a_number_the_last_two_digits_are_shown(
    connection: Connection, phone: str | None, shown: str | None
) -> None:
    add_person(connection, "u1", phone=phone)
    assert rows_of(connection)[0]["mobile"] == shown


@pytest.mark.usefixtures("one_batch")
def test_whoever_has_left_is_not_there_nor_are_their_scores(connection: Connection) -> None:
    add_person(connection, "left", active=False)
    add_progress(connection, "left", ("do_1", 2, 50.0))
    add_person(connection, "stays")
    with opened(connection) as report:
        assert report.scored_contents == ()
        assert [row["user_id"] for batch in report.batches for row in batch.to_pylist()] == ["stays"]


@pytest.mark.usefixtures("one_batch")
def test_people_come_by_name_as_unicode_sorts_then_by_id(connection: Connection) -> None:
    names = ["Asha", "ashok", "Émile", "Emma", "Zoya", "अनिता", "ईश्वर"]
    for n, name in enumerate(reversed(names)):
        add_person(connection, f"u{n}", name=name)
    for user_id in ("x", "B", "a"):
        add_person(connection, user_id, name="Zoya")
    add_person(connection, "nameless", name=None)
    rows = rows_of(connection)
    assert [row["user_name"] for row in rows] == [None, *names[:4], *["Zoya"] * 4, *names[5:]]
    assert [row["user_id"] for row in rows if row["user_name"] == "Zoya"] == ["B", "a", "u2", "x"]


@pytest.mark.parametrize(
    ("leaf_count", "done", "progress"),
    [(3, 0, 0), (3, 1, 33), (3, 2, 66), (3, 3, 100), (3, 4, 100), (201, 200, 99)],
)
def test_progress_is_rounded_down(connection: Connection, leaf_count: int, done: int, progress: int) -> None:
    add_batch(connection, leaf_count=leaf_count)
    add_person(connection, "u1")
    add_progress(connection, "u1", *((f"do_{n}", 2, None) for n in range(done)), ("do_begun", 1, None))
    assert rows_of(connection)[0]["progress"] == progress


def test_whoever_completed_stays_at_hundred_when_the_course_grows(connection: Connection) -> None:
    add_batch(connection, leaf_count=1)
    add_person(connection, "u1", completed_at="2026-02-01T00:00:00Z")
    add_progress(connection, "u1", ("do_1", 2, None))
    connection.execute(
        "insert into raw.courses select course_id, name, tenant_id, status, language, 2, null, now(), 1 "
        "from raw.courses"
    )
    assert rows_of(connection)[0]["progress"] == 100


@pytest.mark.usefixtures("one_batch")
def test_without_its_course_a_batch_has_no_progress_to_tell(connection: Connection) -> None:
    add_person(connection, "u1")
    connection.execute("delete from raw.courses")
    row = rows_of(connection)[0]
    assert (row["collection_id"], row["collection_name"], row["progress"]) == (COURSE, None, None)


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize(
    ("scores", "mean"),
    [
        ((50.25, 50.25), 50.3),
        ((0.1, 0.2), 0.2),
        ((33.3, 33.4), 33.4),
        ((64.15,), 64.2),
        ((0.0,), 0.0),
        ((None,), None),
    ],
)
def test_the_total_score_is_the_mean_as_people_reckon_it(
    connection: Connection, scores: tuple[float | None, ...], mean: float | None
) -> None:
    add_person(connection, "u1")
    add_progress(connection, "u1", *((f"do_{n}", 1, score) for n, score in enumerate(scores)))
    add_progress(connection, "u1", ("elsewhere", 2, 1.0), course_id="another course")
    assert rows_of(connection)[0]["total_score"] == mean


@pytest.mark.usefixtures("one_batch")
def test_days_are_those_of_the_time_zone(connection: Connection) -> None:
    add_person(connection, "u1", enrolled_at="2026-01-31T18:29:59Z", completed_at="2026-01-31T18:30:00Z")
    row = rows_of(connection)[0]
    assert (row["enrolment_date"], row["completion_date"]) == (date(2026, 1, 31), date(2026, 2, 1))


def test_the_status_is_that_of_the_newest_certificate(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=6)
    statuses = ("pending", "held", "issued", "failed", "revoked", "superseded")
    for n, status in enumerate(statuses):
        connection.execute(
            f"{_STORED}, status = %s, hold_id = %s, revoked_at = %s, revoked_by = '', revocation_reason = '' "
            "where user_id = %s",
            (
                status,
                open_hold(connection, "c") if status == "held" else None,
                "2026-03-01Z" if status == "revoked" else None,
                f"u{n:05}",
            ),
        )
    connection.execute(
        "insert into registry.certificates (certificate_id, user_id, course_id, batch_id, sequence, "
        "attachment_id, recipient_name, completed_at, status, render_input, badge_recipient) "
        "select 'again', user_id, course_id, batch_id, 2, attachment_id, recipient_name, completed_at, "
        "'pending', render_input, badge_recipient from registry.certificates where status = 'superseded'"
    )
    rows = {row["user_id"]: row["certificate_status"] for row in rows_of(connection)}
    shown = ["Pending", "Held", "Issued", "Failed", "Revoked", "Pending"]
    assert [rows[f"u{n:05}"] for n in range(6)] == shown


def test_while_a_successor_is_to_come_the_certificate_in_force_is_shown(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=2)
    connection.execute(f"{_STORED}, status = 'issued'")
    for user_id, status in (("u00000", "pending"), ("u00001", "failed")):
        connection.execute(
            "insert into registry.certificates (certificate_id, user_id, course_id, batch_id, sequence, "
            "attachment_id, recipient_name, completed_at, status, error_class, render_input, "
            "badge_recipient, origin, created_by, supersedes) "
            "select 'successor of ' || user_id, user_id, course_id, batch_id, 2, attachment_id, "
            "recipient_name, completed_at, %s, 'x', render_input, badge_recipient, 'reissue', 'asha', "
            "certificate_id from registry.certificates where user_id = %s",
            (status, user_id),
        )
    assert [row["certificate_status"] for row in rows_of(connection)] == ["Issued", "Issued"]


def test_the_totals_are_there_before_the_rows_are_read(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=3)
    connection.execute(f"{_STORED}, status = 'issued' where user_id <> 'u00000'")
    connection.execute(
        "insert into raw.telemetry (mid, eid, ets, actor_id, object_id, event, load_id) "
        "select certificate_id || object_id, 'INTERACT', now(), user_id, object_id, event::json, 1 "
        "from registry.certificates, lateral (values (certificate_id, %s), (course_id, %s)) "
        "as clicks (object_id, event) where user_id in ('u00000', 'u00001')",
        (
            '{"edata": {"id": "profile-download-certificate"}}',
            '{"edata": {"subtype": "DOWNLOAD_CERTIFICATE_CLICKED"}}',
        ),
    )
    for user_id, status in (("begun", 1), ("opened", 0)):
        connection.execute(
            "insert into raw.enrolments values (%s, 'b', 'c', now(), true, now(), 1)", (user_id,)
        )
        add_progress(connection, user_id, ("k", status, None), course_id="c")
    with opened(connection) as report:
        assert report.totals == Totals(
            enrolled=5, in_progress=1, completed=3, certificates_issued=2, downloaded=1
        )


def add_click(connection: Connection, user_id: str, object_id: str) -> None:
    """A click on a certificate, as the app reports it."""
    connection.execute(
        "insert into raw.telemetry (mid, eid, ets, actor_id, object_id, event, load_id) "
        "values (%(user_id)s || %(object_id)s, 'INTERACT', now(), %(user_id)s, %(object_id)s, "
        """'{"edata": {"subtype": "DOWNLOAD_CERTIFICATE_CLICKED"}}', 1)""",
        {"user_id": user_id, "object_id": object_id},
    )


def downloaded(connection: Connection, batch_id: str) -> int:
    with opened(connection, batch_id) as report:
        return report.totals.downloaded


def test_a_click_on_a_course_is_one_on_the_newest_certificate_of_it(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=3)
    connection.execute(f"{_STORED}, status = 'issued'")
    for batch_id, user_ids, issued in (("b2", ["u00000", "u00001"], True), ("b3", ["u00002"], False)):
        connection.execute(
            "insert into raw.batches (batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, "
            "updated_at, load_id) values (%s, 'c', 't', 'Again', 'open', '{}', now(), 1)",
            (batch_id,),
        )
        connection.execute(
            _ANOTHER_CERTIFICATE, {"batch_id": batch_id, "user_ids": user_ids, "is_issued": issued}
        )
    for user_id in ("u00000", "u00002"):
        add_click(connection, user_id, "c")
    # The first has the newest of batch b2; the third's of b3 waits, and nobody can have clicked on it.
    assert [downloaded(connection, batch_id) for batch_id in ("b", "b2", "b3")] == [1, 1, 0]
    add_click(connection, "u00000", certificate_id(connection, "u00000", "b"))
    add_click(connection, "u00001", certificate_id(connection, "u00000", "b2"))
    assert [downloaded(connection, batch_id) for batch_id in ("b", "b2", "b3")] == [2, 1, 0]


def test_a_click_before_a_re_issue_still_counts(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=2)
    connection.execute(f"{_STORED}, status = 'superseded'")
    connection.execute(
        _ANOTHER_CERTIFICATE, {"batch_id": "b", "user_ids": ["u00000", "u00001"], "is_issued": True}
    )
    add_click(connection, "u00000", certificate_id(connection, "u00000", "b"))
    assert downloaded(connection, "b") == 1
    add_click(connection, "u00001", "c")
    assert downloaded(connection, "b") == 2


def certificate_id(connection: Connection, user_id: str, batch_id: str) -> str:
    """Of somebody's first certificate in a batch."""
    row = connection.execute(
        "select certificate_id from registry.certificates where user_id = %s and batch_id = %s "
        "order by sequence limit 1",
        (user_id, batch_id),
    ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.usefixtures("one_batch")
def test_an_empty_batch_has_no_rows_and_all_columns(connection: Connection) -> None:
    with opened(connection) as report:
        assert list(report.batches) == []
        assert report.totals == Totals(0, 0, 0, 0, 0)
        assert report.batches.schema.names[:2] == ["collection_id", "collection_name"]


def test_nothing_of_a_nasty_text_is_lost(connection: Connection) -> None:
    add_nasty_people(connection)
    told = as_told(connection)
    assert {row["user_id"]: list(row.values()) for row in rows_of(connection)} == told


@pytest.mark.usefixtures("one_batch")
def test_the_longest_row_that_a_feed_can_make_is_read(connection: Connection) -> None:
    longest = '"' * (1 << 16)
    for user_id in ("u1", "u2", "u3"):
        add_person(connection, user_id, name=longest)
    connection.execute(
        "update raw.users set state = name, district = name, block = name, cluster = name, "
        "school_name = name, org_name = name, user_type = name, user_sub_type = name, declared_board = name"
    )
    rows = rows_of(connection)
    assert [list(row.values()).count(longest) for row in rows] == [10, 10, 10]


WAITS = """
    select 1 from pg_locks inner join pg_database on pg_locks.database = pg_database.oid
    where not granted and datname = current_database()
"""


@pytest.mark.usefixtures("one_batch")
def test_what_is_written_while_a_report_is_read_is_not_in_it(
    settings: Settings, connection: Connection
) -> None:
    add_person(connection, "u1")
    with connect(database_url(settings)) as other, ThreadPoolExecutor(1) as reader:
        with other.transaction():
            # The report begins, and waits for this table once it has seen its batch.
            other.execute("lock table registry.certificates in access exclusive mode")
            read = reader.submit(rows_of, connection)
            while not other.execute(WAITS).fetchone():
                assert not read.done()
            add_person(other, "u2")
            other.execute("update raw.users set name = 'Changed'")
        assert [row["user_name"] for row in read.result()] == ["Asha Rao"]
    assert len(rows_of(connection)) == 2


def test_a_batch_that_is_not_known_is_an_error(connection: Connection) -> None:
    with pytest.raises(ReportError, match="there is no batch b") as caught:
        rows_of(connection)
    assert caught.value.code == "batch_not_found"


@pytest.mark.usefixtures("one_batch")
def test_scores_in_more_contents_than_a_course_has_are_an_error(connection: Connection) -> None:
    add_person(connection, "u1")
    connection.execute(
        "insert into raw.progress select 'u1', 'b', 'do_' || n, %s, 1, 1.0, null, now(), 1 "
        "from generate_series(1, %s) as n",
        (COURSE, MOST_SCORED_CONTENTS),
    )
    assert len(rows_of(connection)[0]) == 23 + MOST_SCORED_CONTENTS
    add_progress(connection, "u1", ("one more", 1, 1.0))
    with pytest.raises(ReportError, match="more than 1,000 contents") as caught:
        rows_of(connection)
    assert caught.value.code == "too_many_contents"
