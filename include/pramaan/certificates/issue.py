"""Issues pending certificates: claim, render, store, record. What a mapped task and a foreground worker
both run.

Every step can be repeated: rendering gives the same bytes, the store the same place, and only the holder of
a lease records. One certificate that cannot be rendered becomes a `failed` row and never stops the others;
a store that is away stops the chunk, gives its claims back and says so.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from pramaan.certificates.queue import Claim, Issued, Postponed, Worker, open_worker
from pramaan.certificates.store import Store, certificate_path
from pramaan.database.connect import Connection, connect
from pramaan.errors import RenderError, StoreError, TemplateError
from pramaan.registry.issuers import signature_image
from pramaan.registry.templates import template_archive
from pramaan.rendering.assertion import badge_assertion
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.template import unpack_template

if TYPE_CHECKING:
    from pramaan.rendering.renderer import Renderer

__all__ = ["ChunkResult", "Press", "issue_chunk"]

log = logging.getLogger(__name__)

_CLAIM_SIZE = 100
_STORE_FAILURES_THAT_STOP = 3
_MAX_BACKOFF = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Press:
    """All that a worker needs to know; plain values, so that it can be handed to another process."""

    database_url: str = field(repr=False)
    store_url: str
    timezone: str
    fonts_folder: Path


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """How the attempts of a chunk ended."""

    issued: int = 0
    failed: int = 0
    retried: int = 0

    def __add__(self, other: "ChunkResult") -> "ChunkResult":
        return ChunkResult(
            self.issued + other.issued, self.failed + other.failed, self.retried + other.retried
        )

    @property
    def attempts(self) -> int:
        """All attempts, however they ended."""
        return self.issued + self.failed + self.retried


def issue_chunk(
    press: Press, *, limit: int, due_by: datetime, run_id: UUID | None, store: Store | None = None
) -> ChunkResult:
    """Issue up to `limit` pending certificates that were due by `due_by`, a hundred at a time.

    Raises StoreError when the store is away, DatabaseError when Postgres is: what was recorded stays, the
    rest is free again.
    """
    configure_fonts(press.fonts_folder)
    store = store or Store(press.store_url)
    result = ChunkResult()
    with connect(press.database_url, application="pramaan issue") as connection:
        renderers = _Renderers(connection, zone=ZoneInfo(press.timezone))
        with open_worker(connection, run_id=run_id) as worker:
            while result.attempts < limit:
                claims = worker.claim(min(_CLAIM_SIZE, limit - result.attempts), due_by=due_by)
                if not claims:
                    break
                result += _issue(worker, claims, renderers=renderers, store=store)
    return result


class _Renderers:
    """One renderer for each template version, and the signatures they print, kept while the chunk runs."""

    def __init__(self, connection: Connection, *, zone: ZoneInfo) -> None:
        self._connection = connection
        self._zone = zone
        self.renderer = lru_cache(maxsize=32)(self._renderer)
        self.signature = lru_cache(maxsize=256)(self._signature)

    def _renderer(self, template_id: str, version: str) -> "Renderer":
        return _renderer_for(
            template_id, template_archive(self._connection, template_id, version), self._zone
        )

    def _signature(self, sha256: str | None) -> bytes | None:
        return signature_image(self._connection, sha256)[1] if sha256 else None


@lru_cache(maxsize=8)
def _renderer_for(template_id: str, archive: bytes, zone: ZoneInfo) -> "Renderer":
    """Kept for the life of the process: to make a renderer takes longer than twenty certificates."""
    # Here, for the batch each minute that has nothing to render.
    from pramaan.rendering.renderer import Renderer

    return Renderer(unpack_template(template_id, archive), zone=zone)


def _issue(worker: Worker, claims: list[Claim], *, renderers: _Renderers, store: Store) -> ChunkResult:
    issued: list[Issued] = []
    postponed: list[Postponed] = []
    store_failures = 0
    tried = 0
    try:
        for claim in claims:
            tried += 1
            try:
                issued.append(_print(claim, renderers=renderers, store=store))
                store_failures = 0
            except StoreError as error:
                postponed.append(_postpone(claim, error))
                store_failures += 1
                if store_failures == _STORE_FAILURES_THAT_STOP:
                    raise
            except Exception as error:
                postponed.append(_postpone(claim, error))
                log.warning(
                    "certificate %s: %s",
                    claim.certificate_id,
                    postponed[-1].error_class,
                    exc_info=_bug(error),
                )
    finally:
        recorded = worker.record(issued, postponed)
        if tried < len(claims):
            worker.release(claims[tried:])
        _take_back([i for i in issued if i.certificate_id not in recorded], worker=worker, store=store)
    return ChunkResult(len(recorded), *_counts(postponed))


def _take_back(unrecorded: Sequence[Issued], *, worker: Worker, store: Store) -> None:
    """Remove the files of certificates that were withdrawn or taken over while they were rendered."""
    for late in unrecorded:
        if not worker.is_recorded(late):
            store.discard(certificate_path(late.certificate_id, sha256=late.pdf_sha256))


def _print(claim: Claim, *, renderers: _Renderers, store: Store) -> Issued:
    renderer = renderers.renderer(claim.template_id, claim.template_version)
    pdf = renderer.render(
        {name: value for name, value in claim.fields.items() if name in renderer.field_names},
        signature=renderers.signature(claim.signature_sha256),
        assertion=badge_assertion(claim.fields, class_id=claim.attachment_id, recipient_id=claim.user_id),
    )
    sha256 = hashlib.sha256(pdf).hexdigest()
    uri = store.put(certificate_path(claim.certificate_id, sha256=sha256), pdf)
    return Issued(claim.certificate_id, uri, sha256, len(pdf), renderer.engine_version)


def _postpone(claim: Claim, error: Exception) -> Postponed:
    """Transient or permanent is decided here and nowhere else. The message of a bug is not kept: it may
    quote a name.
    """
    if isinstance(error, StoreError):
        backoff = min(_MAX_BACKOFF, timedelta(seconds=5) * 2 ** min(claim.attempt, 10))
        return Postponed(claim.certificate_id, "store_unavailable", str(error), backoff)
    if isinstance(error, RenderError):
        return Postponed(claim.certificate_id, error.error_class, str(error), None)
    if isinstance(error, TemplateError):
        return Postponed(claim.certificate_id, "template_error", str(error), None)
    return Postponed(
        claim.certificate_id, "internal_error", f"{type(error).__name__}; see the log of this time", None
    )


def _bug(error: Exception) -> bool:
    return not isinstance(error, (RenderError, TemplateError))


def _counts(postponed: Sequence[Postponed]) -> tuple[int, int]:
    failed = sum(p.backoff is None for p in postponed)
    return failed, len(postponed) - failed
