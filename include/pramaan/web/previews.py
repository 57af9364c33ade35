"""Who would get a certificate, before it is asserted: `/v1/courses/{course_id}/certificate/preview`."""

import threading
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from pramaan.errors import BusyError
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import bundled_template
from pramaan.warehouse.decisions import Decision
from pramaan.warehouse.preview import Group, Person, preview_assertion
from pramaan.web.access import accessible_course, require_issuer_of
from pramaan.web.callers import Caller, CallerDep
from pramaan.web.database import Database, DatabaseDep
from pramaan.web.problems import problem_responses
from pramaan.web.request_models import AttachmentPreviewBody, IdInPath

__all__ = [
    "DecisionPreview",
    "GroupPreview",
    "PersonPreview",
    "PreviewBody",
    "preview_for",
    "preview_slots",
    "router",
]

_TIMEOUT_SECONDS: Final = 2.0

preview_slots = threading.BoundedSemaphore(2)
"""Previews that this process computes at once, including those of the pages."""

router = APIRouter(
    prefix="/v1/courses",
    tags=["courses"],
    responses=problem_responses(400, 401, 403, 404, 413, 415, 422, 503),
)


class PersonPreview(BaseModel):
    """An enrolled person; without a name while the user is unknown."""

    user_id: str
    batch_id: str
    name: str | None


class DecisionPreview(BaseModel):
    """How many people have a decision. Lists the first of them, as far as they are users of the caller's
    tenants, or still unknown, in batches of the caller's tenants.
    """

    decision: Decision
    people: int
    listed: list[PersonPreview]


class GroupPreview(BaseModel):
    """The people who are complete, or those in progress: how many would get the certificate, would not, and
    why.
    """

    total: int
    would_get: int = Field(description="By the certificate that is previewed.")
    would_not_get: int
    entitled_otherwise: int = Field(
        description="Among `would_not_get`: those who have earned another already."
    )
    decisions: list[DecisionPreview]


class PreviewBody(BaseModel):
    """The effect of asserting a certificate at `assumed_at`."""

    course_id: str
    assumed_at: datetime
    completed: GroupPreview = Field(description="Complete already: the certificate counts from now on only.")
    in_progress: GroupPreview = Field(
        description="As if they completed now, with the scores they have so far."
    )


@router.post("/{course_id}/certificate/preview")
def preview(
    course_id: IdInPath, body: AttachmentPreviewBody, caller: CallerDep, database: DatabaseDep
) -> PreviewBody:
    """Preview which people, complete or in progress, would get the certificate, and by reason which would
    not. Changes nothing.
    """
    with database.connection() as connection:
        course = accessible_course(connection, course_id, caller=caller)
        caller.require("badge_creator", tenant_id=course.tenant_id)
        if body.template_id is not None:
            bundled_template(body.template_id)
        if body.issuer_id is not None:
            require_issuer_of(connection, course, body.issuer_id, caller=caller)
    return preview_for(database, course_id, criteria=body.criteria.criteria(), caller=caller)


def preview_for(database: Database, course_id: str, *, criteria: Criteria, caller: Caller) -> PreviewBody:
    """Returns the preview, limited to what this caller may see.

    Raises BusyError while others are computed: for a large course, one takes a core for seconds. Waits for
    its turn without a connection, and the caller must hold none.
    """
    if not preview_slots.acquire(timeout=_TIMEOUT_SECONDS):
        raise BusyError("other previews are being made; try again in a moment")
    try:
        with database.connection() as connection:
            seen = preview_assertion(connection, course_id, criteria_json=criteria.as_json())
    finally:
        preview_slots.release()
    return PreviewBody(
        course_id=course_id,
        assumed_at=seen.assumed_at,
        completed=_group(seen.completed, caller),
        in_progress=_group(seen.in_progress, caller),
    )


def _group(group: Group, caller: Caller) -> GroupPreview:
    return GroupPreview(
        total=group.total,
        would_get=group.would_get,
        would_not_get=group.total - group.would_get,
        entitled_otherwise=group.entitled_otherwise,
        decisions=[
            DecisionPreview(
                decision=met.decision,
                people=met.people,
                listed=[
                    PersonPreview(user_id=person.user_id, batch_id=person.batch_id, name=person.name)
                    for person in met.listed
                    if _is_theirs(person, caller)
                ],
            )
            for met in group.decisions
            if met.people
        ],
    )


def _is_theirs(person: Person, caller: Caller) -> bool:
    tenants = {person.batch_tenant_id, person.recipient_tenant_id} - {None}
    return all(caller.may("badge_creator", tenant_id=str(tenant)) for tenant in tenants)
