"""Issues pending certificates: claim, render, store, record. What a mapped task and a foreground worker
both run.

Every step can be repeated: rendering gives the same bytes, the store the same place, and only the holder of
a lease records. One certificate that cannot be rendered becomes a `failed` row and never stops the others,
even if it takes its process with it; a store that is away stops the chunk, gives its claims back and says so.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from pramaan.certificates.isolated_renderer import IsolatedRenderer
from pramaan.certificates.limits import Guard, Limits
from pramaan.certificates.queue import Worker, open_worker
from pramaan.certificates.rendering import CertificateRenderer, RenderConfig, RenderedPdf
from pramaan.database.connect import connect
from pramaan.errors import HostError, RenderError, StoreError, TemplateError
from pramaan.lifecycle import issuing
from pramaan.lifecycle.identity import certificate_path
from pramaan.lifecycle.issuing import Claim, Failure, Issued
from pramaan.mail.addresses import Sender
from pramaan.rendering.fonts import configure_fonts
from pramaan.store import Store

__all__ = ["ChunkResult", "WorkerConfig", "issue_chunk"]

log = logging.getLogger(__name__)

_CLAIM_SIZE: Final = 200
_PORTION_SECONDS: Final = 1.0
"""What is rendered is stored and recorded after so long: all that a killed worker can lose."""

_STORE_FAILURES_THAT_STOP: Final = 3
_MAX_BACKOFF: Final = timedelta(minutes=10)
_CRASHES_THAT_PROVE_POISON: Final = 20
"""Of a poison, beyond all chance: it was alone each time but the first three, and its worker died with the
child that rendered it.
"""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """All that a worker needs to know; plain values, so that it can be handed to another process."""

    database_url: str = field(repr=False)
    store_url: str
    timezone: str
    fonts_folder: Path
    pages_folder: Path | None = None
    """Where pages are kept for later processes: this user's alone."""
    mail_from: Sender | None = None
    """Who writes to recipients that are to be told."""
    limits: Limits = field(default_factory=Limits)

    @property
    def render_config(self) -> RenderConfig:
        """What rendering needs of it."""
        return RenderConfig(self.timezone, self.fonts_folder, self.pages_folder, self.limits)


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
    worker_config: WorkerConfig,
    *,
    limit: int,
    run_id: UUID | None,
    due_by: datetime | None = None,
    store: Store | None = None,
) -> ChunkResult:
    """Issue up to `limit` pending certificates that were due by `due_by`, or by now as the database has it,
    two hundred at a time; poison last, one at a time, each in a child process.

    Raises StoreError when the store is away, DatabaseError when Postgres is: what was recorded stays, the
    rest is free again.
    """
    configure_fonts(worker_config.fonts_folder)
    store = store or Store(worker_config.store_url)
    result = ChunkResult()
    with connect(worker_config.database_url, application="pramaan issue") as connection:
        # Once: what is to be tried again in a moment is not tried again here.
        due_by = due_by or issuing.now(connection)
        renderer = CertificateRenderer(connection, worker_config.render_config)
        with open_worker(connection, run_id=run_id, mail_from=worker_config.mail_from) as worker:
            issuer_of_chunk = _ChunkIssuer(worker, renderer, store, worker_config)
            while result.attempts < limit:
                claims = worker.claim(min(_CLAIM_SIZE, limit - result.attempts), due_by=due_by)
                if not claims:
                    break
                result += issuer_of_chunk.issue(claims)
            if result.attempts < limit and worker.has_poison(due_by=due_by):
                result += issuer_of_chunk.issue_poison(limit=limit - result.attempts, due_by=due_by)
    return result


