"""One figure of a benchmark, as BENCHMARKS.md prints it."""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Measurement"]

_BOUND: Final = re.compile(r"(at least|at most|under|below) ([\d,.]*\d)")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure with its unit; `target` is the bound it must reach, such as `at least 1,000`, or None for the
    figure of a peer and for side figures.
    """

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

    @property
    def is_missed(self) -> bool:
        """Whether the figure does not reach its target. Raises ValueError for a target without a bound."""
        if self.target is None:
            return False
        if (found := _BOUND.search(self.target)) is None:
            raise ValueError(f"{self.name}: the target {self.target!r} is no bound, such as `at most 2`")
        bound = float(found[2].replace(",", ""))
        match found[1]:
            case "at least":
                return self.value < bound
            case "at most":
                return self.value > bound
            case _:
                return self.value >= bound
