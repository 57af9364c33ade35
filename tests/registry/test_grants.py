"""Grants: who may do what where, each once, each change on record without anybody's address."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pramaan.database.connect import Connection, connect
from pramaan.errors import RegistryError
from pramaan.registry.changes import Actor
from pramaan.registry.grants import (
    Grant,
    add_grant,
    grant_first_admin,
    grants_of,
    list_grants,
    remove_grant,
)
from pramaan.registry.roles import ROLES
from pramaan.settings import Settings
from worlds import TESTER, database_url

ADMIN = Grant("root", "admin")


@pytest.fixture
def other(settings: Settings) -> Iterator[Connection]:
    """A second connection to the same world."""
    with connect(database_url(settings)) as opened:
        yield opened


def recorded(connection: Connection) -> list[tuple[object, ...]]:
    """The record of changes: by whom, what, to whom, where, before, after."""
    return connection.execute(
        "select username, action, subject_id, tenant_id, before ->> 'role', after ->> 'role' "
        "from registry.changes where subject_kind = 'grant' order by change_id"
    ).fetchall()


def test_somebody_unknown_has_no_grant(connection: Connection) -> None:
    assert grants_of(connection, "nobody") == ()
    assert list_grants(connection) == []


def test_each_role_is_granted_in_one_tenant_or_in_all(connection: Connection) -> None:
    grants = [Grant("asha", role, tenant_id) for role in ROLES for tenant_id in (None, "t")]
    for grant in grants:
        assert add_grant(connection, grant, by=TESTER)
    assert sorted(map(str, grants_of(connection, "asha"))) == sorted(map(str, grants))
    assert recorded(connection) == [
        ("test", "granted", "asha", grant.tenant_id, None, grant.role) for grant in grants
    ]


@pytest.mark.parametrize("tenant_id", [None, "t"])
def test_the_same_grant_again_changes_nothing(tenant_id: str | None, connection: Connection) -> None:
    grant = Grant("asha", "mentor", tenant_id, "asha@example.org")
    assert add_grant(connection, grant, by=TESTER)
    assert not add_grant(connection, grant, by=Actor("another", "cli"))
    assert not add_grant(connection, Grant("asha", "mentor", tenant_id), by=TESTER)
    assert list_grants(connection) == [grant]
    assert len(recorded(connection)) == 1


def test_another_address_replaces_the_known_one(connection: Connection) -> None:
    add_grant(connection, Grant("asha", "mentor", "t", "old@example.org"), by=TESTER)
    assert not add_grant(connection, Grant("asha", "mentor", "t", "new@example.org"), by=TESTER)
    assert [grant.email for grant in grants_of(connection, "asha")] == ["new@example.org"]
    assert [row[1] for row in recorded(connection)] == ["granted", "changed"]


def test_grants_differ_by_user_role_and_tenant(connection: Connection) -> None:
    grants = [
        Grant("asha", "admin"),
        Grant("asha", "mentor", "s"),
        Grant("asha", "admin", "t"),
        Grant("asha", "mentor", "t"),
        Grant("Asha", "mentor", "t"),
    ]
    for grant in grants:
        assert add_grant(connection, grant, by=TESTER)
    assert set(list_grants(connection)) == set(grants)
    assert set(grants_of(connection, "asha")) == set(grants[:4])
    remove_grant(connection, Grant("asha", "mentor", "t"), by=TESTER)
    assert set(list_grants(connection)) == {*grants[:3], grants[4]}


def test_a_grant_to_nobody_or_nowhere_is_refused(connection: Connection) -> None:
    for username, tenant_id in (("", None), ("  ", None), ("asha", ""), ("asha", " ")):
        with pytest.raises(RegistryError) as refused:
            add_grant(connection, Grant(username, "admin", tenant_id), by=TESTER)
        assert refused.value.code == "invalid_grant"
    assert recorded(connection) == []


def test_a_role_taken_back_is_gone_and_on_record(connection: Connection) -> None:
    add_grant(connection, Grant("asha", "badge_creator", "t", "asha@example.org"), by=TESTER)
    remove_grant(connection, Grant("asha", "badge_creator", "t"), by=Actor("head", "cli", "desk"))
    assert grants_of(connection, "asha") == ()
    assert recorded(connection)[1] == ("head", "withdrawn", "asha", "t", "badge_creator", None)


def test_a_role_that_is_not_there_cannot_be_taken_back(connection: Connection) -> None:
    add_grant(connection, Grant("asha", "mentor", "t"), by=TESTER)
    for grant, said in (
        (Grant("asha", "mentor"), "asha has no grant as mentor for all tenants"),
        (Grant("asha", "mentor", "s"), "asha has no grant as mentor in s"),
        (Grant("asha", "admin", "t"), "asha has no grant as admin in t"),
        (Grant("bina", "mentor", "t"), "bina has no grant as mentor in t"),
    ):
        with pytest.raises(RegistryError, match=said) as refused:
            remove_grant(connection, grant, by=TESTER)
        assert refused.value.code == "grant_not_found"
    assert len(list_grants(connection)) == len(recorded(connection)) == 1


def test_the_record_of_changes_holds_nobody_s_address(connection: Connection) -> None:
    grant = Grant("asha", "mentor", "t", "asha@example.org")
    add_grant(connection, grant, by=TESTER)
    add_grant(connection, Grant("asha", "mentor", "t", "ab@example.org"), by=TESTER)
    remove_grant(connection, grant, by=TESTER)
    row = connection.execute("select string_agg(changes::text, ' ') from registry.changes").fetchone()
    assert row is not None
    assert "as***@example.org" in str(row[0])
    assert "asha@example.org" not in str(row[0])
    assert "ab***" not in str(row[0])


def test_the_database_refuses_what_is_no_grant(connection: Connection) -> None:
    for username, role, tenant_id in (("", "admin", None), ("asha", "king", None), ("asha", "admin", "")):
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "insert into registry.grants (username, role, tenant_id, granted_by) "
                "values (%s, %s, %s, 'x')",
                (username, role, tenant_id),
            )


def test_the_database_refuses_the_same_grant_twice(connection: Connection) -> None:
    insert = "insert into registry.grants (username, role, granted_by) values ('asha', 'admin', 'x')"
    connection.execute(insert)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(insert)


def test_the_first_admin_is_granted_once_and_not_again_after_being_taken_back(
    connection: Connection,
) -> None:
    assert grant_first_admin(connection, "root")
    assert list_grants(connection) == [ADMIN]
    assert not grant_first_admin(connection, "root")
    remove_grant(connection, ADMIN, by=TESTER)
    assert not grant_first_admin(connection, "root")
    assert list_grants(connection) == []
    row = connection.execute("select channel from registry.changes order by change_id limit 1").fetchone()
    assert row == ("setup",)


def test_whom_a_person_made_admin_before_is_not_made_so_again(connection: Connection) -> None:
    add_grant(connection, ADMIN, by=TESTER)
    assert not grant_first_admin(connection, "root")
    assert grant_first_admin(connection, "another")


@pytest.mark.parametrize("grant", [Grant("asha", "admin", "t"), Grant("asha", "mentor")])
def test_a_lesser_grant_does_not_stand_for_the_first_admin(grant: Grant, connection: Connection) -> None:
    add_grant(connection, grant, by=TESTER)
    assert grant_first_admin(connection, grant.username)


def test_two_starts_at_once_make_one_first_admin(connection: Connection, other: Connection) -> None:
    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(grant_first_admin, (connection, other), ("root", "root")))
    assert sorted(made) == [False, True]
    assert len(list_grants(connection)) == 1


def test_the_same_grant_at_the_same_time_is_one(connection: Connection, other: Connection) -> None:
    def add(through: Connection) -> bool:
        return add_grant(through, Grant("asha", "mentor", "t"), by=TESTER)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add, (connection, other)))
    assert list_grants(connection) == [Grant("asha", "mentor", "t")]
