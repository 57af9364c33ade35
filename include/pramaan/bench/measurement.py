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

    @property
    def shown(self) -> str:
        """The figure with four digits that count."""
        whole_from = 1000
        return f"{self.value:,.0f}" if self.value >= whole_from else f"{self.value:.4g}"
