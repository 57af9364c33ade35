"""Batches as they are found: by tenant, by text, by id."""

from pramaan.database.connect import Connection
from pramaan.registry.batches import find_batches

_FACTS = """
    insert into raw.courses
        (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id)
    values ('c', 'Reading aloud', 't', 'Live', 1, '2025-01-01', '2025-01-01', 1),
        ('c', 'Reading', 't', 'Live', 1, '2025-01-01', '2025-02-01', 1);
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, end_date, mentor_ids, updated_at, load_id)
    values ('b1', 'c', 't', 'Spring', 'open', '2026-03-31', '{}', '2025-01-01', 1),
        ('b2', 'c', 't', 'Autumn', 'open', '2026-09-30', '{}', '2025-01-01', 1),
        ('b3', 'unknown', 't', 'Open %', 'open', null, '{}', '2025-01-01', 1),
        ('b4', 'c', 's', 'Elsewhere', 'open', '2026-12-31', '{}', '2025-01-01', 1)
"""


def found(connection: Connection, **how: object) -> list[str]:
    """The ids of what is found, in order."""
    return [one.batch_id for one in find_batches(connection, **{"tenants": ["t"], **how})]  # type: ignore[arg-type]


def test_those_that_end_last_come_first(connection: Connection) -> None:
    connection.execute(_FACTS)
    assert found(connection) == ["b3", "b2", "b1"]
    assert found(connection, limit=1) == ["b3"]
    assert found(connection, tenants=None) == ["b3", "b4", "b2", "b1"]
    assert found(connection, tenants=[]) == []


def test_a_batch_is_found_by_its_name_its_course_or_its_whole_id(connection: Connection) -> None:
    connection.execute(_FACTS)
    assert found(connection, text="sPRING") == ["b1"]
    assert found(connection, text="read") == ["b2", "b1"]
    assert found(connection, text="aloud") == []
    assert found(connection, text="b2") == ["b2"]
    assert found(connection, text="b") == []
    assert found(connection, text="%") == ["b3"]
    assert found(connection, text="Elsewhere") == []
    assert found(connection, batch_ids=["b1", "b4", "none"]) == ["b1"]


def test_a_course_that_is_not_known_is_named_by_its_id(connection: Connection) -> None:
    connection.execute(_FACTS)
    (batch,) = find_batches(connection, tenants=None, batch_ids=["b3"])
    assert (batch.course_name, batch.end_date) == ("unknown", None)
