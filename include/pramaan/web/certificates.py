"""Actions on single certificates: `/v1/certificates`."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from pramaan.lifecycle import revocation
from pramaan.registry.certificates import Status
from pramaan.web.access import accessible_certificate
from pramaan.web.callers import CallerDep
from pramaan.web.database import DatabaseDep
from pramaan.web.problems import problem_responses
from pramaan.web.request_models import IdInPath, Reason

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/certificates",
    tags=["certificates"],
    responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
)


class RevokedBody(BaseModel):
    """A revoked certificate: by whom, when and why."""

    certificate_id: str
    status: Status
    revoked_at: datetime | None
    revoked_by: str | None
    reason: str | None


@router.post("/{certificate_id}/revoke")
def revoke(certificate_id: IdInPath, body: Reason, caller: CallerDep, database: DatabaseDep) -> RevokedBody:
    """Revoke an issued certificate, from the next request on. Only a person's re-issue makes a new one."""
    with database.connection() as connection:
        known = accessible_certificate(connection, certificate_id, caller=caller)
        caller.require(tenant_id=known.tenant_id)
        revoked = revocation.revoke(connection, certificate_id, reason=body.reason, by=caller.actor("api"))
    return RevokedBody(
        certificate_id=revoked.certificate_id,
        status=revoked.status,
        revoked_at=revoked.revoked_at,
        revoked_by=revoked.revoked_by,
        reason=revoked.revocation_reason,
    )
