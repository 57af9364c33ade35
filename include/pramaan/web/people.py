"""A person's certificates, and why they did or did not get one: `/v1/users`, `/v1/decisions`."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from pramaan.registry.certificates import (
    Certificate,
    Status,
    certificates_of_user,
    tenant_of_batch,
    tenant_of_user,
)
from pramaan.registry.roles import Role
from pramaan.warehouse.decisions import Decision
from pramaan.warehouse.explain import Progress, explain_decision
from pramaan.web.callers import Caller, CallerDep
from pramaan.web.database import DatabaseDep
from pramaan.web.problems import ProblemError, not_found, problem_responses
from pramaan.web.request_models import IdInPath, IdInQuery

__all__ = ["router"]

_ASKS_WHY: Final[tuple[Role, ...]] = ("mentor", "badge_creator", "portal")

router = APIRouter(prefix="/v1", tags=["people"], responses=problem_responses(401, 403, 404, 422, 503))


class CertificateBody(BaseModel):
    """A certificate on a profile. `download_url` is set only while it is issued, and null once it is
    revoked.
    """

    certificate_id: str
    course_id: str
    course_name: str | None
    batch_id: str
    status: Status
    completed_at: datetime
    issued_at: datetime | None
    revoked_at: datetime | None
    download_url: str | None
    verify_url: str | None = Field(description="As it is printed on the certificate.")


class CertificatesBody(BaseModel):
    """A user's certificates, newest completion first."""

    user_id: str
    certificates: list[CertificateBody]


class FactsBody(BaseModel):
    """The facts that the decision used. A tenant that is not the caller's is null."""

    recipient_tenant_id: str | None
    course_tenant_id: str | None
    batch_tenant_id: str | None
    course_status: str | None
    published_at: datetime | None
    minimum_score: float | None
    mean_score: float | None
    is_enrolment_active: bool | None
    is_name_printable: bool | None
    attachment_id: UUID | None


class StateBody(BaseModel):
    """The certificate that resulted from the decision."""

    certificate_id: str
    status: Status
    error_class: str | None
    issued_at: datetime | None


class DecisionBody(BaseModel):
    """Why a person did or did not get a certificate, or what is still missing."""

    user_id: str
    course_id: str
    batch_id: str
    complete: bool
    decision: Decision | None = Field(description="The reason code; null while not complete.")
    decision_if_completed_now: Decision | None = Field(description="For somebody not yet complete.")
    is_being_decided: bool = Field(description="Facts have come since: the next batch may decide otherwise.")
    enrolled_at: datetime
    completed_at: datetime | None
    facts: FactsBody | None
    progress: Progress
    certificate: StateBody | None


@router.get("/decisions")
def decision(
    user_id: IdInQuery, course_id: IdInQuery, batch_id: IdInQuery, caller: CallerDep, database: DatabaseDep
) -> DecisionBody:
    """Why this person did or did not get a certificate: for roles in the batch's tenant."""
    hidden = ProblemError(
        404, "enrolment_not_found", f"there is no enrolment of {user_id} in batch {batch_id} of {course_id}"
    )
    with database.connection() as connection:
        # Before any query about the person: its duration would reveal whether they exist.
        tenant_id = tenant_of_batch(connection, batch_id)
        if tenant_id is None or not caller.may(*_ASKS_WHY, tenant_id=tenant_id):
            raise hidden
        found = explain_decision(connection, user_id=user_id, course_id=course_id, batch_id=batch_id)
    if found is None:
        raise hidden
    facts = found.facts or {}
    return DecisionBody(
        user_id=user_id,
        course_id=course_id,
        batch_id=batch_id,
        complete=found.complete,
        decision=facts.get("decision"),
        decision_if_completed_now=found.decision_if_completed_now,
        is_being_decided=found.is_being_decided,
        enrolled_at=found.enrolled_at,
        completed_at=facts.get("completed_at"),
        facts=_facts(facts, caller) if facts else None,
        progress=found.progress,
        certificate=StateBody(**asdict(found.certificate)) if found.certificate else None,
    )


def _facts(facts: Mapping[str, Any], caller: Caller) -> FactsBody:
    shown = {name: facts[name] for name in FactsBody.model_fields}
    for name in ("recipient_tenant_id", "course_tenant_id"):
        if shown[name] is not None and not caller.may(*_ASKS_WHY, tenant_id=shown[name]):
            shown[name] = None
    return FactsBody(**shown)


@router.get("/users/{user_id}/certificates")
def certificates(
    user_id: IdInPath, caller: CallerDep, database: DatabaseDep, request: Request
) -> CertificatesBody:
    """A profile's certificates, each with its download link."""
    with database.connection() as connection:
        tenant_id = tenant_of_user(connection, user_id)
        if tenant_id is None or not caller.may("portal", tenant_id=tenant_id):
            raise not_found("user", user_id)
        found = certificates_of_user(connection, user_id)
    public_url: str = request.app.state.public_url
    return CertificatesBody(
        user_id=user_id, certificates=[certificate_body(one, public_url) for one in found]
    )


def certificate_body(certificate: Certificate, public_url: str) -> CertificateBody:
    """Returns a certificate as callers see it."""
    is_there = certificate.status == "issued"
    return CertificateBody(
        certificate_id=certificate.certificate_id,
        course_id=certificate.course_id,
        course_name=certificate.course_name,
        batch_id=certificate.batch_id,
        status=certificate.status,
        completed_at=certificate.completed_at,
        issued_at=certificate.issued_at,
        revoked_at=certificate.revoked_at,
        download_url=f"{public_url}/v1/certificates/{certificate.certificate_id}/pdf" if is_there else None,
        verify_url=certificate.verify_url,
    )
