"""Wakes DAGs when there is work: runs in Airflow's triggerer for as long as that lives."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from pramaan.watch import Work

__all__ = ["WorkTrigger"]


class WorkTrigger(BaseEventTrigger):  # type: ignore[misc] # Airflow is not followed
    """An event for each time that there is new work of a kind; see `pramaan.watch`."""

    def __init__(self, work: "Work") -> None:
        super().__init__()
        self.work = work

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow keeps it."""
        return "pramaan.orchestration.triggers.WorkTrigger", {"work": self.work}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Tell of work until the triggerer ends. The event says how much is new, and no names of files."""
        from pramaan.orchestration.workplace import database_url
        from pramaan.settings import load_settings
        from pramaan.watch import Watch

        settings = load_settings()
        with Watch(settings, url=database_url(settings), work=self.work) as watch:
            while True:
                # In a thread: the triggerer's other triggers go on meanwhile.
                if news := await asyncio.to_thread(watch.look):
                    yield TriggerEvent({"work": self.work, "new": len(news)})
