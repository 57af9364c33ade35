"""What waiting costs: the processor's time of a minute in which nothing happens."""

import time
from collections.abc import Callable
from statistics import median
from typing import Final

from pramaan.bench.issuance.platform import Platform
from pramaan.bench.issuance.process_stats import processor_seconds
from pramaan.bench.measurement import Measurement

__all__ = ["measure_idle"]

_SETTLE_SECONDS: Final = 20.0


def measure_idle(
    platform: Platform, *, minutes: int, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Minutes of a platform at rest with all DAGs on, and as many with all paused, by turns."""
    spent: dict[bool, list[float]] = {False: [], True: []}
    with platform.pipeline.connect() as connection:
        for _ in range(minutes):
            for paused, seconds in spent.items():
                platform.api.pause(paused=paused)
                platform.rest(connection)
                time.sleep(_SETTLE_SECONDS)
                seconds.append(_minute(platform))
                report(f"An idle minute, {'paused' if paused else 'on'}: {seconds[-1]:.2f} s")
        platform.api.pause(paused=False)
    on, off = median(spent[False]), median(spent[True])
    remark = f"of the processor, all processes of the home; median of {minutes} minutes"
    return [
        Measurement("an idle minute, DAGs on", on, "s", None, remark),
        Measurement("an idle minute, DAGs paused", off, "s", None, remark),
        Measurement("an idle minute, what DAGs add", on - off, "s", "at most 2", "the first less the second"),
    ]


def _minute(platform: Platform) -> float:
    before, began = processor_seconds(platform.settings), time.monotonic()
    time.sleep(60)
    return (processor_seconds(platform.settings) - before) * 60 / (time.monotonic() - began)
