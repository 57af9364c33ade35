"""Renders claimed certificates: in this process, or one at a time in a child that may die of it."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pramaan.certificates.limits import Limits
from pramaan.database.connect import Connection
from pramaan.lifecycle.issuing import Claim
from pramaan.registry.issuers import signature_image
from pramaan.registry.templates import template_archive
from pramaan.rendering.badge_assertion import badge_assertion
from pramaan.rendering.page_cache import PageCache
from pramaan.rendering.template import unpack_template

if TYPE_CHECKING:
    from pramaan.rendering.renderer import Renderer

__all__ = ["CertificateRenderer", "Job", "RenderConfig", "RenderedPdf"]


@dataclass(frozen=True, slots=True)
class RenderConfig:
    """What rendering needs of its host; plain values, so that it can be handed to another process."""

    timezone: str
    fonts_folder: Path
    pages_folder: Path | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class Job:
    """All that one certificate is made from."""

    template_id: str
    archive: bytes = field(repr=False)
    fields: dict[str, str | None] = field(repr=False)
    signature: bytes | None = field(repr=False)
    assertion: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RenderedPdf:
    """A certificate's PDF."""

    pdf: bytes = field(repr=False)
    sha256: str
    engine_version: str


class CertificateRenderer:
    """Makes jobs of claims, and renders them; keeps what claims have in common while it lives."""

    def __init__(self, connection: Connection, render_config: RenderConfig) -> None:
        self._connection = connection
        self._render_config = render_config
        self._archive = lru_cache(maxsize=32)(self._read_archive)
        self._signature = lru_cache(maxsize=256)(self._read_signature)

    def job(self, claim: Claim) -> Job:
        """What a claim asks for, read from the registry."""
        return Job(
            template_id=claim.template_id,
            archive=self._archive(claim.template_id, claim.template_version),
            fields=claim.fields,
            signature=self._signature(claim.signature_sha256),
            assertion=badge_assertion(
                claim.fields, class_id=claim.attachment_id, recipient=claim.badge_recipient
            ),
        )

    def render(self, job: Job) -> RenderedPdf:
        """The certificate, rendered here. Raises as `Renderer.render`."""
        return render_job(job, self._render_config)

    def _read_archive(self, template_id: str, version: str) -> bytes:
        return template_archive(self._connection, template_id, version)

    def _read_signature(self, sha256: str | None) -> bytes | None:
        return signature_image(self._connection, sha256)[1] if sha256 else None


def render_job(job: Job, render_config: RenderConfig) -> RenderedPdf:
    """Render one certificate in this process; `configure_fonts` was called."""
    renderer = _renderer(
        job.template_id, job.archive, ZoneInfo(render_config.timezone), render_config.pages_folder
    )
    pdf = renderer.render(
        {name: value for name, value in job.fields.items() if name in renderer.field_names},
        signature=job.signature,
        assertion=job.assertion,
    )
    return RenderedPdf(pdf, hashlib.sha256(pdf).hexdigest(), renderer.engine_version)


@lru_cache(maxsize=8)
def _renderer(template_id: str, archive: bytes, zone: ZoneInfo, pages_folder: Path | None) -> "Renderer":
    """Kept for the life of the process: to make a renderer takes longer than twenty certificates."""
    # Here, for the batch that has nothing to render.
    from pramaan.rendering.renderer import Renderer

    cache = PageCache(pages_folder) if pages_folder is not None else None
    return Renderer(unpack_template(template_id, archive), zone=zone, page_cache=cache)
