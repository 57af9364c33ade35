"""A report as a file: how long it takes from Postgres to the finished file, and the memory of its process."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final
from zoneinfo import ZoneInfo

from pramaan.bench.measurement import Measurement
from pramaan.bench.reporting.synthetic_people import LARGE
from pramaan.database.connect import connect
from pramaan.pipeline import Pipeline
from pramaan.reports.files import write_report
from pramaan.reports.ledger import Format
from pramaan.reports.rows import open_report

__all__ = ["measure_files"]

_TIMES: Final = 5
_TARGETS: Final[dict[Format, str]] = {"csv": "at most 2", "xlsx": "at most 10"}
_MEGABYTE: Final = 1e6


def measure_files(
    pipeline: Pipeline, *, people: int, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Build the report of the large batch in each format, the median of five, in a process of its own."""
    found = []
    for format_, target in _TARGETS.items():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds, rows_alone, file_bytes, memory = pool.submit(
                _build, pipeline.worker_config.database_url, pipeline.worker_config.timezone, format_
            ).result()
        report(f"{format_}: {seconds:.2f} s")
        what = f"{people:,} rows as {format_}"
        found += [
            Measurement(
                what, seconds, "s", target, f"zipped, {file_bytes / _MEGABYTE:.1f} MB; median of {_TIMES}"
            ),
            Measurement(
                f"{what}, of it reading", rows_alone, "s", None, "the same rows read and thrown away"
            ),
            Measurement(f"{what}, memory", memory / _MEGABYTE, "MB", "at most 400", "peak of the process"),
        ]
    return found


def _build(database_url: str, timezone: str, format_: Format) -> tuple[float, float, int, int]:
    zone = ZoneInfo(timezone)
    took, read = [], []
    with tempfile.TemporaryDirectory() as name, connect(database_url) as connection:
        folder = Path(name)
        file = folder / "report"
        for _ in range(_TIMES):
            began = perf_counter()
            with open_report(connection, LARGE, tenants=None, zone=zone, folder=folder) as rows:
                write_report(rows, file, format=format_, language="en", zone=zone, password=None)
            took.append(perf_counter() - began)
            began = perf_counter()
            with open_report(connection, LARGE, tenants=None, zone=zone, folder=folder) as rows:
                for _batch in rows.batches:
                    pass
            read.append(perf_counter() - began)
        return median(took), median(read), file.stat().st_size, _peak_bytes()


def _peak_bytes() -> int:
    """Of this process since it began; the kernel's account for a parent would begin with that of its own."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
