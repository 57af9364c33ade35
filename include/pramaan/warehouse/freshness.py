"""Which feeds have not come for longer than `dbt/models/sources.yml` allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pramaan.warehouse.dbt import invoke_dbt

__all__ = ["StaleFeed", "stale_feeds"]


@dataclass(frozen=True, slots=True)
class StaleFeed:
    """A feed that is overdue; `is_error`: by so much that somebody has to act."""

    feed: str
    loaded_at: datetime
    age: timedelta
    allowed_days: int
    is_error: bool


def stale_feeds(url: str, *, target: Path) -> Sequence[StaleFeed]:
    """The feeds that are overdue, by name, as `dbt source freshness` finds them; one that has never come
    is not awaited. Writes dbt's artefacts below `target`.

    Raises DatabaseError when dbt cannot find out.
    """
    found = []
    results = invoke_dbt(["source", "freshness"], url=url, target=target, expected=("pass", "warn", "error"))
    for result in results:
        is_error = result.status == "error"
        # What was never loaded dbt takes for loaded in the first of all years.
        if result.status != "pass" and result.max_loaded_at.year > 1:
            limits = result.node.freshness
            found.append(
                StaleFeed(
                    feed=result.node.name,
                    loaded_at=result.max_loaded_at,
                    age=timedelta(seconds=result.age),
                    allowed_days=(limits.error_after if is_error else limits.warn_after).count,
                    is_error=is_error,
                )
            )
    return sorted(found, key=lambda stale: stale.feed)
