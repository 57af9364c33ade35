"""Wakes DAGs when there is work: runs in Airflow's triggerer for as long as that lives."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from pramaan.work import Work

__all__ = ["WorkTrigger"]


class WorkTrigger(BaseEventTrigger):  # type: ignore[misc] # Airflow is not followed
    """An event for each time that there is new work of a kind; see `pramaan.work`."""

    def __init__(self, work: "Work") -> None:
        super().__init__()
        self.work = work

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow keeps it."""
        return "pramaan.orchestration.triggers.WorkTrigger", {"work": self.work}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Tell of work until the triggerer ends. The event says how much is new, and no names of files."""
        from pramaan.orchestration.context import task_context
        from pramaan.watch import Watch
        from pramaan.work import work_sources

        place = task_context()
        sources = work_sources(place.settings, url=place.url)[self.work]
        # In a thread of its own: the triggerer's other triggers go on meanwhile, and they share few.
        with (
            Watch(place.url, name=self.work, sources=sources) as watch,
            ThreadPoolExecutor(1, f"watch {self.work}") as thread,
        ):
            while True:
                if new := await asyncio.get_running_loop().run_in_executor(thread, watch.look):
                    yield TriggerEvent({"work": self.work, "new": len(new)})
