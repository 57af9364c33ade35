"""Issues in the foreground with a worker process for each core, until nothing that was due is left."""

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from multiprocessing import get_context
from uuid import UUID

from pramaan.certificates.issue import ChunkResult, Press, issue_chunk
from pramaan.errors import HostError

__all__ = ["issue_all"]

_CHUNK_SIZE = 100
_CHUNKS_A_PROCESS = 100
"""Workers are replaced after this many chunks, so that a leak in a C library never grows large."""


def issue_all(
    press: Press,
    *,
    due_by: datetime,
    run_id: UUID | None,
    waiting: int,
    on_attempts: Callable[[int], None] = lambda _: None,
) -> ChunkResult:
    """Issue all pending certificates due by `due_by`, about `waiting` of them; `on_attempts` hears of each
    chunk.

    Raises what a worker raised, or HostError when a worker process died.
    """
    processes = max(1, min(os.cpu_count() or 1, -(-waiting // _CHUNK_SIZE)))
    result = ChunkResult()
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), max_tasks_per_child=_CHUNKS_A_PROCESS
    ) as pool:

        def start() -> Future[ChunkResult]:
            return pool.submit(issue_chunk, press, limit=_CHUNK_SIZE, due_by=due_by, run_id=run_id)

        running = {start() for _ in range(processes)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    chunk = future.result()
                    result += chunk
                    on_attempts(chunk.attempts)
                    if chunk.attempts:
                        running.add(start())
        except BrokenProcessPool as error:
            raise HostError(
                "a rendering process was killed (out of memory?); what it held is free again: "
                "run `pramaan issue`"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return result
