"""Airflow's LocalExecutor, but it does not outlive the death of one of its processes."""

import logging
import os
from typing import Final

from airflow.executors.local_executor import LocalExecutor

__all__ = ["MortalLocalExecutor"]

log = logging.getLogger(__name__)

_FAILED: Final = 1


class MortalLocalExecutor(LocalExecutor):  # type: ignore[misc] # Airflow is not followed
    """Ends the scheduler when one of the executor's processes was killed.

    One that waits for work holds the lock of the queue: killed then (out of memory, say), it leaves the lock
    taken for ever, and no task begins again while the scheduler looks healthy. A new scheduler, which the
    supervisor starts at once, has a new queue; the tasks under way are tried again.
    """

    def _check_workers(self) -> None:
        killed = [pid for pid, process in self.workers.items() if process.exitcode]
        if killed:
            log.critical("processes of the executor were killed: %s; the scheduler begins anew", killed)
            # At once: an orderly end would wait for processes that wait for the lock.
            os._exit(_FAILED)
        super()._check_workers()
