"""Certificate templates: `/v1/templates`."""

import threading
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from pramaan.checking.check import vet
from pramaan.registry.bundled_templates import bundled_template, bundled_templates
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.template import Template, unpack_template
from pramaan.web.access import READERS
from pramaan.web.callers import CallerDep
from pramaan.web.problems import problem_responses
from pramaan.web.request_models import IdInPath

if TYPE_CHECKING:
    from pramaan.settings import Settings

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/templates", tags=["templates"], responses=problem_responses(401, 403, 404, 422, 503)
)

_one_at_a_time = threading.Lock()
"""A renderer is not thread-safe."""


class TemplateField(BaseModel):
    """A field that a template prints."""

    name: str
    sample: str
    optional: bool


class TemplateBody(BaseModel):
    """A template; `version` is its content hash."""

    template_id: str
    version: str
    title: str
    fields: list[TemplateField]


class TemplatesBody(BaseModel):
    """Templates, by id."""

    templates: list[TemplateBody]


@router.get("")
def templates(caller: CallerDep) -> TemplatesBody:
    """The templates available for certificates."""
    caller.require_anywhere(*READERS)
    return TemplatesBody(templates=[_body(one) for one in bundled_templates()])


@router.get(
    "/{template_id}/preview.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "A sample certificate"}},
)
def preview(template_id: IdInPath, caller: CallerDep, request: Request) -> Response:
    """A sample certificate, with the template's sample values."""
    caller.require_anywhere(*READERS)
    template = bundled_template(template_id)
    settings: Settings = request.app.state.settings
    with _one_at_a_time:
        configure_fonts(settings.home / "fonts")
        pdf = _rendered(template.pack(), template.template_id, settings.zone)
    return Response(
        pdf,
        media_type="application/pdf",
        headers={"content-disposition": f'inline; filename="{template.template_id}.pdf"'},
    )


@lru_cache(maxsize=32)
def _rendered(archive: bytes, template_id: str, zone: ZoneInfo) -> bytes:
    """Cached by the template's content: an edited template is rendered anew."""
    from pramaan.rendering.renderer import Renderer

    template = unpack_template(template_id, archive)
    vet(template)
    return Renderer(template, zone=zone).render(template.sample_fields())


def _body(template: Template) -> TemplateBody:
    fields = [
        TemplateField(name=name, sample=field.sample, optional=field.optional)
        for name, field in template.fields.items()
    ]
    return TemplateBody(
        template_id=template.template_id, version=template.version, title=template.title, fields=fields
    )
