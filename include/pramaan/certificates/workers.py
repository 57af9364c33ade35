"""Issues in the foreground with a worker process for each core, until nothing that was due is left."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Final
from uuid import UUID

from pramaan.certificates.issue import ChunkResult, WorkerConfig, issue_chunk
from pramaan.errors import HostError

__all__ = ["issue_all"]

log = logging.getLogger(__name__)

_CHUNK_SIZE: Final = 500
_CHUNKS_A_PROCESS: Final = 100
"""Workers are replaced after this many chunks, so that a leak in a C library never grows large."""

_MOST_BROKEN_POOLS: Final = 30
"""A certificate that kills its workers breaks three pools before it is rendered alone."""


def issue_all(
    worker_config: WorkerConfig,
    *,
    due_by: datetime,
    run_id: UUID | None,
    waiting: int,
    on_attempts: Callable[[int], None] = lambda _: None,
) -> ChunkResult:
    """Issue all pending certificates due by `due_by`, about `waiting` of them; `on_attempts` hears of each
    chunk.

    When a worker process dies, the run goes on with new ones; the chunks that were under way then are not
    counted. Raises what a worker raised, or HostError when processes go on dying.
    """
    processes = max(1, min(os.cpu_count() or 1, -(-waiting // _CHUNK_SIZE)))
    result = ChunkResult()

    def count(chunk: ChunkResult) -> None:
        nonlocal result
        result += chunk
        on_attempts(chunk.attempts)

    for _ in range(_MOST_BROKEN_POOLS):
        try:
            _issue_in_pool(worker_config, processes=processes, due_by=due_by, run_id=run_id, count=count)
        except BrokenProcessPool:
            log.warning("a rendering process died; what it held is free again, and others go on")
        else:
            return result
    raise HostError(
        f"rendering processes died {_MOST_BROKEN_POOLS} times (killed? out of memory?); what was recorded "
        "stays, and the rest is free again: see what ends them, then run `pramaan issue`"
    )


def _issue_in_pool(
    worker_config: WorkerConfig,
    *,
    processes: int,
    due_by: datetime,
    run_id: UUID | None,
    count: Callable[[ChunkResult], None],
) -> None:
    with ProcessPoolExecutor(
        processes,
        mp_context=get_context("spawn"),
        initializer=_end_with_the_run,
        max_tasks_per_child=_CHUNKS_A_PROCESS,
    ) as pool:

        def start() -> Future[ChunkResult]:
            return pool.submit(issue_chunk, worker_config, limit=_CHUNK_SIZE, due_by=due_by, run_id=run_id)

        running = {start() for _ in range(processes)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                # Those first that came through: when a process dies, all that run with it are broken.
                for future in sorted(finished, key=lambda future: future.exception() is not None):
                    chunk = future.result()
                    count(chunk)
                    if chunk.attempts:
                        running.add(start())
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_the_run() -> None:
    """A run that is killed cannot end its workers, and each would wait for another chunk for ever."""
    Thread(target=_exit_without_parent, daemon=True).start()


def _exit_without_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