class _ChunkIssuer:
    """Where a worker's claims become files and rows."""

    def __init__(
        self, worker: Worker, renderer: CertificateRenderer, store: Store, worker_config: WorkerConfig
    ) -> None:
        self._worker = worker
        self._renderer = renderer
        self._store = store
        self._config = worker_config
        self._guard = Guard(worker_config.limits)
        self._store_failures = 0

    def issue(self, claims: Sequence[Claim]) -> ChunkResult:
        """Issue claims, as many at a time as are rendered in a second; gives back what it did not try."""
        result = ChunkResult()
        rest = list(claims)
        try:
            while rest:
                rendered, failures = self._render(rest)
                tried = len(rendered) + len(failures)
                portion, rest = rest[:tried], rest[tried:]
                try:
                    result += self._finish(rendered, failures)
                except StoreError:
                    raise
                except BaseException:
                    rest = portion + rest
                    raise
        finally:
            if rest:
                self._worker.release(rest)
        return result

    def issue_poison(self, *, limit: int, due_by: datetime) -> ChunkResult:
        """Issue up to `limit` poison. The child stands ready before the first one is claimed: a worker that
        is killed while it starts is no fault of theirs.
        """
        result = ChunkResult()
        with IsolatedRenderer(self._config.render_config) as isolated:
            while result.attempts < limit:
                claim = self._worker.claim_poison(due_by=due_by)
                if claim is None:
                    break
                log.warning("certificate %s: %s workers died on it", claim.certificate_id, claim.crash_count)
                rendered: list[tuple[Claim, RenderedPdf]] = []
                failures: list[Failure] = []
                try:
                    rendered.append((claim, self._isolated(claim, isolated)))
                except HostError:
                    self._worker.release([claim])
                    raise
                except Exception as error:  # noqa: BLE001 - one certificate never stops the others
                    failures.append(_failure(claim, error))
                except BaseException:
                    self._worker.release([claim])
                    raise
                result += self._finish(rendered, failures)
        return result

    def _isolated(self, claim: Claim, isolated: IsolatedRenderer) -> RenderedPdf:
        if claim.crash_count >= _CRASHES_THAT_PROVE_POISON:
            raise RenderError("renderer_crashed", f"{claim.crash_count} workers died while they had it")
        return isolated.render(self._renderer.job(claim))

    def _render(self, claims: Sequence[Claim]) -> tuple[list[tuple[Claim, RenderedPdf]], list[Failure]]:
        """As many of the first claims as there is time for."""
        rendered: list[tuple[Claim, RenderedPdf]] = []
        failures: list[Failure] = []
        until = time.monotonic() + _PORTION_SECONDS
        with self._guard as guard:
            for claim in claims:
                guard.begin()
                try:
                    rendered.append((claim, self._renderer.render(self._renderer.job(claim))))
                except Exception as error:  # noqa: BLE001 - one certificate never stops the others
                    failures.append(_failure(claim, error))
                if time.monotonic() > until:
                    break
        return rendered, failures

    def _finish(self, rendered: Sequence[tuple[Claim, RenderedPdf]], failures: list[Failure]) -> ChunkResult:
        """Store and record. Raises StoreError after some failures of the store in a row; what was not tried
        then is given back.
        """
        issued: list[Issued] = []
        away: StoreError | None = None
        objects = [
            (certificate_path(claim.certificate_id, sha256=pdf.sha256), pdf.pdf) for claim, pdf in rendered
        ]
        untried: list[Claim] = []
        ends = self._store.put_all(objects)
        for (claim, pdf), (path, _), refused in zip(rendered, objects, ends, strict=True):
            if refused and away:
                untried.append(claim)
            elif refused:
                failures.append(_failure(claim, refused))
                self._store_failures += 1
                away = refused if self._store_failures >= _STORE_FAILURES_THAT_STOP else None
            else:
                self._store_failures = 0
                size, engine = len(pdf.pdf), pdf.engine_version
                issued.append(Issued(claim.certificate_id, path, pdf.sha256, size, engine))
        recorded = self._worker.record(issued, failures)
        if untried:
            self._worker.release(untried)
        self._take_back([one for one in issued if one.certificate_id not in recorded])
        if away is not None:
            raise away
        failed = sum(one.wait is None for one in failures)
        return ChunkResult(len(recorded), failed, len(failures) - failed)

    def _take_back(self, unrecorded: Sequence[Issued]) -> None:
        """Remove the files of certificates that were withdrawn or taken over while they were rendered."""
        for late in unrecorded:
            if not self._worker.is_recorded(late):
                self._store.discard(late.pdf_path)


def _failure(claim: Claim, error: Exception) -> Failure:
    """Transient or permanent is decided here and nowhere else. The message of a bug is not kept: it may
    quote a name.
    """
    log.warning("certificate %s: %s", claim.certificate_id, type(error).__name__, exc_info=_traced(error))
    if isinstance(error, StoreError):
        wait = min(_MAX_BACKOFF, timedelta(seconds=5) * 2 ** min(claim.attempt, 10))
        return Failure(claim.certificate_id, "store_unavailable", str(error), wait)
    if isinstance(error, RenderError):
        return Failure(claim.certificate_id, error.error_class, str(error), None)
    if isinstance(error, TemplateError):
        return Failure(claim.certificate_id, "template_error", str(error), None)
    if isinstance(error, MemoryError):
        return Failure(claim.certificate_id, "out_of_memory", "it takes more memory than any may", None)
    return Failure(
        claim.certificate_id, "internal_error", f"{type(error).__name__}; see the log of this time", None
    )


def _traced(error: Exception) -> bool:
    """Only a bug has a traceback in the log."""
    return not isinstance(error, (RenderError, StoreError, TemplateError, MemoryError))
