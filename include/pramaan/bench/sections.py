"""BENCHMARKS.md: one section for each benchmark, replaced when it is measured again."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pramaan.bench.measurement import Measurement

__all__ = ["describe_machine", "write_section"]

_TITLE = "# Benchmarks\n\nMeasured by `pramaan bench`, which rewrites the section of what it measured.\n"


def describe_machine() -> str:
    """Processor, cores, memory, system and the versions that matter, in one line."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "weasyprint"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, "
        f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Python {platform.python_version()}, {versions}"
    )


def write_section(file: Path, name: str, measurements: list[Measurement]) -> None:
    """Put the benchmark's section into the file, in the place of its last one, or at the end."""
    now = datetime.now(UTC)
    rows = "\n".join(f"| {m.name} | {m.shown} | {m.unit} | {_target(m)} | {m.remark} |" for m in measurements)
    section = (
        f"## {name}\n\n{now:%Y-%m-%d}, {describe_machine()}\n\n"
        f"| what | measured | unit | target | remark |\n|---|---|---|---|---|\n{rows}\n"
    )
    text = file.read_text() if file.exists() else _TITLE
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    found = pattern.search(text)
    text = (
        text[: found.start()] + section + "\n" + text[found.end() :]
        if found
        else f"{text.rstrip()}\n\n{section}"
    )
    file.write_text(text.rstrip() + "\n")


def _target(measurement: Measurement) -> str:
    return f"{measurement.target or ''}{' **missed**' if measurement.is_missed else ''}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
