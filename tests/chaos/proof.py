"""The proof that everybody got exactly what they earned, once: registry, store and facts say the same."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from chaos.synthetic_people import COURSES, Key, People
from pramaan.database.connect import Connection
from pramaan.feeds.landing import Landing
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.settings import Settings
from worlds import LONG_AGO, TESTER, store_files, store_root

__all__ = ["assert_exactly_once", "assert_store_matches", "attach_chaos", "certificates", "issued"]

_OURS = "course_id like 'chaos-%%'"


def attach_chaos(connection: Connection) -> None:
    """Assert the certificates of the people's courses; its catalogue is loaded."""
    issuer = Issuer("chaos", "chaos", "The Board", signatory_name="Dr Rao", signatory_designation="Registrar")
    record_issuer(connection, issuer, by=TESTER)
    for course in COURSES:
        if course.offers_certificate:
            attach(
                connection,
                course.course_id,
                template=kept_template("classic"),
                issuer_id="chaos",
                criteria=Criteria(course.recipient_tenants, course.minimum_score),
                valid_from=LONG_AGO,
                by=TESTER,
                reason="import of history",
            )


def issued(connection: Connection) -> int:
    """How many certificates of the people's courses are issued."""
    row = connection.execute(
        f"select count(*) from registry.certificates where {_OURS} and status = 'issued'", ()
    ).fetchone()
    return int(str(row[0])) if row else 0


def certificates(connection: Connection) -> list[tuple[object, ...]]:
    """Every certificate as it stands, to see that a later run changes none."""
    return connection.execute(
        "select certificate_id, status, issued_at, pdf_path, pdf_sha256 from registry.certificates order by 1"
    ).fetchall()


def assert_exactly_once(settings: Settings, connection: Connection, groups: Iterable[People]) -> None:
    """Nobody forgotten, nobody twice, nobody `failed`; every file is the one that is recorded, and whole."""
    those = tuple(groups)
    found = connection.execute(
        f"""
        select user_id, course_id, batch_id, status, error_class, recipient_name
        from registry.certificates where {_OURS}
        """,
        (),
    ).fetchall()
    assert Counter(row[3:5] for row in found) == {("issued", None): len(found)}
    keys = [(str(user), str(course), str(batch)) for user, course, batch, *_ in found]
    assert_same_set(keys, frozenset().union(*(people.entitled for people in those)))
    names = {user: spelt for people in those for user, spelt in people.names.items()}
    assert [row[0] for row in found if str(row[5]) not in names[str(row[0])]] == []
    assert_outcomes(connection)
    assert_store_matches(settings, connection)
    assert_loaded_once(settings, connection, those)


def assert_same_set(keys: list[Key], expected: frozenset[Key]) -> None:
    assert sorted(expected - set(keys)) == [], "forgotten"
    assert sorted(set(keys) - expected) == [], "not earned"
    assert [key for key, times in Counter(keys).items() if times > 1] == [], "more than one"


def assert_outcomes(connection: Connection) -> None:
    """Each certificate was issued in one attempt, and no attempt found fault with an innocent one."""
    outcomes = connection.execute(
        f"""
        select certificate_id, outcomes.status, outcomes.error_class, count(*)
        from ops.outcomes as outcomes inner join registry.certificates using (certificate_id)
        where {_OURS} group by 1, 2, 3
        """,
        (),
    ).fetchall()
    assert [row for row in outcomes if row[1] == "failed"] == []
    assert [row for row in outcomes if row[1] == "issued" and row[3] != 1] == []


def assert_store_matches(settings: Settings, connection: Connection) -> None:
    """The store holds the recorded PDFs, byte for byte, and nothing else that has the name of one."""
    rows = connection.execute(
        "select pdf_path, pdf_sha256 from registry.certificates where status = 'issued'"
    ).fetchall()
    recorded = {str(store_root(settings) / str(path)): str(sha256) for path, sha256 in rows}
    files = store_files(settings)
    stored = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if _counts(path)}
    assert sorted(set(stored) - set(recorded)) == [], "in the store, and nobody's"
    assert sorted(set(recorded) - set(stored)) == [], "recorded, and not in the store"
    assert stored == recorded
    assert [path for path in files if not _counts(path) and not _is_aside(path)] == []


def _counts(path: Path) -> bool:
    return path.suffix == ".pdf" and not path.name.startswith(".")


def _is_aside(path: Path) -> bool:
    """Half-written when its writer was killed, under a name that no reader takes for a PDF's."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def assert_loaded_once(settings: Settings, connection: Connection, groups: tuple[People, ...]) -> None:
    """Each file's rows were taken once, and nothing waits."""
    labels = [f"{user.rpartition('-')[0]}-%" for people in groups for user in list(people.names)[:1]]
    for feed in ("users", "enrolments", "progress"):
        rows = connection.execute(
            f"select count(*) from raw.{feed} where user_id like any(%s)", (labels,)
        ).fetchone()
        assert rows == (sum(people.rows[feed] for people in groups),), feed
    broken = connection.execute(
        "select count(*) from ops.quarantine where raw_row::text like '%%-broken-%%'", ()
    ).fetchone()
    assert broken == (sum(people.broken for people in groups),)
    assert Landing(settings.landing_url).waiting() == []
    assert connection.execute("select count(*) from ops.changed_keys").fetchone() == (0,)
