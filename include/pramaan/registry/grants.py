"""Grants: who may do what where (table `registry.grants`).

Who somebody is is said elsewhere, by Airflow's auth manager or a token; what they may do, here alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString, cast

from psycopg.rows import class_row

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.mail.addresses import is_sendable, masked
from pramaan.registry.changes import Actor, record_change
from pramaan.registry.roles import Role

__all__ = [
    "Grant",
    "add_grant",
    "grant_first_admin",
    "grants_of",
    "is_tenant_known",
    "list_grants",
    "remove_grant",
    "team_addresses",
    "tenants_in",
]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role of a user in a tenant, or in all of them (`tenant_id` None)."""

    username: str
    role: Role
    tenant_id: str | None = None
    email: str | None = None


def tenants_in(grants: Iterable[Grant], *roles: Role) -> list[str] | None:
    """The tenants in which somebody with these grants has one of the roles; None: in all of them. An admin
    has every role.
    """
    of_role = [grant.tenant_id for grant in grants if grant.role in {*roles, "admin"}]
    return None if None in of_role else sorted({tenant for tenant in of_role if tenant})


_NOBODY_KNOWN: Final = "implementation-team@localhost"
"""Where no address is known at all: the embedded mail server keeps it, and any other says that it cannot."""

_ADMINS: LiteralString = """
    select distinct email from registry.grants
    where role = 'admin' and email is not null
        and (tenant_id is null or %(tenants)s::text[] is null or tenant_id = any(%(tenants)s))
    order by email
"""
_SELECT: LiteralString = "select username, role, tenant_id, email from registry.grants"
_TENANT_KNOWN: LiteralString = """
    select exists (select from marts.dim_course where tenant_id = %(tenant_id)s)
        or exists (select from marts.dim_batch where tenant_id = %(tenant_id)s)
        or exists (select from registry.issuers where tenant_id = %(tenant_id)s)
"""
_ONE_CHANGE_AT_A_TIME: LiteralString = "lock table registry.grants in share row exclusive mode"
_SAME: LiteralString = "where username = %s and role = %s and tenant_id is not distinct from %s"


def grants_of(connection: Connection, username: str) -> tuple[Grant, ...]:
    """What this user was granted; empty for somebody unknown."""
    with connection.cursor(row_factory=class_row(Grant)) as cursor:
        return tuple(cursor.execute(f"{_SELECT} where username = %s", (username,)).fetchall())


def list_grants(connection: Connection) -> list[Grant]:
    """Every grant, by user."""
    with connection.cursor(row_factory=class_row(Grant)) as cursor:
        return cursor.execute(f"{_SELECT} order by username, tenant_id nulls first, role").fetchall()


def is_tenant_known(connection: Connection, tenant_id: str) -> bool:
    """Whether a course, a batch or an issuer is this tenant's: tenants are known from those alone."""
    row = connection.execute(_TENANT_KNOWN, {"tenant_id": tenant_id}).fetchone()
    return bool(row and row[0])


def team_addresses(
    connection: Connection, team: Sequence[str], *, tenants: Sequence[str] | None
) -> Sequence[str]:
    """Where the implementation team is written to: the `team` or, when it is empty, the admins of these
    tenants (None: of all) whose grants carry an address. Never empty.
    """
    if team:
        return team
    known = connection.execute(_ADMINS, {"tenants": None if tenants is None else list(tenants)}).fetchall()
    addresses = (str(email).strip() for (email,) in known)
    return [address for address in addresses if is_sendable(address)] or [_NOBODY_KNOWN]


def add_grant(connection: Connection, grant: Grant, *, by: Actor) -> bool:
    """Grant a role; True when it was not there yet. Safe to repeat; an e-mail address that is given replaces
    the known one.

    Raises RegistryError `invalid_grant` for an empty user or tenant, and for what is no e-mail address.
    """
    if not grant.username.strip() or (grant.tenant_id is not None and not grant.tenant_id.strip()):
        raise RegistryError("invalid_grant", "a grant needs a user, and a tenant that is not empty, if any")
    if grant.email is not None and not is_sendable(grant.email):
        raise RegistryError("invalid_grant", "the e-mail of a grant is one address, as mentor@example.org")
    with connection.transaction():
        connection.execute(_ONE_CHANGE_AT_A_TIME)
        known = _known(connection, grant)
        if known and grant.email in (None, known.email):
            return False
        connection.execute(
            "insert into registry.grants (username, role, tenant_id, email, granted_by) "
            "values (%s, %s, %s, %s, %s) on conflict (username, role, tenant_id) "
            "do update set email = coalesce(excluded.email, grants.email)",
            (grant.username, grant.role, grant.tenant_id, grant.email, by.username),
        )
        _record(connection, "changed" if known else "granted", by=by, before=known, after=grant)
    return known is None


def remove_grant(connection: Connection, grant: Grant, *, by: Actor) -> None:
    """Take a role back, from the next request on.

    Raises RegistryError `grant_not_found` when it is not there.
    """
    with connection.transaction():
        connection.execute(_ONE_CHANGE_AT_A_TIME)
        known = _known(connection, grant)
        if known is None:
            where = f"in {grant.tenant_id}" if grant.tenant_id else "for all tenants"
            raise RegistryError("grant_not_found", f"{grant.username} has no grant as {grant.role} {where}")
        key = (grant.username, grant.role, grant.tenant_id)
        connection.execute(f"delete from registry.grants {_SAME}", key)  # noqa: S608 - our own words
        _record(connection, "withdrawn", by=by, before=known, after=None)


def grant_first_admin(connection: Connection, username: str) -> bool:
    """Grant `admin` in all tenants to a user who never had it; True when it did.

    Once only: whoever takes this grant back does not find it there again after the next start.
    """
    actor = Actor("setup", "setup")
    with connection.transaction():
        connection.execute(_ONE_CHANGE_AT_A_TIME)
        ever = connection.execute(
            "select from registry.changes where subject_kind = 'grant' and subject_id = %s "
            "and after ->> 'role' = 'admin' and after ->> 'tenant_id' is null limit 1",
            (username,),
        ).fetchone()
        return ever is None and add_grant(connection, Grant(username, "admin"), by=actor)


def _known(connection: Connection, grant: Grant) -> Grant | None:
    key = (grant.username, grant.role, grant.tenant_id)
    with connection.cursor(row_factory=class_row(Grant)) as cursor:
        return cursor.execute(f"{_SELECT} {_SAME}", key).fetchone()


def _record(
    connection: Connection, action: str, *, by: Actor, before: Grant | None, after: Grant | None
) -> None:
    subject = cast(Grant, after or before)
    record_change(
        connection,
        action,
        by=by,
        kind="grant",
        subject_id=subject.username,
        tenant_id=subject.tenant_id,
        before=_shown(before),
        after=_shown(after),
    )


def _shown(grant: Grant | None) -> dict[str, object] | None:
    """The address only so far that a change shows: the record of changes is kept for ever."""
    if grant is None:
        return None
    email = masked(grant.email) if grant.email else None
    return {"role": grant.role, "tenant_id": grant.tenant_id, "email": email}
