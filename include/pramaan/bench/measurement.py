"""One figure of a benchmark, as BENCHMARKS.md prints it."""

from dataclasses import dataclass

__all__ = ["Measurement"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure with its unit; `target` says what it must reach, None for a peer's or a side figure."""

    name: str
    value: float
    unit: str
    target: str | None
    remark: str
