"""The caller of a request and their permissions, read from `registry.grants` for every request.

What a caller may not see is answered as if it did not exist; an action that they may not take on something
they may see is forbidden.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from pramaan.registry.changes import Actor, Channel
from pramaan.registry.grants import Grant, grants_of, tenants_in
from pramaan.registry.roles import Role
from pramaan.web.database import DatabaseDep
from pramaan.web.problems import ProblemError

if TYPE_CHECKING:
    from pramaan.web.sign_in import SignedIn

__all__ = ["Caller", "CallerDep"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user with their grants. An admin has every role; a role applies to its tenants only."""

    username: str
    grants: tuple[Grant, ...]
    address: str | None

    def tenants(self, *roles: Role) -> list[str] | None:
        """Returns the tenants in which the caller has one of these roles; None: in all of them."""
        return tenants_in(self.grants, *roles)

    def may(self, *roles: Role, tenant_id: str) -> bool:
        """Whether the caller has one of these roles in the tenant."""
        tenants = self.tenants(*roles)
        return tenants is None or tenant_id in tenants

    def require(self, *roles: Role, tenant_id: str) -> None:
        """Raises ProblemError 403 `forbidden` unless the caller has one of these roles in the tenant. The
        caller must be allowed to see the tenant.
        """
        if not self.may(*roles, tenant_id=tenant_id):
            raise ProblemError(
                403, "forbidden", f"this is for {' or '.join((*roles, 'admin'))} of the tenant"
            )

    def require_anywhere(self, *roles: Role) -> None:
        """Raises ProblemError 403 `forbidden` for a caller with none of these roles in any tenant."""
        if self.tenants(*roles) == []:
            raise ProblemError(403, "forbidden", f"this is for {' or '.join((*roles, 'admin'))}")

    def actor(self, channel: Channel) -> Actor:
        """Returns the caller as the actor of the record of changes."""
        return Actor(self.username, channel, self.address)


def caller_of(request: Request, database: DatabaseDep) -> Caller:
    """Returns the signed-in caller of a request, with their current grants."""
    signed_in: SignedIn = request.state.signed_in
    with database.connection() as connection:
        grants = grants_of(connection, signed_in.username)
    return Caller(signed_in.username, grants, _address(request))


def _address(request: Request) -> str | None:
    """Returns the client's IP address; None for a client whose host is not one."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        return None


CallerDep = Annotated[Caller, Depends(caller_of)]
