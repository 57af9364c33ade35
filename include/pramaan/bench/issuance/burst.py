"""Many completions dropped at once: how long until the last PDF is recorded, and how much of it is not
rendering.
"""

from collections.abc import Callable
from typing import Final, LiteralString, cast

from pramaan.bench.issuance.platform import ISSUING, Platform, wait_until
from pramaan.bench.issuance.rendering_rate import rendering_rate
from pramaan.bench.issuance.synthetic_people import Drop, drop_completions
from pramaan.bench.measurement import Measurement

__all__ = ["measure_burst"]

_NAME: Final = "burst"
_FIRST: Final = "first"
_FIRST_PEOPLE: Final = 600
"""In every language that occurs: pages are compiled once, and no burst is a home's first batch."""

_TIMEOUT_SECONDS: Final = 1800.0
_POLL_SECONDS: Final = 3.0
"""To count them takes part of a core, and what is told is when each was recorded."""

_ISSUED: LiteralString = """
    select count(*), coalesce(extract(epoch from max(issued_at)), 0)::float
    from registry.certificates
    where user_id like %s || '-%%' and status = 'issued'
"""


def measure_burst(
    platform: Platform, *, completions: int, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Drop so many completions at once.

    Rendering is measured afterwards, with nothing beside it: the very same certificates in a process for each
    core give a rate, and what all of them take at that rate is taken from the whole.
    """
    with platform.pipeline.connect() as connection:
        drop_completions(platform.landing, platform.folder, name=_FIRST, people=_FIRST_PEOPLE)
        platform.rest(connection)
    drop = drop_completions(platform.landing, platform.folder, name=_NAME, people=completions)
    seconds = _last_recorded_at(platform, completions) - drop.first_at
    report(f"{completions:,} certificates in {seconds:.1f} s")
    with platform.pipeline.connect() as connection:
        platform.rest(connection)
        rate = rendering_rate(platform.pipeline.worker_config, connection, name=_NAME)
    rendering = completions / rate
    what = f"{completions:,} completions at once"
    return [
        Measurement(what, seconds, "s", "at most 240", "files dropped to the last PDF recorded"),
        Measurement(
            f"{what}, but rendering",
            seconds - rendering,
            "s",
            "at most 90",
            f"to render the same takes {rendering:.1f} s, {rate:,.0f} a second, measured after it",
        ),
        Measurement(
            f"{what}, but rendering over rendering", seconds / rendering - 1, "times", "at most 0.4", ""
        ),
        *_steps(platform, drop),
    ]


def _last_recorded_at(platform: Platform, completions: int) -> float:
    seen = [0.0]
    with platform.pipeline.connect() as connection:

        def all_issued() -> bool:
            count, seen[0] = cast(tuple[int, float], connection.execute(_ISSUED, (_NAME,)).fetchone())
            return count >= completions

        wait_until(
            all_issued,
            seconds=_TIMEOUT_SECONDS,
            what=f"{completions:,} certificates",
            every_seconds=_POLL_SECONDS,
        )
    return seen[0]


def _steps(platform: Platform, drop: Drop) -> list[Measurement]:
    """When each step ended for the last time."""
    ends: dict[str, float] = {}
    for task in platform.api.tasks(ISSUING, since=drop.first_at):
        if task.state == "success":
            ends[task.task_id] = max(task.ended_at, ends.get(task.task_id, 0.0))
    return [
        Measurement(f"of it, until {name} ended", at - drop.first_at, "s", None, "since the files dropped")
        for name, at in sorted(ends.items(), key=lambda end: end[1])
    ]
