"""Issuance as a whole: from a dropped file to a recorded PDF under real Airflow, at a trickle and in a burst;
what waiting costs; and that a batch's cost follows the change, not the history.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from pramaan.bench.issuance.burst import measure_burst
from pramaan.bench.issuance.growth import measure_growth
from pramaan.bench.issuance.idle import measure_idle
from pramaan.bench.issuance.platform import running_platform
from pramaan.bench.issuance.process_stats import MemoryWatch
from pramaan.bench.issuance.stream import measure_stream, measure_wake_ups
from pramaan.bench.measurement import Measurement

__all__ = ["Sizes", "run"]

_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; a part of size 0 is left out."""

    stream_seconds: int = 300
    completions_at_once: int = 100_000
    idle_minutes: int = 3
    progress_rows: int = 10_000_000


def run(sizes: Sizes, *, report: Callable[[str], None] = lambda _: None) -> list[Measurement]:
    """Measure, each part in a home of its own; `report` hears of each step.

    Raises HostError when the platform does not start, or a certificate does not come.
    """
    load = os.getloadavg()[0]
    return [
        *_under_airflow(sizes, report=report),
        *(measure_growth(progress_rows=sizes.progress_rows, report=report) if sizes.progress_rows else []),
        Measurement("load of the machine", load, "processes", None, "when this began; others disturb it"),
    ]


def _under_airflow(sizes: Sizes, *, report: Callable[[str], None]) -> list[Measurement]:
    if not (sizes.stream_seconds or sizes.completions_at_once or sizes.idle_minutes):
        return []
    with running_platform(report=report) as platform:
        found: list[Measurement] = []
        with MemoryWatch(platform.settings) as memory:
            if sizes.stream_seconds:
                found += measure_wake_ups(platform)
                found += measure_stream(platform, seconds=sizes.stream_seconds, report=report)
            if sizes.completions_at_once:
                found += measure_burst(platform, completions=sizes.completions_at_once, report=report)
        if found:
            held = memory.largest_bytes / _MEGABYTE
            found.append(
                Measurement("largest process", held, "MB", "at most 700", f"resident at most: {memory.whose}")
            )
        if sizes.idle_minutes:
            found += measure_idle(platform, minutes=sizes.idle_minutes, report=report)
    return found
