"""The roles that there are (contract part 5): what somebody may be granted in a tenant, or in all."""

from typing import Final, Literal, get_args

__all__ = ["ROLES", "Role"]

Role = Literal["viewer", "mentor", "badge_creator", "portal", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
