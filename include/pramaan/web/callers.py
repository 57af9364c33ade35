"""What a caller may do and where, by `registry.grants`, asked anew for every request.

What a caller may not see is answered like what does not exist; what they may see but not do is forbidden.
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
    """Somebody signed in, with their grants. An admin has every role; a role holds in its tenants only."""

    username: str
    grants: tuple[Grant, ...]
    address: str | None

    def tenants(self, *roles: Role) -> list[str] | None:
        """The tenants in which the caller has one of these roles; None: in all of them."""
        return tenants_in(self.grants, *roles)

    def may(self, *roles: Role, tenant_id: str) -> bool:
        """Whether the caller has one of these roles in the tenant."""
        tenants = self.tenants(*roles)
        return tenants is None or tenant_id in tenants

    def require(self, *roles: Role, tenant_id: str) -> None:
        """Raises ProblemError 403 `forbidden` unless the caller has one of these roles in the tenant, which
        they may see.
        """
        if not self.may(*roles, tenant_id=tenant_id):
            raise ProblemError(
                403, "forbidden", f"this is for {' or '.join((*roles, 'admin'))} of the tenant"
            )

    def require_anywhere(self, *roles: Role) -> None:
        """Raises ProblemError 403 `forbidden` for somebody with none of these roles in any tenant."""
        if self.tenants(*roles) == []:
            raise ProblemError(403, "forbidden", f"this is for {' or '.join((*roles, 'admin'))}")

    def actor(self, channel: Channel) -> Actor:
        """The caller, as the record of changes names who did it."""
        return Actor(self.username, channel, self.address)


def caller_of(request: Request, database: DatabaseDep) -> Caller:
    """The signed-in caller of a request, with the grants of this instant."""
    signed_in: SignedIn = request.state.signed_in
    with database.connection() as connection:
        grants = grants_of(connection, signed_in.username)
    return Caller(signed_in.username, grants, _address(request))


def _address(request: Request) -> str | None:
    """Where the request comes from; nothing that only looks like an address."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        return None


CallerDep = Annotated[Caller, Depends(caller_of)]
