"""What rendering alone takes: certificates that were issued, made again by a process for each core."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from time import perf_counter
from typing import Any, Final, LiteralString, cast

from pramaan.bench.rendering.child import cores
from pramaan.certificates.issue import WorkerConfig
from pramaan.certificates.rendering import CertificateRenderer, Job, RenderConfig, render_job
from pramaan.database.connect import Connection
from pramaan.lifecycle.issuing import Claim
from pramaan.rendering.fonts import configure_fonts

__all__ = ["rendering_rate"]

_SAMPLE: Final = 1_000
_WARM_UP: Final = 200
_RENDERS: Final = 5_000

_ISSUED: LiteralString = """
    select
        certificates.certificate_id, 1, certificates.render_input,
        attachments.template_id, attachments.template_version, certificates.signature_sha256,
        certificates.attachment_id::text, certificates.badge_recipient
    from registry.certificates as certificates
    inner join registry.attachments as attachments using (attachment_id)
    where certificates.user_id like %s || '-%%' and certificates.status = 'issued'
    limit %s
"""


def rendering_rate(worker_config: WorkerConfig, connection: Connection, *, name: str) -> float:
    """Certificates a second, hashed and not stored, of all cores together, of people whose ids begin with
    `name`.
    """
    renderer = CertificateRenderer(connection, worker_config.render_config)
    rows = cast(list[tuple[Any, ...]], connection.execute(_ISSUED, (name, _SAMPLE)).fetchall())
    jobs = [renderer.job(Claim(*row)) for row in rows]
    processes = len(cores())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:

        def render(times: int) -> list[float]:
            work = partial(_render, worker_config.render_config, jobs)
            return list(pool.map(work, [times] * processes))

        render(1)  # or one would be measured while another still imports
        took = render(_RENDERS)
    return sum(_RENDERS / seconds for seconds in took)


def _render(render_config: RenderConfig, jobs: Sequence[Job], times: int) -> float:
    """Seconds for so many renders, once some are made."""
    configure_fonts(render_config.fonts_folder)
    for job in islice(cycle(jobs), _WARM_UP):
        render_job(job, render_config)
    began = perf_counter()
    for job in islice(cycle(jobs), times):
        render_job(job, render_config)
    return perf_counter() - began
